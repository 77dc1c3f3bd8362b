"""Analyses that nobody had to wait for."""

import numpy as np

from emotion.fusion import fuse
from emotion.readings import (
    Analysis,
    FaceFrame,
    FaceReading,
    Frame,
    Media,
    Reading,
    Segment,
    Span,
    SpeechReading,
    TextReading,
    Transcript,
)
from emotion.serving.weights import default_weights
from emotion.sound import SAMPLE_RATE

WEIGHTS = default_weights()
TEN_MINUTES = 600.0


def made_up(seconds: float, photograph: np.ndarray) -> Analysis:
    """An analysis of a film of so many ``seconds``: noise for a sound, and a span every 2 s.

    Some spans lack a modality, and one has none.
    """
    rng = np.random.default_rng(5)
    spans = []
    for start in np.arange(0.0, seconds - 0.5, 2.0):
        if start == 6:
            continue
        found = [name for name in ("text", "speech", "face") if rng.random() < 0.8] or ["speech"]
        parts = {name: rng.dirichlet(np.full(7, 0.5)).astype(np.float32) for name in found}
        mood = fuse({name: Reading(p, 1.0) for name, p in parts.items()}, WEIGHTS).mood
        spans.append(Span(float(start), min(float(start) + 2.0, seconds), mood, parts))
    p = np.full(7, 1 / 7, np.float32)
    times = np.linspace(0, seconds - 0.1, 60)
    faces = tuple(FaceFrame(float(time), (150, 60, 160, 180), p, 1 / 60) for time in times)
    pitch = np.where(np.arange(int(50 * seconds)) % 100 < 60, 200.0, 0.0).astype(np.float32)
    readings = {
        "text": TextReading(p, 0.5),
        "speech": SpeechReading(p, 0.9, "high", 200.0, -20.0, pitch),
        "face": FaceReading(p, 0.9, 1, 60, 60, faces),
    }
    said = tuple(Segment(at, at + 1.5, f"word {at:.0f} <b>") for at in np.arange(1.0, seconds - 3, 5.0).tolist())
    samples = rng.normal(0, 0.05, int(seconds * SAMPLE_RATE)).astype(np.float32)
    media = Media(samples, tuple(Frame(float(time), photograph) for time in times), seconds)
    transcript = Transcript(" ".join(segment.text for segment in said), 0.6, "moonshine-tiny-en", said)
    return Analysis(fuse(readings, WEIGHTS), readings, seconds, transcript, tuple(spans), media=media)
