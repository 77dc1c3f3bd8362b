"""Figures of a classifier over a labelled set."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, recall_score

from emotion.fusion import softmax
from emotion.labels import LABELS

ECE_BINS = 15
RESAMPLES, COVERED = 1000, 0.95


def report(probabilities: np.ndarray, truth: np.ndarray, restrict: bool = False) -> dict[str, Any]:
    """Accuracy, F1, unweighted average recall (UAR), calibration error and confusion matrix.

    Parameters
    ----------
    probabilities : ndarray of shape (n, 7)
        Probabilities or logits; the largest of a row is the answer.
    truth : int ndarray of shape (n,)
        Indices into LABELS.
    restrict : bool
        Renormalise the probabilities to the labels that occur in ``truth``.

    Returns
    -------
    dict
        Plain types: ``n``, ``accuracy``, ``macro_f1``, ``weighted_f1``, ``uar`` and ``ece`` from 0 to 1, ``confusion`` (7 x 7,
        truth as rows) and ``labels``. UAR and macro-F1 average over the labels with at least one example.
    """
    if restrict:
        probabilities = _restricted(probabilities, truth)
    guess = probabilities.argmax(axis=1)
    return {
        "n": len(truth),
        **_scores(guess, truth),
        "ece": calibration_error(probabilities, truth),
        "confusion": confusion_matrix(truth, guess, labels=range(len(LABELS))).tolist(),
        "labels": list(LABELS),
    }


def intervals(
    probabilities: np.ndarray, truth: np.ndarray, groups: Sequence | np.ndarray, restrict: bool = False
) -> dict[str, list[float]]:
    """The ``interval`` of the accuracy, the F1 and the UAR of ``report``.

    Parameters
    ----------
    probabilities, truth, restrict
        As for ``report``.
    groups : sequence of n, or ndarray of shape (n, k)
        As for ``interval``.

    Returns
    -------
    dict
        Lower and upper end of each figure, by its name in ``report``.
    """
    guess = (_restricted(probabilities, truth) if restrict else probabilities).argmax(axis=1)
    bounds = interval(lambda rows: list(_scores(guess[rows], truth[rows]).values()), groups)
    return {name: bounds[:, i].tolist() for i, name in enumerate(_scores(guess, truth))}


def interval(statistic: Callable[[np.ndarray], Any], groups: Sequence | np.ndarray) -> np.ndarray:
    """The 95 % confidence interval of a statistic, by the bootstrap over whole groups.

    Groups are drawn with replacement: what a speaker or a writer says does not vary like what many say. Where a row is made of
    several things, each kind is drawn by itself, and the row counts as often as all of them together.

    Parameters
    ----------
    statistic : callable
        Of an int ndarray of row numbers, some of them more than once, to a number or an array of them.
    groups : sequence of n, or ndarray of shape (n, k)
        The group of each row, of each of its k kinds.

    Returns
    -------
    ndarray of shape (2, ...)
        The quantiles 0.025 and 0.975 of the statistic over RESAMPLES draws.

    References
    ----------
    Efron 1979, "Bootstrap methods"; Owen 2007, "The pigeonhole bootstrap".
    """
    rng, values = np.random.default_rng(0), []
    kinds = [np.unique(kind, return_inverse=True) for kind in np.asarray(groups).reshape(len(groups), -1).T]
    for _ in range(RESAMPLES):
        times = np.ones(len(groups), np.int64)
        for names, group in kinds:
            times = times * np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[group]
        values.append(statistic(np.repeat(np.arange(len(times)), times)))
    ends: np.ndarray = np.quantile(values, ((1 - COVERED) / 2, (1 + COVERED) / 2), axis=0)
    return ends


def uar(guess: np.ndarray, truth: np.ndarray) -> float:
    """Unweighted average recall: the mean recall over the labels that occur.

    Parameters
    ----------
    guess, truth : int ndarray of shape (n,)
        Indices into LABELS.

    Returns
    -------
    float
        From 0 to 1.
    """
    return float(recall_score(truth, guess, labels=np.unique(truth), average="macro"))


def _restricted(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Renormalised to the labels that occur in ``truth``."""
    present = np.bincount(truth, minlength=len(LABELS)) > 0
    kept = np.where(present, probabilities, 0.0)
    restricted: np.ndarray = kept / kept.sum(axis=1, keepdims=True)
    return restricted


def _scores(guess: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """One call for all four, as the bootstrap asks a thousand times. Only labels that occur in ``truth`` count."""
    _, recall, f1, support = precision_recall_fscore_support(truth, guess, labels=np.unique(truth), zero_division=0)
    return {
        "accuracy": float((guess == truth).mean()),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
        "uar": float(recall.mean()),
    }


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error (ECE) of the top label: mean ``|accuracy - confidence|`` over ECE_BINS bins of equal width.

    Parameters
    ----------
    probabilities : ndarray of shape (n, 7)
    truth : int ndarray of shape (n,)
        Indices into LABELS.

    Returns
    -------
    float
        From 0 to 1.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks".
    """
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
    return float(f1_score(truth, shown, average="macro", zero_division=0))


def geometric_mean(probabilities: np.ndarray, floor: float) -> np.ndarray:
    """Of probabilities (n, 7), those below ``floor`` counting as it; normalised, (7,)."""
    return softmax(np.log(np.maximum(probabilities, floor)).mean(axis=0))


def best_thresholds(scores: np.ndarray, truth: np.ndarray) -> list[float]:
    """For each label the threshold of its scores (n, 7) with the best F1, in hundredths; 0.5 where no row has the label."""
    grid = np.arange(1, 100) / 100
    f1 = np.array([f1_score(truth, scores > threshold, average=None, zero_division=0) for threshold in grid])
    best: list[float] = np.where(truth.any(axis=0), grid[f1.argmax(axis=0)], 0.5).tolist()
    return best
