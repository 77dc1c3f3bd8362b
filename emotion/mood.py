"""The mood of emotion probabilities."""

import numpy as np

from emotion.labels import LABELS, VALENCE

_VALENCE = np.array([VALENCE[label] for label in LABELS])
LEAN = 0.6  # k of the mood: the expected valence from which a lean to one side counts as more than a lean


def moods(probabilities: np.ndarray) -> np.ndarray:
    """Moods on the scale 1 (very low) to 5 (very good): 3 + 2 (1 + k^2) v |v| / (v^2 + k^2), v the expected valence and 3 neutral.

    A saturating curve (Naka & Rushton 1966). Probabilities spread over many labels lean a little to one side or the other by
    chance, and an ordinary sentence or face should stay near 3; a clear lean should reach the ends, which the bare expectation of
    calibrated probabilities seldom does. Smooth, nowhere steeper than 1.5 times the bare expectation, and rising with every move of
    probability toward a pleasanter label.

    Parameters: ``probabilities`` of shape (..., 7), each row summing to 1. Returns float64 of shape (...).
    """
    valence = np.asarray(probabilities, dtype=np.float64) @ _VALENCE
    return np.asarray(3.0 + 2.0 * (1.0 + LEAN**2) * valence * np.abs(valence) / (np.square(valence) + LEAN**2))


def mood(probabilities: np.ndarray) -> float:
    """The mood, as ``moods``, of one row of probabilities (7,)."""
    return float(moods(probabilities))
