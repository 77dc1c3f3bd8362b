"""Architectures side by side: same data, same folds, same augmented copies, same number of epochs.

The networks over the speaker encoder's states use mixup where those over features mask bands; the LSTM over words, which nobody
trained before, learns ten times faster than the transformer. "ms" is one core's time for the networks alone.

``python -m emotion.training.experiments speech|text`` trains them all, from EMOTION_DATA, and prints a Markdown table.
"""

import argparse
import dataclasses
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.speech.recogniser import ENCODER_MELS, N_FEATURES, STATES, EncodedNetwork, SpectralNetwork, pooled
from emotion.text.recogniser import EMOTIONS
from emotion.training import datasets, export, metrics, speech, text, training_loop
from emotion.training.datasets import Example

TIMED_FRAMES = 250  # 5 s of voice
TIMED_WORDS = 15


# --- voice ---------------------------------------------------------------------------------------------------------------


class Standardised(nn.Module):
    """Features (n, t, 107) less their mean and over their scale, zero beyond the lengths (n,)."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("scale", torch.ones(N_FEATURES))

    def prepared(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The features as the network takes them, and how each frame counts: 1 / length inside (n, 1, t)."""
        inside = torch.arange(x.shape[1]) < lengths[:, None]
        return (x - self.mean) / self.scale * inside[:, :, None], (inside / lengths[:, None])[:, None]


