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
    from emotion.labels import LABELS, MODALITIES
    from emotion.messages import InputError, Message
    from emotion.readings import Analysis, Fusion, Reading

__all__ = ["LABELS", "MODALITIES", "Analysis", "Fusion", "InputError", "Message", "Reading", "fuse", "load"]

# Imported when they are asked for: the command line answers --help without numpy.
_HOMES = {
    "LABELS": "labels",
    "MODALITIES": "labels",
    "Analysis": "readings",
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
    """An ``emotion.analyzer.Analyzer``. Its models load at their first use, or all at once with ``warm()``.

    ``source``: "auto" (Hub or cache, else bundled), "hub" or "bundled", by default EMOTION_SOURCE or "auto". ``weights``: a file in
    the format of weights.yaml, by default EMOTION_WEIGHTS or the project's own. Raises InputError when the file is not valid.
    """
    from emotion.analyzer import Analyzer

    return Analyzer(source, weights)


def fuse(readings: "Mapping[str, Reading]", weights: Mapping[str, float] | None = None) -> "Fusion":
    """Fuse readings, by modality, with ``weights`` per modality (default: the fitted ones). Instant: no model runs."""
    from emotion import fusion
    from emotion.serving.weights import default_weights

    return fusion.fuse(readings, default_weights() if weights is None else weights)
