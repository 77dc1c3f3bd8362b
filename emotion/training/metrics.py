"""Figures of a classifier over a labelled set."""

from typing import Any

import numpy as np

from emotion.labels import LABELS

ECE_BINS = 15


def report(probabilities: np.ndarray, truth: np.ndarray, restrict: bool = False) -> dict[str, Any]:
    """Accuracy, F1, unweighted average recall, calibration error and confusion matrix.

    Parameters: ``probabilities`` (n, 7), ``truth`` (n,) indices into LABELS. With ``restrict`` the probabilities are renormalised
    to the labels that occur in ``truth``. UAR and macro-F1 average over labels with at least one example.
    """
    present = np.bincount(truth, minlength=len(LABELS)) > 0
    if restrict:
        probabilities = np.where(present, probabilities, 0.0)
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    guess = probabilities.argmax(axis=1)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(confusion, (truth, guess), 1)
    support, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return {
        "n": len(truth),
        "accuracy": float(right.sum() / len(truth)),
        "macro_f1": float(f1[present].mean()),
        "weighted_f1": float((f1 * support).sum() / support.sum()),
        "uar": float(recall[present].mean()),
        "ece": calibration_error(probabilities, truth),
        "confusion": confusion.tolist(),
        "labels": list(LABELS),
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
