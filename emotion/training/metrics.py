"""Figures of a classifier over a labelled set."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emotion.labels import LABELS

ECE_BINS = 15
RESAMPLES, COVERED = 1000, 0.95


def report(probabilities: np.ndarray, truth: np.ndarray, restrict: bool = False) -> dict[str, Any]:
    """Accuracy, F1, unweighted average recall, calibration error and confusion matrix.

    Parameters: ``probabilities`` (n, 7), ``truth`` (n,) indices into LABELS. With ``restrict`` the probabilities are renormalised
    to the labels that occur in ``truth``. UAR and macro-F1 average over labels with at least one example.
    """
    if restrict:
        probabilities = _restricted(probabilities, truth)
    confusion = _confusion(probabilities.argmax(axis=1), truth)
    return {
        "n": len(truth),
        **_scores(confusion),
        "ece": calibration_error(probabilities, truth),
        "confusion": confusion.tolist(),
        "labels": list(LABELS),
    }


def intervals(
    probabilities: np.ndarray, truth: np.ndarray, groups: Sequence | np.ndarray, restrict: bool = False
) -> dict[str, list[float]]:
    """The ``interval`` of the accuracy, the F1 and the UAR of ``report``; ``groups`` (n,) as there."""
    guess = (_restricted(probabilities, truth) if restrict else probabilities).argmax(axis=1)
    names = list(_scores(_confusion(guess, truth)))
    spread = interval(lambda rows: list(_scores(_confusion(guess[rows], truth[rows])).values()), groups)
    return {name: spread[:, i].tolist() for i, name in enumerate(names)}


def interval(statistic: Callable[[np.ndarray], Any], groups: Sequence | np.ndarray) -> np.ndarray:
    """Ends (2, ...) between which 95 % of the values lie that ``statistic`` has over resampled rows: the bootstrap (Efron 1979).

    Whole groups are drawn, with replacement: what a speaker or a writer says does not vary like what many say. Where a row is made of
    several things (n, k), each kind is drawn by itself, and the row counts as often as all of them together (Owen 2007).

    Parameters: ``statistic`` of row numbers, ``groups`` (n,) or (n, k) of the rows.
    """
    rng, values = np.random.default_rng(0), []
    kinds = [np.unique(kind, return_inverse=True) for kind in np.asarray(groups).reshape(len(groups), -1).T]
    for _ in range(RESAMPLES):
        times = 1
        for names, group in kinds:
            times = times * np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[group]
        values.append(statistic(np.repeat(np.arange(len(times)), times)))
    return np.quantile(values, ((1 - COVERED) / 2, (1 + COVERED) / 2), axis=0)


def uar(guess: np.ndarray, truth: np.ndarray) -> float:
    """Unweighted average recall of the labels ``guess`` (n,) over those of ``truth`` (n,), indices into LABELS: 0 to 1."""
    return _scores(_confusion(guess, truth))["uar"]


def _restricted(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Renormalised to the labels that occur in ``truth``."""
    present = np.bincount(truth, minlength=len(LABELS)) > 0
    kept = np.where(present, probabilities, 0.0)
    return kept / kept.sum(axis=1, keepdims=True)


def _confusion(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.bincount(len(LABELS) * truth + guess, minlength=len(LABELS) ** 2).reshape(len(LABELS), len(LABELS))


def _scores(confusion: np.ndarray) -> dict[str, float]:
    support, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return {
        "accuracy": float(right.sum() / support.sum()),
        "macro_f1": float(f1[support > 0].mean()),
        "weighted_f1": float((f1 * support).sum() / support.sum()),
        "uar": float(recall[support > 0].mean()),
    }


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error of the top label in equal-width bins (Guo et al. 2017): mean |accuracy - confidence|, 0 to 1."""
    return sum(abs(accuracy - confidence) * n for confidence, accuracy, n in reliability(probabilities, truth)) / len(truth)


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[tuple[float, float, int]]:
    """Of each bin of the top label's probability that is not empty: mean confidence, accuracy, number of examples."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    return [
        (float(confidence[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum())) for b in np.unique(bins)
    ]


def macro_f1_multilabel(shown: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the labels of the F1 of each, where any number of labels may hold: bool (n, 7) both."""
    both, either = (shown & truth).sum(axis=0), shown.sum(axis=0) + truth.sum(axis=0)
    return float((2 * both / np.maximum(either, 1)).mean())


def best_thresholds(scores: np.ndarray, truth: np.ndarray) -> list[float]:
    """For each label the threshold of its scores (n, 7) with the best F1, of a grid of hundredths; 0.5 where none has the label."""
    grid = np.arange(1, 100) / 100
    best = []
    for score, right in zip(scores.T, truth.T, strict=True):
        shown = score[:, None] > grid
        f1 = 2 * (shown & right[:, None]).sum(axis=0) / np.maximum(shown.sum(axis=0) + right.sum(), 1)
        best.append(float(grid[f1.argmax()]) if right.any() else 0.5)
    return best
