"""From the labels of a published model to ours, the seven of LABELS."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emotion.labels import GOEMOTIONS, GOEMOTIONS_TO_LABEL, LABELS, NO_COUNTERPART, to_label
from emotion.messages import InputError

LEAST_LABELS = 4  # of ours that a model must know: IEMOCAP's angry, happy, neutral, sad
FLOOR = 1e-12  # of a score: its logarithm stays a number

Labels = Mapping[str, str | None] | Sequence[str | None] | None


@dataclass(frozen=True)
class LabelMap:
    """Which of a model's outputs stand for each of LABELS.

    Attributes
    ----------
    groups : tuple of seven tuples of int
        Indices of the outputs; empty where the model does not know the label.
    outputs : int
        How many the model has.
    """

    groups: tuple[tuple[int, ...], ...]
    outputs: int

    @classmethod
    def of(cls, names: Sequence[str], labels: Labels = None) -> "LabelMap":
        """The map of a model's outputs.

        Parameters
        ----------
        names : sequence of str
            Of the outputs, in order. One that has no counterpart among ours is left out.
        labels : mapping from str to str or None, or sequence of str or None, optional
            What the outputs mean, by name or in order; None leaves one out. One that a mapping does not name means what its
            name says.

        Returns
        -------
        LabelMap

        Raises
        ------
        InputError
            For a name that says nothing, such as LABEL_0, for ``labels`` that do not fit the model, and for a model that knows
            fewer than LEAST_LABELS of ours.
        """
        meanings = _by_name(names, labels) if labels is None or isinstance(labels, Mapping) else _in_order(names, labels)
        groups = tuple(tuple(i for i, meaning in enumerate(meanings) if meaning == label) for label in LABELS)
        known = [label for label, group in zip(LABELS, groups, strict=True) if group]
        if len(known) < LEAST_LABELS:
            raise InputError("labels_too_few", count=len(known), known=known or "–", limit=LEAST_LABELS)
        return cls(groups, len(meanings))

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Logarithm of the largest score of each label's outputs.

        The largest, not the sum: twelve of GoEmotions' emotions are happy ones, and one is disgust.

        Parameters
        ----------
        scores : ndarray of shape (n, outputs)
            At least 0.

        Returns
        -------
        float64 ndarray of shape (n, 7)
            Minus infinity for a label that the model does not know.

        Raises
        ------
        InputError
            Where a score is not a number.
        """
        if not np.isfinite(scores).all():
            raise InputError("scores_not_numbers")
        result = np.full((len(scores), len(LABELS)), -np.inf)
        for label, group in enumerate(self.groups):
            if group:
                result[:, label] = np.log(np.maximum(scores[:, group].max(axis=1), FLOOR))
        return result


def _by_name(names: Sequence[str], labels: Mapping[str, str | None] | None) -> list[str | None]:
    given = {_plain(name): meaning for name, meaning in (labels or {}).items()}
    _check(given.values())
    strange = [name for name in given if name not in {_plain(name) for name in names}]
    if strange:
        raise InputError("labels_unknown", labels=strange, known=names)
    meanings = [given[_plain(name)] if _plain(name) in given else _meaning(name) for name in names]
    unknown = [name for name, meaning in zip(names, meanings, strict=True) if meaning == ""]
    if unknown:
        raise InputError("labels_unclear", labels=unknown)
    return meanings


def _in_order(names: Sequence[str], labels: Sequence[str | None]) -> list[str | None]:
    if len(labels) != len(names):
        raise InputError("labels_count", count=len(labels), outputs=len(names))
    _check(labels)
    return list(labels)


def _meaning(name: str) -> str | None:
    """What a name means by itself: one of LABELS, None where it has no counterpart there, "" where it says nothing."""
    plain = _plain(name)
    if plain in NO_COUNTERPART:
        return None
    if plain in GOEMOTIONS:
        return LABELS[GOEMOTIONS_TO_LABEL[GOEMOTIONS.index(plain)]]
    return to_label(plain) or ""


def _check(meanings: Iterable[str | None]) -> None:
    wrong = [meaning for meaning in meanings if meaning is not None and meaning not in LABELS]
    if wrong:
        raise InputError("labels_not_ours", labels=wrong, known=LABELS)


def _plain(name: str) -> str:
    return str(name).strip().lower()
