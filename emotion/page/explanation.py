"""Why this answer: one or two plain sentences made from the numbers of an analysis."""

from string import punctuation as PUNCTUATION

import numpy as np

from emotion.labels import LABELS
from emotion.page.texts import Say
from emotion.readings import Analysis, FaceReading, Reading, SpeechReading, TextReading

MOST_WORDS = 2  # named of those that counted
LONGEST_WORD = 24  # letters that are quoted of one
LEAST_POINTS = 0.03  # of probability that a word must add to be named
SEGMENT_S = 1.0  # of a voice
CLEAR = 1.25  # times an even share, from which on a segment of the voice or a part of the face stands out
PARTS = ("brow", "middle", "mouth")  # two rows each of the six of FaceFrame.regions


def counting(analysis: Analysis) -> dict[str, Reading]:
    """The readings that had a share in the answer."""
    return {name: reading for name, reading in analysis.modalities.items() if analysis.fusion.shares.get(name, 0.0) > 0}


def sentences(say: Say, analysis: Analysis) -> list[str]:
    """What decided and what the others say; then what counted within each. Nothing where nothing stands out."""
    return [*_decided(say, analysis), *_counted(say, analysis)]


def _decided(say: Say, analysis: Analysis) -> list[str]:
    shares, readings = analysis.fusion.shares, counting(analysis)
    if len(readings) < 2:
        return []
    first, *others = sorted(readings, key=lambda name: -shares[name])
    labels = {name: say.label(_label(reading)) for name, reading in readings.items()}
    alike: dict[str, list[str]] = {}
    for name in others:
        alike.setdefault(labels[name], []).append(say(f"the_{name}"))
    told = [
        say("points_too" if label == labels[first] else "points_to", name=say.listed(names), label=label)
        for label, names in alike.items()
    ]
    rest = say.listed(told)
    most = say(f"most_{first}", share=say.percent(shares[first]), label=labels[first])
    return [f"{most}; {rest}."]


def _counted(say: Say, analysis: Analysis) -> list[str]:
    found = [_of(say, reading) for reading in counting(analysis).values()]
    named = [one for one in found if one]
    return [say("counted", parts=say.listed(named))] if named else []


def _of(say: Say, reading: Reading) -> str | None:
    if isinstance(reading, TextReading):
        words = telling_words(reading)
        quoted = [say("quoted", text=word) for word in words]
        return say("counted_word" if len(words) == 1 else "counted_text", words=say.listed(quoted)) if words else None
    if isinstance(reading, SpeechReading):
        segment = telling_segment(reading)
        return say("counted_speech", start=f"{segment[0]:.1f}", end=f"{segment[1]:.1f}") if segment else None
    if isinstance(reading, FaceReading):
        part = telling_part(reading)
        return say(f"counted_{part}") if part else None
    return None


def telling_words(reading: TextReading) -> list[str]:
    """The words that added most to the probability of the reading's label."""
    ranked = sorted(reading.words, key=lambda item: -item[1])
    named = (word.strip(PUNCTUATION) for word, weight in ranked if weight >= LEAST_POINTS)
    shown = (word if len(word) <= LONGEST_WORD else word[:LONGEST_WORD] + "…" for word in named if word)
    return list(dict.fromkeys(shown))[:MOST_WORDS]


def telling_segment(reading: SpeechReading) -> tuple[float, float] | None:
    """Start and end in seconds of the SEGMENT_S that had most attention, if it stands out from an even share."""
    steps = round(SEGMENT_S / reading.attention_step) if reading.attention_step else 0
    if not 0 < steps < len(reading.attention):
        return None
    within = np.convolve(reading.attention, np.ones(steps), "valid")
    first = int(within.argmax())
    if within[first] < CLEAR * steps / len(reading.attention):
        return None
    return first * reading.attention_step, (first + steps) * reading.attention_step


def telling_part(reading: FaceReading) -> str | None:
    """One of PARTS: what spoke most for the reading's label, over the frames by their weight, if it stands out."""
    label = int(reading.probabilities.argmax())
    fitting = [frame for frame in reading.frames if frame.regions.size and int(frame.probabilities.argmax()) == label]
    if not fitting:
        return None
    regions = np.average([frame.regions for frame in fitting], axis=0, weights=[frame.weight + 1e-9 for frame in fitting])
    rows = regions.sum(axis=1)
    thirds = [float(third.sum() / rows.sum()) for third in np.array_split(rows, len(PARTS))]
    top = int(np.argmax(thirds))
    return PARTS[top] if thirds[top] >= CLEAR / len(PARTS) else None


def _label(reading: Reading) -> str:
    return LABELS[int(reading.probabilities.argmax())]
