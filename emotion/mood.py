"""The mood of emotion probabilities."""

import numpy as np

from emotion.labels import LABELS, VALENCE

_VALENCE = np.array([VALENCE[label] for label in LABELS])
LEAN = 0.6  # k of the mood, its semi-saturation constant: a valence of over k^2 = 0.36 counts by more than its own size


def moods(probabilities: np.ndarray) -> np.ndarray:
    """Moods of emotion probabilities: 3 + 2 (1 + k^2) v |v| / (v^2 + k^2), where v is the expected valence.

    A saturating curve. Probabilities that are shared by many labels lean a little to one side or the other by chance, and an
    ordinary sentence or face should stay near 3. A clear lean should reach the ends, which the bare expectation of calibrated
    probabilities seldom does. The curve is smooth, nowhere steeper than 1.5 times the bare expectation, and rises with every move
    of probability toward a pleasanter label.

    Parameters
    ----------
    probabilities : ndarray of shape (..., 7)
        Each row sums to 1.

    Returns
    -------
    float64 ndarray of shape (...)
        From 1 (very low) over 3 (neutral) to 5 (very good).

    References
    ----------
    Naka & Rushton 1966, "S-potentials from colour units in the retina of fish (Cyprinidae)".
    """
    valence = np.asarray(probabilities, dtype=np.float64) @ _VALENCE
    return np.asarray(3.0 + 2.0 * (1.0 + LEAN**2) * valence * np.abs(valence) / (np.square(valence) + LEAN**2))


def mood(probabilities: np.ndarray) -> float:
    """The mood, as ``moods``, of one row of probabilities (7,)."""
    return float(moods(probabilities))
