"""How someone comes across, from what they say, how they say it and how they look.

>>> import emotion
>>> analysis = emotion.load().analyze(audio="clip.wav")
>>> analysis.mood, analysis.label

Importing the package loads no model and neither torch nor OpenCV.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotion.analyzer import Analyzer
    from emotion.baseline import Baseline
    from emotion.labels import LABELS, MODALITIES
    from emotion.messages import InputError, Message
    from emotion.readings import Analysis, Fusion, Reading

__all__ = ["LABELS", "MODALITIES", "Analysis", "Baseline", "Fusion", "InputError", "Message", "Reading", "fuse", "load"]

# Imported when they are asked for: the command line answers --help without numpy.
_HOMES = {
    "LABELS": "labels",
    "MODALITIES": "labels",
    "Analysis": "readings",
    "Baseline": "baseline",
    "Fusion": "readings",
    "InputError": "messages",
    "Message": "messages",
    "Reading": "readings",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"emotion.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(source: str | None = None, weights: str | None = None) -> "Analyzer":
    """An analyzer. Its models load at their first use, or all in the background with ``warm()``.

    Parameters
    ----------
    source : str, optional
        "auto" (Hub or cache, else bundled), "hub" or "bundled"; by default EMOTION_SOURCE, or "auto".
    weights : str, optional
        A file in the format of weights.yaml; by default EMOTION_WEIGHTS, or the project's own.

    Returns
    -------
    emotion.analyzer.Analyzer

    Raises
    ------
    InputError
        For an unknown ``source``, a weights file that is not valid, or a role for which it has no model of that source.
    """
    from emotion.analyzer import Analyzer

    return Analyzer(source, weights)


def fuse(readings: "Mapping[str, Reading]", weights: Mapping[str, float] | None = None) -> "Fusion":
    """Fuse readings into one answer. Instant: no model runs.

    Parameters
    ----------
    readings : mapping from str to Reading
        By modality, one of MODALITIES.
    weights : mapping from str to float, optional
        By modality, each >= 0; one that is not named counts as 0. By default those fitted for the bundled models.

    Returns
    -------
    Fusion
        As ``emotion.fusion.fuse``, where the method is described.

    Raises
    ------
    InputError
        For a weight that is negative or not finite, or of an unknown modality.
    """
    from emotion import fusion
    from emotion.serving.weights import default_weights

    return fusion.fuse(readings, default_weights() if weights is None else weights)