class Functionals(Standardised):
    """Mean and standard deviation of each feature, then three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.BatchNorm1d(2 * N_FEATURES),
            nn.Linear(2 * N_FEATURES, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(256, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(128, len(LABELS)),
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x, share = self.prepared(x, lengths)
        logits: Tensor = self.dense(pooled(x.transpose(1, 2), share))
        return logits


class Recurrent(Standardised):
    """Two layers of bidirectional LSTM over pairs of frames, mean and standard deviation over time."""

    def __init__(self, width: int = 128):
        super().__init__()
        self.lstm = nn.LSTM(2 * N_FEATURES, width, num_layers=2, batch_first=True, bidirectional=True, dropout=0.3)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * width, len(LABELS)))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x, share = self.prepared(x, lengths)
        even = x.shape[1] // 2 * 2
        states, _ = self.lstm(x[:, :even].unflatten(1, (-1, 2)).flatten(2))
        logits: Tensor = self.head(pooled(states.transpose(1, 2).float(), 2 * share[:, :, :even:2]))
        return logits


class Convolutional(SpectralNetwork):
    """The convolutional network with mean and standard deviation over time where it has attention."""

    def __init__(self) -> None:
        super().__init__(heads=1)
        self.attention = Alike()


class Alike(nn.Module):
    def forward(self, states: Tensor) -> Tensor:
        return torch.zeros_like(states[:, :1])


class ConvolutionalRecurrent(SpectralNetwork):
    """The convolutional network with a bidirectional LSTM before its attention."""

    def __init__(self) -> None:
        super().__init__()
        self.merge.append(Bidirectional(128))


class Bidirectional(nn.Module):
    """LSTM over states (n, c, t), forward and backward."""

    def __init__(self, width: int):
        super().__init__()
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, states: Tensor) -> Tensor:
        both: Tensor = self.lstm(states.transpose(1, 2))[0]
        return both.transpose(1, 2)


FRAME_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "MLP on functionals": Functionals,
    "LSTM": Recurrent,
    "CNN": Convolutional,
    "CNN-BiLSTM-attention": ConvolutionalRecurrent,
    "CNN-attention": SpectralNetwork,
}
ENCODER_ATTENTION = "speaker encoder, attention"
ENSEMBLE = "ensemble of CNN-attention and four of speaker encoder, attention (shipped)"


def compare_speech() -> list[dict[str, Any]]:
    """UAR on RAVDESS actors 1-20 out of fold, EmoDB in training, of every architecture; five folds by actor."""
    examples, encoder = speech.corpus(), speech.pretrained_encoder()
    clips, labels = speech.prepare(examples, speech.VARIANTS, encoder), np.array([e.label for e in examples])
    folds = speech.folds_of(examples)
    names = [*FRAME_NETWORKS, ENCODER_ATTENTION, ENSEMBLE]
    logits = {name: np.zeros((len(examples), len(LABELS)), np.float32) for name in names}
    networks: dict[str, list[nn.Module]] = {}
    for fold in range(speech.FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        chosen, others = clips.only(inside), clips.only(outside)
        members = speech.fit_members(chosen, labels[inside], speech.RECIPE, f"speech{{}}-fold{fold}")
        networks |= {"CNN-attention": members[:1], ENCODER_ATTENTION: [encoder, members[1]], ENSEMBLE: [encoder, *members]}
        logits[ENSEMBLE][outside] = speech.logits(members, others)
        for name, make in FRAME_NETWORKS.items():
            if make is not SpectralNetwork:
                torch.manual_seed(speech.RECIPE.seed)
                network = speech.standardised(make(), chosen.frames)
                checkpoint = training_loop.checkpoint_for(f"experiment-{make.__name__}-fold{fold}", None, speech.RECIPE)
                networks[name] = [speech.fit_frames(network, chosen.frames, labels[inside], checkpoint, speech.RECIPE)]
            logits[name][outside] = _of_frames(networks[name][0], others.frames)
        logits[ENCODER_ATTENTION][outside] = of_states(members[1], others.states)
    return [_speech_row(name, logits[name], labels, folds, networks[name]) for name in names]


def _speech_row(
    name: str, logits: np.ndarray, labels: np.ndarray, folds: np.ndarray, networks: list[nn.Module]
) -> dict[str, Any]:
    def uar(rows: np.ndarray) -> float:
        return float(metrics.report(logits[rows], labels[rows])["uar"])

    of_folds = [uar(folds == fold) for fold in range(speech.FOLDS)]
    frames, mel, lengths = (
        torch.zeros(1, TIMED_FRAMES, N_FEATURES),
        torch.zeros(1, 2 * TIMED_FRAMES, ENCODER_MELS),
        torch.tensor([TIMED_FRAMES]),
    )
    states = torch.zeros(1, -(-TIMED_FRAMES // speech.STRIDE), STATES)

    def once() -> None:
        for network in networks:
            if isinstance(network, EncodedNetwork):
                network(states, lengths)
            elif isinstance(network, speech.SpeakerEncoder):
                network(mel)
            else:
                network(frames, lengths)

    figure = f"{uar(folds >= 0):.3f} ({min(of_folds):.3f}-{max(of_folds):.3f})"
    return {"voice": name, "parameters": _parameters(networks), "UAR (folds)": figure, "ms": _milliseconds(once)}


@torch.inference_mode()
def _of_frames(network: nn.Module, clips: list[list[Tensor]]) -> np.ndarray:
    return torch.cat([network(*speech.stack([clip[0]])) for clip in clips]).float().numpy()


@torch.inference_mode()
def of_states(network: nn.Module, clips: list[list[Tensor]]) -> np.ndarray:
    """Logits of a network over the encoder's states, of the clips as recorded, one by one."""
    return torch.cat([network(clip[0][None], torch.tensor([len(clip[0]) * speech.STRIDE])) for clip in clips]).float().numpy()


# --- text ----------------------------------------------------------------------------------------------------------------


class TextRecurrent(nn.Module):
    """A bidirectional LSTM over word pieces, with the two heads of the text network; nothing in it was trained before."""

    def __init__(self, vocabulary: int, width: int = 128):
        super().__init__()
        self.encoder = nn.ModuleDict(
            {"words": nn.Embedding(vocabulary, width), "lstm": nn.LSTM(width, width, batch_first=True, bidirectional=True)}
        )
        self.dropout = nn.Dropout(0.3)
        self.label, self.emotions = nn.Linear(2 * width, len(LABELS)), nn.Linear(2 * width, EMOTIONS)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states, _ = self.encoder["lstm"](self.dropout(self.encoder["words"](ids)))
        inside = mask.unsqueeze(2).to(states.dtype)
        mean = self.dropout((states * inside).sum(dim=1) / inside.sum(dim=1))
        return self.label(mean), self.emotions(mean)


