"""Ablations: what was left out or not taken, beside what ships, on the data on which it was chosen.

``python -m emotion.training.ablations speech|text|calibration|mood`` trains what each needs, from EMOTION_DATA, and prints a
Markdown table.
"""

import copy
import dataclasses
import sys
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn

from emotion.fusion import calibrate
from emotion.labels import LABELS, VALENCE
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.speech.recogniser import ENCODER_MELS, STATES, STRIDE, EncodedNetwork
from emotion.text.recogniser import TextNetwork, TextRecogniser
from emotion.training import datasets, evaluation, export, metrics, speech, text, training_loop
from emotion.training.datasets import Example
from emotion.training.experiments import of_states, run

CHOSEN_ON = 3  # the first of the folds of RAVDESS that settings of the voice were chosen on: actors 13-20
LAYERS = ("first", "second", "third")  # of the speaker encoder
CALM = 2  # as RAVDESS numbers it
SEEDS = 3
OFFSETS = np.arange(-20, 21) / 20  # logits
SURPRISE = (-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.6)  # valences


# --- voice ---------------------------------------------------------------------------------------------------------------


class EncoderLayers(nn.Module):
    """All layers of the speaker encoder: mel power (n, 2 t, 40) to their mean states of every fourth frame, (n, t/4, 3 x 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(size, STATES, batch_first=True) for size in (ENCODER_MELS, STATES, STATES))

    @classmethod
    def pretrained(cls) -> "EncoderLayers":
        encoder, weights = cls(), speech.pretrained_weights()
        for number, layer in enumerate(encoder.layers):
            layer.load_state_dict({name: weights[f"lstm.{name.removesuffix('0')}{number}"] for name in layer.state_dict()})
        return encoder.eval()

    def forward(self, states: Tensor) -> Tensor:
        heard = [states := layer(states)[0] for layer in self.layers]
        moments = torch.cat(heard, dim=2).transpose(1, 2)
        return nn.functional.avg_pool1d(moments, 2 * STRIDE, ceil_mode=True).transpose(1, 2)


def speech_ablations() -> list[dict[str, Any]]:
    """UAR on RAVDESS actors 13-20, the others and EmoDB in training."""
    examples = speech.corpus()
    clips, labels = speech.prepare(examples, speech.VARIANTS, EncoderLayers.pretrained()), np.array([e.label for e in examples])
    tested = speech.folds_of(examples) >= CHOSEN_ON
    inside, outside = np.flatnonzero(~tested), np.flatnonzero(tested)
    second = speech.Clips(clips.frames, layers(clips.states, 1, 2))
    members = speech.fit_members(second.only(inside), labels[inside], speech.RECIPE, "ablation{}")

    def encoded(name: str, states: list[list[Tensor]], wanted: np.ndarray, classes: int = len(LABELS)) -> np.ndarray:
        torch.manual_seed(speech.RECIPE.seed)
        network = EncodedNetwork(states=states[0][0].shape[1], classes=classes)
        checkpoint = training_loop.checkpoint_for(f"ablation-{name}", None, speech.RECIPE)
        network = speech.fit_states(network, [states[i] for i in inside], wanted[inside], checkpoint, speech.RECIPE)
        return of_states(network, [states[i] for i in outside])

    apart, one = calm_apart(examples, labels), "one network over the encoder's second layer"
    logits = {
        one: of_states(members[1], [second.states[i] for i in outside]),
        "ensemble of four of these and one over features (the recipe that ships)": speech.logits(members, second.only(outside)),
        f"{one}, the first beside it": encoded("first-layer", layers(clips.states, 0, 2), labels),
        f"{one}, no augmentation": encoded("not-augmented", [copies[:1] for copies in second.states], labels),
        f"{one}, calm as a class of its own": merged(encoded("calm", second.states, apart, len(LABELS) + 1)),
    }
    for number, name in enumerate(LAYERS):
        moments = functionals(layers(clips.states, number, number + 1))
        machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced")).fit(moments[inside], labels[inside])
        answers = np.eye(len(LABELS))[machine.predict(moments[outside])]
        logits[f"support vector machine, mean and standard deviation of the encoder's {name} layer"] = answers
    return _table("voice", logits, [examples[i] for i in outside], {"UAR": "uar"})


def layers(states: list[list[Tensor]], first: int, end: int) -> list[list[Tensor]]:
    """Of all clips and copies (t/4, 768) the states of some of the encoder's layers."""
    return [[each[:, first * STATES : end * STATES] for each in copies] for copies in states]


