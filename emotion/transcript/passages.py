"""For engines that transcribe a limited piece at once: the pieces in which somebody speaks, and the transcript of them all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotion import sound
from emotion.messages import InputError
from emotion.readings import Segment, Transcript
from emotion.sound import HOP, SAMPLE_RATE
from emotion.speech import prosody
from emotion.transcript import moonshine

Span = tuple[float, float]  # start and end in seconds from the beginning of the recording

MARGIN_S = 0.1  # of sound around a piece: models expect a little silence
ONSET_S = 0.8  # the longest that the onset of a hum was taken for speech was 0.58 s


@dataclass(frozen=True)
class Passage:
    """Words said from ``start`` to ``end`` seconds of the recording. ``confidence``: expected word accuracy, 0 to 1."""

    start: float
    end: float
    text: str
    confidence: float


def transcript_of(engine: str, passages: Sequence[Passage]) -> Transcript:
    """The transcript of passages in order of time; its confidence is the mean over their words."""
    passages = [passage for passage in passages if passage.text]
    if not passages:
        return Transcript("", 0.0, engine)
    confidence = np.average([p.confidence for p in passages], weights=[max(1, len(p.text.split())) for p in passages])
    segments = tuple(Segment(p.start, p.end, p.text) for p in passages)
    return Transcript(" ".join(p.text for p in passages), float(confidence), engine, segments)


def pieces(samples: np.ndarray, longest: float) -> list[Span]:
    """The parts of a recording in which somebody speaks, joined over pauses, and cut where it is quietest if they are too long.

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        Mono, 16 kHz, any length.
    longest : float
        Of a piece, in seconds.

    Returns
    -------
    list of (float, float)
        Start and end in seconds, in order of time; empty for silence, noise, hum, tones and knocks.
    """
    joined: list[Span] = []
    for start, end in (part for span in _speech(samples) for part in _cut(samples, span, longest)):
        if joined and end - joined[-1][0] <= longest:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _speech(samples: np.ndarray) -> list[Span]:
    """By Moonshine's voice activity detection; where the package is missing, from the first to the last voiced sound."""
    try:
        return [span for span in moonshine.speech(samples) if not _is_onset(samples, span)]
    except InputError:
        voice = prosody.measure(samples)
        first, last = prosody.voiced_span(voice)
        return [(first * HOP / SAMPLE_RATE, last * HOP / SAMPLE_RATE)] if prosody.is_voice(voice) else []


def _is_onset(samples: np.ndarray, span: Span) -> bool:
    """Whether a short span has no voiced sound. The detector takes the onset of a hum for speech, by what it heard before."""
    start, end = span
    short = samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
    return end - start < ONSET_S and not prosody.measure(short).f0.any()


def _cut(samples: np.ndarray, span: Span, longest: float) -> list[Span]:
    start, end = span
    if end - start <= longest:
        return [span]
    middle = quietest(samples, *(int((start + share * longest) * SAMPLE_RATE) for share in (0.5, 1.0))) / SAMPLE_RATE
    return [(start, middle), *_cut(samples, (middle, end), longest)]


def quietest(samples: np.ndarray, first: int, last: int) -> int:
    """The quietest place between the samples ``first`` and ``last``, as the number of a sample."""
    return first + int(sound.frames(samples[first:last]).var(axis=1).argmin()) * HOP
