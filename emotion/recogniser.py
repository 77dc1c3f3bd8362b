"""What every recogniser does, whatever model is inside it: from scores to calibrated probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from emotion.checkpoint import Choice
from emotion.fusion import calibrate
from emotion.labels import LABELS
from emotion.messages import InputError


class Recogniser(ABC):
    """A loaded model. Thread-safe: nothing changes after loading."""

    def __init__(self, choice: Choice):
        self.info, self.temperature = choice.info, choice.temperature or 1.0

    @abstractmethod
    def logits(self, items: Sequence[Any]) -> np.ndarray:
        """Scores (n, 7), the logarithms of what is to be probabilities; minus infinity for a label that the model lacks."""

    def predict(self, items: Sequence[Any]) -> np.ndarray:
        """Calibrated probabilities.

        Parameters
        ----------
        items : sequence of n
            Of a text model strings of any length; one without words gets the model's guess at nothing. Of a voice model float32
            ndarrays of shape (samples,), in [-1, 1], mono, 16 kHz, any length. Of a face model uint8 ndarrays, each a face cut
            out of its picture, RGB of shape (h, w, 3) or grey of shape (h, w).

        Returns
        -------
        float32 ndarray of shape (n, 7)
            In the order of LABELS; each row sums to 1.

        Raises
        ------
        InputError
            Where the model answers with what is no number, and for samples that are none.
        """
        if not len(items):
            return np.zeros((0, len(LABELS)), np.float32)
        return self.calibrated(self.logits(items))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of logits (..., 7), float32. Raises InputError for logits that are no numbers."""
        probabilities = calibrate(logits, self.temperature)
        if not np.isfinite(probabilities).all():
            raise InputError("scores_not_numbers")
        return probabilities
