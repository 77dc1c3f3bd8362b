"""The text model learns from the teacher: distillation (Hinton et al. 2015) on all texts at hand, those without a label too.

The teacher reads each text once. Its logits are kept in its folder, so that an interrupted call goes on with what is missing. The
student starts from MiniLM as ``emotion.training.text`` does, with 6 layers, or with 12, each pretrained one twice. It learns the
teacher's softened probabilities beside the labels that the rows have. A batch of 64 texts of 20 tokens is 41 G multiply-adds with
6 layers, 0.7 s on one core in bfloat16; the teacher's reading of all 180,000 texts is 300 T, an hour and a half.

``python -m emotion.training.text_student --teacher FOLDER --out FOLDER [--layers 12]`` does both from EMOTION_DATA on one thread,
and goes on where it was interrupted. ``--figures`` prints the figures of the result; the ECE of the held-out rows is in-sample,
as the temperature is fitted on them. It writes to ``--out`` alone, and what the teacher reads to the teacher's folder.
"""

import argparse
import dataclasses
import hashlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from emotion.checkpoint import config
from emotion.labels import LABELS
from emotion.text.recogniser import TextRecogniser, label_scores
from emotion.training import datasets, export, metrics, text, text_teacher, training_loop
from emotion.training.datasets import Example
from emotion.training.text_corpus import corpus

log = logging.getLogger(__name__)

CHUNK = 2048  # texts that the teacher reads between two files, a minute on one core
SOFT = 0.7  # of the loss is the teacher's, the rest that of the labels
TEMPERATURE = 2.0  # that softens both sides of the teacher's loss
RECIPE = training_loop.Recipe(
    epochs=200, batch_size=64, learning_rate=1e-4, weight_decay=0.01, warmup=0.06, label_smoothing=0.05, ema=0.998
)  # an epoch is one slice of 50 steps: 640,000 texts are drawn, each 3.6 times on the mean
HEAD_RATE = 1e-3


