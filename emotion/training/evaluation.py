"""Runs the model in use over a labelled data set."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy.stats import spearmanr

import emotion
from emotion.checkpoint import Choice
from emotion.labels import MODALITIES
from emotion.messages import InputError
from emotion.mood import moods
from emotion.text.recogniser import TextRecogniser
from emotion.training import datasets, metrics, training_loop
from emotion.training.datasets import Example

BATCH = 64
HELD_OUT = "held-out"  # the split that is the tenth which training holds out of a set, by a hash of its groups


class Predicts(Protocol):
    def predict(self, items: Sequence[Any], /) -> np.ndarray: ...


def evaluate(
    modality: str, dataset: str, path: str, split: str | None, restrict: bool, out_of_fold: bool, source: str | None
) -> dict[str, Any]:
    """Figures of ``metrics.report`` with the data set's name and the model's; for EmoBank the rank correlation with valence.

    ``intervals`` are those of ``metrics.interval``. For GoEmotions also the macro-F1 over all rows, those of several labels too,
    by the model's second reading if it has one. With ``out_of_fold`` the probabilities are those that cross-validation stored
    beside the weights; every clip must have one.
    """
    assert modality in MODALITIES
    if split == HELD_OUT:
        examples = held_out(datasets.load(modality, dataset, path, "train"))
    else:
        examples = datasets.load(modality, dataset, path, split)
    analyzer = emotion.load(source)
    serving = analyzer.serving(modality)
    if out_of_fold:
        probabilities = _stored(serving.choice, examples)
    else:
        probabilities = predict(serving.model, examples)
    head: dict[str, Any] = {
        "dataset": dataset,
        "split": split,
        "out_of_fold": out_of_fold,
        "model": serving.choice.info.to_dict(),
    }
    if all(e.valence is not None for e in examples):
        figure, bounds = rank_correlation(moods(probabilities), examples)
        return head | {"n": len(examples), "spearman": figure, "intervals": {"spearman": bounds}}
    truth = np.array([e.label for e in examples])
    intervals = metrics.intervals(probabilities, truth, [e.group for e in examples], restrict)
    if dataset == "goemotions" and isinstance(serving.model, TextRecogniser):
        rows = list(datasets.goemotions_rows(datasets.Source(path), "train" if split == HELD_OUT else split))
        rows = held_out(rows) if split == HELD_OUT else rows
        figure, intervals["macro_f1_multilabel"] = multilabel(serving.model, rows)
        head |= {"n_multilabel": len(rows), "macro_f1_multilabel": figure}
    medians = {}
    for label in np.unique(truth):
        of_label = np.flatnonzero(truth == label)
        name, groups = emotion.LABELS[label], [examples[i].group for i in of_label]
        medians[name], intervals[f"mood_median_{name}"] = mood_median(probabilities[of_label], groups)
    return head | metrics.report(probabilities, truth, restrict) | {"mood_medians": medians, "intervals": intervals}


def held_out(examples: list[Example]) -> list[Example]:
    """Of the rows of a training part, those that training holds out. Raises InputError where that is none."""
    held = training_loop.split(examples)[1]
    if not held:
        raise InputError("none_held_out", rows=len(examples))
    return held


def predict(recogniser: Predicts, examples: list[Example]) -> np.ndarray:
    """Probabilities (n, 7) of all examples."""
    parts = [recogniser.predict([e.item for e in examples[i : i + BATCH]]) for i in range(0, len(examples), BATCH)]
    return np.concatenate(parts)


def rank_correlation(moods: np.ndarray, rated: list[Example]) -> tuple[float, list[float]]:
    """Spearman's rank correlation of moods (n,) with rated valence, -1 to 1, and its interval."""
    valence = np.array([e.valence for e in rated])
    bounds = metrics.interval(lambda rows: spearmanr(moods[rows], valence[rows]).statistic, [e.group for e in rated])
    return float(spearmanr(moods, valence).statistic), bounds.tolist()


def multilabel(recogniser: TextRecogniser, rows: list[Example]) -> tuple[float, list[float]]:
    """Macro-F1 of the labels that a text recogniser finds in rows of GoEmotions, any number in each, and its interval."""
    shown = np.concatenate([recogniser.shows([e.item for e in rows[i : i + BATCH]]) for i in range(0, len(rows), BATCH)])
    truth = datasets.labels_shown(rows)
    bounds = metrics.interval(lambda some: metrics.macro_f1_multilabel(shown[some], truth[some]), [e.group for e in rows])
    return metrics.macro_f1_multilabel(shown, truth), bounds.tolist()


def mood_median(probabilities: np.ndarray, groups: Sequence[str]) -> tuple[float, list[float]]:
    """Median mood of probabilities (n, 7), and its interval; ``groups`` (n,)."""
    felt = moods(probabilities)
    return round(float(np.median(felt)), 3), metrics.interval(lambda rows: np.median(felt[rows]), groups).tolist()


def _stored(choice: Choice, examples: list[Example]) -> np.ndarray:
    file = choice.path and choice.path / "oof.json"
    if file is None or not file.is_file():
        raise InputError("oof_missing", model=choice.name)
    stored = json.loads(file.read_text("utf-8"))["probabilities"]
    missing = [e.id for e in examples if e.id not in stored]
    if missing:
        raise InputError("oof_incomplete", count=len(missing), clips=len(examples), clip=missing[0])
    return np.array([stored[e.id] for e in examples], np.float32)
