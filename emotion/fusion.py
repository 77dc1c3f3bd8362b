"""Calibration, weighted late fusion, mood and agreement: pure functions of numbers, without torch or a page."""

import math
from collections.abc import Mapping

import numpy as np

from emotion.labels import LABELS, MODALITIES
from emotion.messages import InputError, Message
from emotion.mood import moods
from emotion.readings import Fusion, Reading

# How strongly disagreement about the mood pulls toward 3: at 0.5 the fused mood still never falls when a part's mood rises.
PULL = 0.5
MIXED_FROM = 0.75  # weighted standard deviation of the parts' moods, on the scale of 1 to 5, from which feelings are called mixed


def calibrate(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Logits to calibrated probabilities: the softmax over a temperature.

    Parameters
    ----------
    logits : array of shape (..., 7)
        Scores, of any scale.
    temperature : float
        Above 0, fitted on held-out data; above 1 it makes a model less sure, 1 leaves it as it is.

    Returns
    -------
    float32 ndarray of shape (..., 7)
        Each row sums to 1; its order is that of the logits.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks".
    """
    return softmax(np.asarray(logits, np.float64) / temperature).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits (..., k) to probabilities, along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def fuse(readings: Mapping[str, Reading], weights: Mapping[str, float]) -> Fusion:
    """Weighted late fusion of readings: ``p = sum(w r p) / sum(w r)``, w the modality's weight and r its reading's reliability.

    The mood is the mean of the parts' moods by the same shares, pulled toward 3 by their disagreement and never outside their
    range.

    Parameters
    ----------
    readings : mapping of str to Reading
        By modality; any of them may be absent.
    weights : mapping of str to float
        By modality, at least 0 and on any scale; one that is not named counts 0. Where all weights of the readings present are
        0 they count as equal, with a warning.

    Returns
    -------
    Fusion
        Probabilities, mood from 1 to 5, agreement from 0 to 1, and each modality's share; without a reading, of None.

    Raises
    ------
    InputError
        For a weight that is negative or not finite, or of no modality.
    """
    _check(weights)
    if not readings:
        return Fusion(mood=None, label=None, probabilities=None, agreement=None, mixed=False, shares={})
    shares, notes = _shares(readings, weights)
    share = np.array([shares[name] for name in readings])
    parts = np.stack([np.asarray(reading.probabilities, np.float64) for reading in readings.values()])  # (m, 7)
    fused = share @ parts
    felt = moods(parts)
    deviation = math.sqrt(max(0.0, float(share @ np.square(felt - share @ felt))))
    return Fusion(
        mood=pulled_mood(felt, share),
        label=LABELS[int(fused.argmax())],
        probabilities=(fused / fused.sum()).astype(np.float32),
        agreement=agreement(parts, share),
        mixed=deviation >= MIXED_FROM,
        shares=shares,
        notes=notes,
    )


def pulled_mood(moods: np.ndarray, share: np.ndarray) -> float:
    """Mean of the parts' moods, pulled toward 3 in proportion to their variance, within their range.

    4 is the largest variance on a scale of 1 to 5, so the way to 3 is shortened by at most PULL of its length.

    Parameters
    ----------
    moods : ndarray of shape (m,)
        From 1 to 5.
    share : ndarray of shape (m,)
        How much each counts, summing to 1.

    Returns
    -------
    float
        From 1 to 5.
    """
    mean = float(share @ moods)
    variance = float(share @ np.square(moods - mean))
    counted = moods[share > 0]
    return float(np.clip(mean + (3.0 - mean) * PULL * variance / 4.0, counted.min(), counted.max()))


def agreement(parts: np.ndarray, share: np.ndarray) -> float:
    """How far the parts agree: 1 less their Jensen-Shannon divergence over its largest value at these shares, their entropy.

    Parameters
    ----------
    parts : ndarray of shape (m, 7)
        Probabilities.
    share : ndarray of shape (m,)
        How much each counts, summing to 1.

    Returns
    -------
    float
        From 0, no label in common, to 1: equal, or a single one.

    References
    ----------
    Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    possible = _entropy(share)
    if possible < 1e-9:
        return 1.0
    divergence = _entropy(share @ parts) - float(share @ np.array([_entropy(part) for part in parts]))
    return float(np.clip(1.0 - divergence / possible, 0.0, 1.0))


def _shares(readings: Mapping[str, Reading], weights: Mapping[str, float]) -> tuple[dict[str, float], tuple[Message, ...]]:
    weight = {name: float(weights.get(name, 0.0)) for name in readings}
    notes: tuple[Message, ...] = ()
    if not any(weight.values()):
        weight = dict.fromkeys(readings, 1.0)
        notes = (Message("weights_all_zero"),)
    unnormalised = {name: weight[name] * float(reading.reliability) for name, reading in readings.items()}
    if not any(unnormalised.values()):
        unnormalised = weight  # nothing is reliable: what there is still counts by its weight
    top = max(unnormalised.values())
    scaled = {name: value / top for name, value in unnormalised.items()}  # huge or tiny weights neither overflow nor vanish
    total = sum(scaled.values())
    return {name: value / total for name, value in scaled.items()}, notes


def _check(weights: Mapping[str, float]) -> None:
    for name, weight in weights.items():
        if name not in MODALITIES:
            raise InputError("weight_unknown", modality=name, known=MODALITIES)
        if isinstance(weight, bool) or not isinstance(weight, (int, float, np.number)) or not math.isfinite(weight) or weight < 0:
            raise InputError("weight_invalid", modality=name, weight=weight)


def _entropy(p: np.ndarray) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())
