"""A personal baseline: how far the readings of one person's plain voice and face lie from those of others, and taking it out.

Pure functions of numbers.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.readings import Reading

MODALITIES = ("speech", "face")  # words say the same whoever says them

# Chosen on the speakers of RAVDESS: "python -m emotion.training.baseline choice" prints what else there was, and what its folds
# chose. The face takes them over, as no set of faces here says who is who.
STRENGTH = 0.375  # share of the offset that is taken out: two clips tell no more of a person
FLOOR = 1e-3  # smaller probabilities of a plain reading say nothing of a person
LEAST_NEUTRAL = 0.05  # a plain reading is at least so neutral: "python -m emotion.training.baseline refusal" says whom it refuses

LEAST_RELIABILITY = 0.5  # a baseline stays: a recording that hardly allows a reading may not set it
LIMIT = -math.log(FLOOR)  # 6.9; no measured offset is farther from 0
DECIMALS = 3  # of offsets: 0.001 moves no probability by more than 0.001
MAX_JSON_BYTES = 4096  # two modalities of seven offsets are 400 bytes
NEUTRAL = LABELS.index("neutral")


@dataclass(frozen=True)
class Baseline:
    """Offsets in log probability by which one person's readings are shifted back. It holds nothing else of the person.

    Parameters
    ----------
    offsets : mapping from str to mapping from str to float
        By modality, "speech" or "face" or both, and within it by each of LABELS: from -LIMIT to LIMIT. They belong to the models
        that they were measured with.

    Raises
    ------
    InputError
        For another modality or none, a label that is missing or unknown, and an offset that is no number or beyond the limit.
    """

    offsets: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", _checked(self.offsets))

    @classmethod
    def of(cls, readings: Mapping[str, Reading], neutral: Mapping[str, np.ndarray]) -> "Baseline":
        """The baseline of a person who spoke plainly or held a plain face.

        Parameters
        ----------
        readings : mapping from str to Reading
            By modality.
        neutral : mapping from str to ndarray of shape (7,)
            Of each of these modalities' models, what its readings of plain people are in the geometric mean, each above 0.

        Returns
        -------
        Baseline

        Raises
        ------
        InputError
            For a reading of less than LEAST_RELIABILITY, and for one that is not plain: neutral by less than LEAST_NEUTRAL.
        """
        for name, reading in readings.items():
            if reading.reliability < LEAST_RELIABILITY:
                reliability = round(float(reading.reliability), 2)
                raise InputError("baseline_unclear", modality=name, reliability=reliability, limit=LEAST_RELIABILITY)
            if not plain(reading.probabilities):
                probability = round(float(reading.probabilities[NEUTRAL]), DECIMALS)
                raise InputError("baseline_not_neutral", modality=name, probability=probability, limit=LEAST_NEUTRAL)
        measured = {name: offsets(reading.probabilities, neutral[name]) for name, reading in readings.items()}
        return cls({name: dict(zip(LABELS, row.round(DECIMALS).tolist(), strict=True)) for name, row in measured.items()})

    def apply(self, reading: Reading) -> Reading:
        """A reading with the person's offsets taken out of it, and of its windows or frames.

        Parameters
        ----------
        reading : Reading
            Of text, speech or face.

        Returns
        -------
        Reading
            Its ``without_baseline`` is the given one. Of a modality without offsets it is the given one itself.
        """
        named = self.offsets.get(reading.modality)
        if named is None:
            return reading
        row = np.array([named[label] for label in LABELS])
        return reading.changed(lambda probabilities: shifted(probabilities, row))

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The offsets by modality and label, ready for JSON."""
        return {name: dict(row) for name, row in self.offsets.items()}

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, data: Any) -> "Baseline":
        """The baseline that ``to_dict()`` gave.

        Raises
        ------
        InputError
            For anything else, as the constructor.
        """
        return cls(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Baseline":
        """The baseline that ``to_json()`` gave, from a file or a browser.

        Raises
        ------
        InputError
            For more than MAX_JSON_BYTES, for what is no JSON, and as the constructor.
        """
        if len(text) > MAX_JSON_BYTES:
            raise InputError("baseline_too_large", size=len(text), limit=MAX_JSON_BYTES)
        try:
            return cls(json.loads(text))
        except (ValueError, RecursionError) as e:
            if isinstance(e, InputError):
                raise
            raise InputError("baseline_not_json") from e


def plain(probabilities: np.ndarray) -> bool:
    """Whether a reading (7,) is neutral enough to set a baseline."""
    return bool(probabilities[NEUTRAL] >= LEAST_NEUTRAL)


def offsets(probabilities: np.ndarray, neutral: np.ndarray, strength: float = STRENGTH, floor: float = FLOOR) -> np.ndarray:
    """How far a person's plain reading lies from that of others, in log probabilities, shrunk.

    Parameters
    ----------
    probabilities : ndarray of shape (7,)
        The person's plain reading.
    neutral : ndarray of shape (7,)
        What the model's readings of plain people are in the geometric mean.
    strength : float
        Share of the offset that is kept, 0 to 1.
    floor : float
        Smaller probabilities count as this one.

    Returns
    -------
    float64 ndarray of shape (7,)
        Their mean is 0.
    """
    row = np.log(np.maximum(probabilities, floor)) - np.log(np.maximum(neutral, floor))
    shrunk: np.ndarray = strength * (row - row.mean())
    return shrunk


def shifted(probabilities: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Probabilities (..., 7) less offsets (7,) in their logarithms, float32; each row sums to 1."""
    moved = np.asarray(probabilities, np.float64) * np.exp(-row)
    normalised: np.ndarray = (moved / moved.sum(axis=-1, keepdims=True)).astype(np.float32)
    return normalised


def _checked(data: Any) -> dict[str, dict[str, float]]:
    if not isinstance(data, Mapping) or not data:
        raise InputError("baseline_malformed", known=MODALITIES)
    for name, row in data.items():
        if name not in MODALITIES:
            raise InputError("baseline_modality", modality=name, known=MODALITIES)
        if not isinstance(row, Mapping) or set(row) != set(LABELS):
            raise InputError("baseline_labels", modality=name, known=LABELS)
        for label, value in row.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not abs(value) <= LIMIT:
                raise InputError("baseline_offset", modality=name, label=label, value=value, limit=round(LIMIT, 1))
    return {name: {label: float(data[name][label]) for label in LABELS} for name in MODALITIES if name in data}