def functionals(states: list[list[Tensor]]) -> np.ndarray:
    """Mean and standard deviation of the states (t/4, c) of each clip as recorded, (n, 2 c)."""
    return torch.stack([torch.cat([copies[0].mean(dim=0), copies[0].std(dim=0)]) for copies in states]).numpy()


def calm_apart(examples: list[Example], labels: np.ndarray) -> np.ndarray:
    """The labels (n,), but one more than all of them for RAVDESS's calm clips."""
    clips = [datasets.ravdess_clip(e.id) for e in examples]
    return np.where([clip is not None and clip["emotion"] == CALM for clip in clips], len(LABELS), labels)


def merged(logits: np.ndarray) -> np.ndarray:
    """Logits (n, 8), the last of calm, to (n, 7): calm counts as neutral, their probabilities added."""
    result, neutral = logits[:, :-1].copy(), LABELS.index("neutral")
    result[:, neutral] = np.logaddexp(logits[:, neutral], logits[:, -1])
    return result


# --- text ----------------------------------------------------------------------------------------------------------------

HELD = "held-out tenth, macro-F1"
COLUMNS = {HELD: "macro_f1", "GoEmotions dev, macro-F1": "macro_f1", "MELD dev, weighted F1": "weighted_f1"}


def text_ablations() -> list[dict[str, Any]]:
    """Three runs that began alike, together by their weights or by their answers; offsets of the labels."""
    folder = export.data_file("text")
    examples, held = text.examples_of(folder)
    parts = [[e for e in held if e.label >= 0], *(datasets.load("text", name, folder, "dev") for name in ("goemotions", "meld"))]
    torch.manual_seed(text.RECIPE.seed)
    begun, tokenizer = text.begun(examples)
    runs = []
    for seed in range(SEEDS):
        recipe = dataclasses.replace(text.RECIPE, seed=seed)
        checkpoint = training_loop.checkpoint_for("text", None, recipe)  # the first is the one that ships
        runs.append(text.fit_network(copy.deepcopy(begun), tokenizer, examples, checkpoint, recipe, parts[0]))

    def read(network: nn.Module) -> list[np.ndarray]:
        return [text.logits(network, tokenizer, [e.item for e in part])[0] for part in parts]

    def row(name: str, logits: list[np.ndarray]) -> dict[str, Any]:
        cells: dict[str, Any] = {"text": name}
        for (column, figure), rows, first, part in zip(COLUMNS.items(), logits, shipped, parts, strict=True):
            cells |= _figures(rows, None if rows is first else first, part, {column: figure})
        return cells

    shipped = read(TextRecogniser(bundled("text", DEFAULT_FILE)).network)
    each = [read(network) for network in runs]
    offsets = best_offsets(shipped[0], np.array([e.label for e in parts[0]]))
    return [
        row("one run (shipped)", shipped),
        *(row(f"the same, seed {seed}", each[seed]) for seed in range(1, SEEDS)),
        row(f"mean weights of {SEEDS} runs", read(mean_weights(runs))),
        row(f"mean logits of {SEEDS} runs", [np.mean(answers, axis=0) for answers in zip(*each, strict=True)]),
        # The offsets were fitted on the held-out tenth, which says nothing of them.
        row("shipped, with offsets of the labels", [rows + offsets for rows in shipped]) | {HELD: ""},
    ]


def mean_weights(networks: list[TextNetwork]) -> TextNetwork:
    """One network of the mean weights of several that began alike ("model soup", Wortsman et al. 2022)."""
    mean, states = copy.deepcopy(networks[0]), [network.state_dict() for network in networks]
    mean.load_state_dict({name: torch.stack([state[name].double() for state in states]).mean(dim=0) for name in states[0]})
    return mean