def read_by(teacher: text_teacher.Teacher, texts: list[str], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's logits of the labels (n, 7) and of the emotions (n, 28); kept in ``folder``, in files of CHUNK texts each.

    A file is named after what was read and by which weights, so that another text or another teacher never meets an old one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(next(teacher.network.label.parameters()).detach().numpy().tobytes()).hexdigest()
    read = []
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        file = folder / f"{hashlib.sha256(' '.join([mark, *part]).encode()).hexdigest()[:24]}.npy"
        if not file.is_file():
            partial = file.with_suffix(".partial")
            with partial.open("wb") as stream:
                np.save(stream, np.concatenate(teacher.logits(part), axis=1).astype(np.float16))
            partial.replace(file)
            log.info("the teacher has read %d of %d texts", start + len(part), len(texts))
        read.append(np.load(file))
    logits = np.concatenate(read).astype(np.float32)
    return logits[:, : len(LABELS)], logits[:, len(LABELS) :]


@dataclasses.dataclass(frozen=True)
class DistillationTargets:
    """What each text should be read as.

    ``targets``: by its rows. ``labels`` (n, 7) and ``emotions`` (n, 28): the teacher's logits.
    """

    targets: text.Targets
    labels: Tensor
    emotions: Tensor

    def only(self, rows: np.ndarray) -> "DistillationTargets":
        return DistillationTargets(self.targets.only(rows), self.labels[rows], self.emotions[rows])

    def loss(self, smoothing: float, balance: float) -> Callable[[tuple[Tensor, Tensor], "DistillationTargets"], Tensor]:
        """The loss of a batch: that of the rows, and SOFT of it the teacher's.

        Of the labels it is the divergence of the softened probabilities, times TEMPERATURE squared, which keeps its gradients as
        large as those of the labels; of the emotions the binary cross-entropy with the teacher's probabilities.
        """
        by_rows = self.targets.loss(smoothing, balance)

        def loss(output: tuple[Tensor, Tensor], wanted: "DistillationTargets") -> Tensor:
            logits, emotions = (values.float() for values in output)
            taught = (wanted.labels / TEMPERATURE).log_softmax(dim=1)
            learnt = (logits / TEMPERATURE).log_softmax(dim=1)
            labels = nn.functional.kl_div(learnt, taught, reduction="batchmean", log_target=True) * TEMPERATURE**2
            probabilities = wanted.emotions.sigmoid()
            others = nn.functional.binary_cross_entropy_with_logits(emotions, probabilities, reduction="sum") / len(logits)
            return SOFT * (labels + text.EMOTIONS_SHARE * others) + (1 - SOFT) * by_rows(output, wanted.targets)

        return loss


def train(teacher: Path, out: Path, layers: int = text.LAYERS, slices: int = RECIPE.epochs, seed: int = RECIPE.seed) -> None:
    """Distil the teacher into a text model and write it to ``out``, from the checkpoint there if there is one.

    Parameters
    ----------
    teacher, out
        Folder of the trained teacher, and of the result: weights, config.json, tokenizer.json, student.ckpt.
    layers
        Of the student, a multiple of 6: 10.6 M multiply-adds a token for each 6.
    slices
        How many times ``text_teacher.SLICE`` steps are learnt in all.
    seed
        Of the new layers, of what is drawn and of what is masked.

    Raises
    ------
    InputError
        When there is no teacher, or a data set is missing.

    References
    ----------
    Hinton, Vinyals & Dean 2015, Distilling the Knowledge in a Neural Network.
    """
    recipe = dataclasses.replace(RECIPE, epochs=slices, seed=seed)
    chosen, held = corpus(export.data_file("text"), unlabelled=True)
    out.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(0)
    read = read_by(text_teacher.Teacher(teacher), [text.named(e.item, names) for e in chosen], teacher / "read")
    wanted = DistillationTargets(text.Targets.of(chosen), *map(torch.from_numpy, read))
    torch.manual_seed(seed)
    network, tokenizer = text.begun(chosen, layers)
    log.info("%d texts, %d of them with a label; %d held out", len(chosen), sum(e.label >= 0 for e in chosen), len(held))
    network = text_teacher.fit(
        network, tokenizer, "[MASK]", chosen, wanted, draw_probabilities(wanted), held, out / "student.ckpt", recipe, HEAD_RATE
    )
    settings = {"network": {"vocabulary": tokenizer.get_vocab_size(), "layers": layers}, "recipe": dataclasses.asdict(recipe)}
    export.save(out, network.state_dict(), settings | fitted(network, tokenizer, held))
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)


def draw_probabilities(wanted: DistillationTargets) -> np.ndarray:
    """How probably each text is drawn, (n,): as the teacher's texts, by what the teacher thinks where no label is known."""
    known = wanted.targets.labels.any(dim=1, keepdim=True)
    return text_teacher.draw_probabilities(torch.where(known, wanted.targets.labels, wanted.labels.softmax(dim=1)).numpy())


def fitted(network: nn.Module, tokenizer: Tokenizer, held: list[Example]) -> dict[str, object]:
    """The temperature and the thresholds of the second reading, chosen on what is held out, as settings to write."""
    one, many = [e for e in held if e.label >= 0], [e for e in held if e.emotions]
    logits = text.logits(network, tokenizer, [e.item for e in one])[0]
    truth = np.array([e.label for e in one])
    scores = label_scores(text.logits(network, tokenizer, [e.item for e in many])[1]) if many else np.empty((0, len(LABELS)))
    return {
        "temperature": training_loop.fit_temperature_of_sets(logits, truth, [text.set_of(e) for e in one]),
        "thresholds": metrics.best_thresholds(scores, datasets.labels_shown(many)),
    }


def student(folder: Path) -> TextRecogniser:
    """The trained student, calibrated."""
    return TextRecogniser(export.trained("text", folder, config(folder)["temperature"]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, choices=(6, 12), default=text.LAYERS, help="of the student (default: %(default)s)")
    start = ("--teacher", "distil: folder of the trained teacher")
    return text_teacher.run(
        parser, argv, start, RECIPE, lambda a: train(a.teacher, a.out, a.layers, a.slices, a.seed), trained=student
    )


if __name__ == "__main__":
    sys.exit(main())