def compare_text() -> list[dict[str, Any]]:
    """GoEmotions dev macro-F1 (rows of one label), MELD dev weighted F1 and ISEAR held-out writers' macro-F1 of three models."""
    folder = export.data_file("text")
    examples, held = text.examples_of(folder)
    watch = [e for e in held if e.label >= 0]
    parts = {name: datasets.load("text", name, folder, "dev") for name in ("goemotions", "meld")}
    parts["isear"] = [e for e in watch if e.group.startswith("isear")]
    model = text.TextRecogniser(bundled("text", DEFAULT_FILE))

    recipe = dataclasses.replace(text.RECIPE, learning_rate=1e-3)
    torch.manual_seed(recipe.seed)
    network = TextRecurrent(model.tokenizer.get_vocab_size())
    checkpoint = training_loop.checkpoint_for("experiment-TextRecurrent", None, recipe)
    network = text.fit_network(network, model.tokenizer, examples, checkpoint, recipe, watch)

    count, predict = _bag_of_words(examples)

    def recurrent(texts: list[str]) -> np.ndarray:
        return text.logits(network, model.tokenizer, texts)[0]

    return [
        _text_row("TF-IDF, logistic regression", count, predict, parts),
        _text_row("LSTM", _parameters([network]), recurrent, parts),
        _text_row("MiniLM, fine-tuned (shipped)", _parameters([model.network]), model.predict, parts),
    ]


def _bag_of_words(examples: list[Example]) -> tuple[int, Callable[[list[str]], np.ndarray]]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    single = [e for e in examples if e.label >= 0]
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, preprocessor=text.normalise)
    pipeline = make_pipeline(vectoriser, LogisticRegression(C=4.0, class_weight="balanced", max_iter=400))
    pipeline.fit([e.item for e in single], [e.label for e in single])
    return pipeline[-1].coef_.size, pipeline.predict_proba


def _text_row(
    name: str, parameters: int, predict: Callable[[list[str]], np.ndarray], parts: dict[str, list[Example]]
) -> dict[str, Any]:
    def figure(part: str, kind: str) -> str:
        rows = parts[part]
        return export.cell(kind, predict([e.item for e in rows]), np.array([e.label for e in rows]), [e.group for e in rows])

    return {
        "text": name,
        "parameters": parameters,
        "GoEmotions dev, macro-F1": figure("goemotions", "macro_f1"),
        "MELD dev, weighted F1": figure("meld", "weighted_f1"),
        "ISEAR held-out writers, macro-F1": figure("isear", "macro_f1"),
        "ms": _milliseconds(lambda: predict(["word " * TIMED_WORDS])),
    }


# --- both ----------------------------------------------------------------------------------------------------------------


def _parameters(networks: list[nn.Module]) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


@torch.inference_mode()
def _milliseconds(once: Callable[[], Any]) -> str:
    """Median of 20 runs after one."""
    once()
    taken = []
    for _ in range(20):
        start = time.perf_counter()
        once()
        taken.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(taken):.1f}"


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        cells = [f"{value / 1e6:.2f} M" if name == "parameters" else str(value) for name, value in row.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(description: str, tables: dict[str, Callable[[], list[dict[str, Any]]]], argv: list[str] | None) -> int:
    """A command with one argument, which of the tables to make; prints it on one compute thread. Returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("modality", choices=tables)
    wanted = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    torch.set_num_threads(1)
    try:
        print(table(tables[wanted.modality]()))
    except InputError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run(__doc__, {"speech": compare_speech, "text": compare_text}, argv)


if __name__ == "__main__":
    sys.exit(main())