def best_offsets(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Offsets (7,) to logits (n, 7) for the macro-F1: one label after the other is searched over OFFSETS, until none gains."""

    def macro_f1(offsets: np.ndarray) -> float:
        return float(metrics.report(logits + offsets, truth)["macro_f1"])

    best, before = np.zeros(len(LABELS)), -1.0
    while macro_f1(best) > before:
        before = macro_f1(best)
        for label in range(len(LABELS)):
            others = np.arange(len(LABELS)) != label
            best = max((best, *(np.where(others, best, offset) for offset in OFFSETS)), key=macro_f1)
    return best


# --- calibration of the text ---------------------------------------------------------------------------------------------


def calibration_ablations() -> list[dict[str, Any]]:
    """Calibration errors of the text by the temperature that ships, and by one that is fitted on all held-out rows together."""
    folder = export.data_file("text")
    held = [e for e in text.examples_of(folder)[1] if e.label >= 0]
    sets = sorted({text.set_of(e) for e in held})
    parts = {f"{name}, held out": [e for e in held if text.set_of(e) == name] for name in sets}
    parts |= {f"{name}, dev": datasets.load("text", name, folder, "dev") for name in ("goemotions", "meld")}
    model = TextRecogniser(bundled("text", DEFAULT_FILE))
    logits = {name: model.logits([e.item for e in part]) for name, part in parts.items()}
    truth = {name: np.array([e.label for e in part]) for name, part in parts.items()}
    fitted_on = [name for name in parts if name.endswith("held out")]
    together = training_loop.fit_temperature(*(np.concatenate([of[name] for name in fitted_on]) for of in (logits, truth)))
    return [
        {"temperature": f"{temperature:.3f}, {rule}"}
        | {name: f"{metrics.calibration_error(calibrate(logits[name], temperature), truth[name]):.3f}" for name in parts}
        for rule, temperature in (("of all sets (shipped)", model.temperature), ("of all rows together", together))
    ]


# --- mood ----------------------------------------------------------------------------------------------------------------


def mood_ablations() -> list[dict[str, Any]]:
    """The valence of surprise: rank correlation of the mood of EmoBank's held-out tenth with its rated valence."""
    _, held = text.examples_of(export.data_file("text"))
    rated = [e for e in held if e.valence is not None]
    probabilities = evaluation.predict(TextRecogniser(bundled("text", DEFAULT_FILE)), rated)
    ships = VALENCE["surprise"]
    rows = []
    for surprise in sorted(SURPRISE, key=lambda value: value != ships):
        # The mood rises with the expected valence, so that their ranks are the same.
        expected = probabilities @ np.array([(VALENCE | {"surprise": surprise})[label] for label in LABELS])
        name, figure = f"{surprise:g}" + " (shipped)" * (surprise == ships), evaluation.rank_correlation(expected, rated)
        rows.append({"valence of surprise": name, "n": len(rated), "rank correlation": export.with_interval(*figure)})
    return rows


# --- all -----------------------------------------------------------------------------------------------------------------


def _table(kind: str, logits: dict[str, np.ndarray], examples: list[Example], columns: dict[str, str]) -> list[dict[str, Any]]:
    """One row for each of the answers, those after the first compared with it."""
    first = next(iter(logits.values()))
    return [
        {kind: name, "n": len(examples)} | _figures(rows, None if rows is first else first, examples, columns)
        for name, rows in logits.items()
    ]


def _figures(logits: np.ndarray, first: np.ndarray | None, examples: list[Example], columns: dict[str, str]) -> dict[str, str]:
    """Cells of the figures of ``metrics.report`` that the columns name.

    With the interval of the figure; or, beside ``first``, with the difference from it and the interval of that, over the same
    draws.
    """
    labels, groups = np.array([e.label for e in examples]), [e.group for e in examples]

    def cell(figure: str) -> str:
        if first is None:
            return export.cell(figure, logits, labels, groups)

        def gained(rows: np.ndarray) -> float:
            ours, theirs = (metrics.report(some[rows], labels[rows])[figure] for some in (logits, first))
            return float(ours - theirs)

        difference = export.difference(gained(np.arange(len(labels))), metrics.interval(gained, groups))
        return f"{metrics.report(logits, labels)[figure]:.3f}, {difference}"

    return {column: cell(figure) for column, figure in columns.items()}


TABLES = {
    "speech": speech_ablations,
    "text": text_ablations,
    "calibration": calibration_ablations,
    "mood": mood_ablations,
}


def main(argv: list[str] | None = None) -> int:
    return run(__doc__, TABLES, argv)


if __name__ == "__main__":
    sys.exit(main())
