"""The timeline of an analysis: what each modality says in every two seconds."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from emotion.fusion import fuse
from emotion.readings import Reading, Span

SPAN_S = 2.0  # seconds of one entry
FROM_S = 4.0  # seconds: a shorter clip is one moment
UNFUSED = 3.0  # mood of a span until its parts are fused


def spans(readings: Mapping[str, Reading], duration: float | None) -> tuple[Span, ...]:
    """What each modality says in every SPAN_S seconds.

    Parameters
    ----------
    readings : mapping from str to Reading
        By modality.
    duration : float or None
        Of the recording, in seconds; None for a picture.

    Returns
    -------
    tuple of Span
        In order of time, without those of which no modality says anything; none for less than FROM_S seconds. Their moods are
        UNFUSED until ``fused``.
    """
    if duration is None or duration < FROM_S:
        return ()
    found = []
    for start in np.arange(0.0, duration - SPAN_S / 4, SPAN_S):  # a last one of under a quarter is left out
        end = min(float(start) + SPAN_S, duration)
        parts = {name: reading.during(float(start), end) for name, reading in readings.items()}
        shown = {name: part for name, part in parts.items() if part is not None}
        if shown:
            found.append(Span(float(start), end, UNFUSED, shown))
    return tuple(found)


def fused(span: Span, readings: Mapping[str, Reading], weights: Mapping[str, float]) -> Span:
    """The span with the mood of its modalities.

    Parameters
    ----------
    span : Span
    readings : mapping from str to Reading
        Each modality is as reliable in the span as in its whole reading.
    weights : mapping from str to float
        By modality, each >= 0.

    Returns
    -------
    Span

    Raises
    ------
    InputError
        For a weight that is negative or not finite, or of an unknown modality.
    """
    parts = {name: Reading(p, readings[name].reliability) for name, p in span.modalities.items() if name in readings}
    felt = fuse(parts, weights).mood
    return span if felt is None else replace(span, mood=felt)
