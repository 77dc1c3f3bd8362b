"""The timeline of an analysis: what each modality says in every two seconds."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from emotion.fusion import fuse
from emotion.readings import Reading, Span

SPAN_S = 2.0  # of one entry
FROM_S = 4.0  # a shorter clip is one moment
UNFUSED = 3.0  # mood of a span until its parts are fused


def spans(readings: Mapping[str, Reading], duration: float | None) -> tuple[Span, ...]:
    """Spans of SPAN_S seconds, none for a short clip or a picture, which has no ``duration``. Their moods are yet to be ``fused``."""
    if duration is None or duration < FROM_S:
        return ()
    found = []
    for start in np.arange(0.0, duration - SPAN_S / 4, SPAN_S):  # no last crumb
        end = min(float(start) + SPAN_S, duration)
        parts = {name: reading.during(float(start), end) for name, reading in readings.items()}
        shown = {name: part for name, part in parts.items() if part is not None}
        if shown:
            found.append(Span(float(start), end, UNFUSED, shown))
    return tuple(found)


def fused(span: Span, readings: Mapping[str, Reading], weights: Mapping[str, float]) -> Span:
    """The span with the mood of its parts, each as reliable as the whole reading of its modality."""
    parts = {name: Reading(p, readings[name].reliability) for name, p in span.modalities.items() if name in readings}
    felt = fuse(parts, weights).mood
    return span if felt is None else replace(span, mood=felt)
