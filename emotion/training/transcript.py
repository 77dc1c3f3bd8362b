"""Word error rate, speed and reliability of the bundled speech to text, and how often it refuses English and other languages.

    python -m emotion.training.transcript PATH_TO_RAVDESS     # prints the figures of emotion/models/transcript/README.md

RAVDESS's actors 1 to 10 and EmoDB's first four speakers chose the constants of ``emotion.transcript.moonshine``; the others
report, and nEMO, of which a sample was looked at and which chose nothing. EmoDB and nEMO are read where emodb.zip and nemo.zip
lie beside RAVDESS.
"""

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import soundfile
from rapidfuzz.distance import Levenshtein

from emotion.media import from_samples
from emotion.messages import InputError
from emotion.readings import Transcript
from emotion.serving.transcription import transcribe, warm
from emotion.sound import SAMPLE_RATE
from emotion.training import export, metrics
from emotion.training.datasets import AUDIO_SUFFIXES, Source, ravdess_clip
from emotion.transcript.moonshine import LEAST_WORDS, words_of

EMOTIONS = "neutral calm happy sad angry fearful disgust surprised".split()
SENTENCES = {1: "kids are talking by the door", 2: "dogs are sitting by the door"}
CHOOSING_ACTORS, CHOOSING_SPEAKERS = range(1, 11), ("03", "08", "09", "10")  # of RAVDESS and of EmoDB
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)  # of the agreement of two hearings, to choose from
BINS = 5


@dataclass(frozen=True, eq=False)
class Clip:
    """``samples`` float32 (n,) at 16 kHz, by ``speaker``; ``groups`` it counts in. ``reference``: its words, lower case without
    punctuation, where they are English."""

    samples: np.ndarray
    speaker: str
    reference: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Attempt:
    """What was written down of a clip of ``seconds``, in ``cpu`` seconds of the processor; ``errors`` in words."""

    speaker: str
    groups: tuple[str, ...]
    seconds: float
    said: int
    transcript: Transcript
    errors: int
    cpu: float

    @property
    def accuracy(self) -> float:
        """1 - word error rate, at least 0."""
        return max(0.0, 1 - self.errors / self.said)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 for a data set that cannot be read."""
    arguments = _parser().parse_args(argv)
    try:
        figures = run(arguments.path)
    except InputError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    print(json.dumps(figures, indent=1) if arguments.json else _shown(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m emotion.training.transcript", description=__doc__.splitlines()[0])
    export.add_path(parser, "ravdess.zip", "RAVDESS speech")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def run(path: Path) -> dict[str, Any]:
    """All figures as plain types. Raises InputError where ``path`` holds no RAVDESS speech."""
    warm()
    english = [_attempt(clip) for clip in ravdess(path)]
    if not english:
        raise InputError("dataset_without_speech", path=path)
    chose = {f"actor {actor}" for actor in CHOOSING_ACTORS}
    parts = {
        "RAVDESS, actors that chose": [a for a in english if a.speaker in chose],
        "RAVDESS, other actors": [a for a in english if a.speaker not in chose],
    }
    figures = {
        "RAVDESS": summary(english),
        **{name: summary(part) for name, part in parts.items() if part},
        "word error rate by actor and group": by_group(english),
        "reliability, other actors": reliability(parts["RAVDESS, other actors"]),
    }
    emodb = [_attempt(clip) for clip in others(path.parent / "emodb.zip", lambda stem: stem[:2])]
    parts |= {
        "EmoDB (German), speakers that chose": [a for a in emodb if a.speaker in CHOOSING_SPEAKERS],
        "EmoDB (German), other speakers": [a for a in emodb if a.speaker not in CHOOSING_SPEAKERS],
        "nEMO (Polish)": [_attempt(clip) for clip in others(path.parent / "nemo.zip", lambda stem: stem.split("_")[0])],
    }
    refused = {name: refusals(part) for name, part in parts.items() if part}
    return figures | {"taken for another language": refused}


# --- data ----------------------------------------------------------------------------------------------------------------


def ravdess(path: Path) -> Iterator[Clip]:
    """All its speech."""
    source = Source(path)
    for name in source.names():
        fields = ravdess_clip(name) if PurePosixPath(name).suffix in AUDIO_SUFFIXES else None
        if fields:
            groups = ("men" if fields["actor"] % 2 else "women", EMOTIONS[fields["emotion"] - 1])
            yield Clip(_samples(source, name), f"actor {fields['actor']}", SENTENCES[fields["sentence"]], groups)


def others(path: Path, speaker: Callable[[str], str]) -> Iterator[Clip]:
    """All clips of a data set in another language, where it is there; ``speaker`` of a file's name."""
    if not path.exists():
        return
    source = Source(path)
    for name in source.names():
        if PurePosixPath(name).suffix in AUDIO_SUFFIXES:
            yield Clip(_samples(source, name), speaker(PurePosixPath(name).stem))


def _samples(source: Source, name: str) -> np.ndarray:
    return from_samples(*soundfile.read(io.BytesIO(source.read(name)), dtype="float32"))


def _attempt(clip: Clip) -> Attempt:
    cpu = time.process_time()
    transcript = transcribe(clip.samples)
    cpu = time.process_time() - cpu
    assert transcript is not None  # it writes English
    reference = (clip.reference or "").split()
    errors = Levenshtein.distance(reference, words_of(transcript.text))
    return Attempt(clip.speaker, clip.groups, len(clip.samples) / SAMPLE_RATE, len(reference), transcript, errors, cpu)


# --- figures -------------------------------------------------------------------------------------------------------------


def summary(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Word error rate over all words and of the speakers, share of clips without a single error, how many were left without
    words, and the seconds of the processor for a second of sound. ``interval``: ``metrics.interval`` over the speakers."""
    errors, said = np.array([(a.errors, a.said) for a in attempts]).T
    speakers = np.array([a.speaker for a in attempts])

    def rate(rows: np.ndarray) -> float:
        return float(errors[rows].sum() / said[rows].sum())

    rates = [rate(np.flatnonzero(speakers == speaker)) for speaker in np.unique(speakers)]
    return {
        "n": len(attempts),
        "wer": round(float(rate(np.arange(len(attempts)))), 3),
        "interval": metrics.interval(rate, speakers.tolist()).round(3).tolist(),
        "of speakers: least, median, most": np.percentile(rates, (0, 50, 100)).round(3).tolist(),
        "exact": round(float((errors == 0).mean()), 3),
        "without_words": sum(not a.transcript.text for a in attempts),
        "cpu_per_second": round(sum(a.cpu for a in attempts) / sum(a.seconds for a in attempts), 3),
    }


def by_group(attempts: Sequence[Attempt]) -> dict[str, float]:
    """Word error rate of the clips of each speaker and in each group."""
    groups = {speaker: None for a in attempts for speaker in (a.speaker, *a.groups)}
    return {group: round(_rate([a for a in attempts if group in (a.speaker, *a.groups)]), 3) for group in groups}


def _rate(attempts: Sequence[Attempt]) -> float:
    return sum(a.errors for a in attempts) / sum(a.said for a in attempts)


def reliability(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Confidence against accuracy of the clips with words: in bins of equal size, by correlation, and as the bins' mean gap."""
    heard = [a for a in attempts if a.transcript.text]
    if not heard:
        return {}
    confidence, accuracy = np.array([(a.transcript.confidence, a.accuracy) for a in heard]).T
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(BINS, len(heard)))
    rows = [{"n": len(b), "expected": confidence[b].mean(), "actual": accuracy[b].mean()} for b in bins]
    gap = sum(row["n"] * abs(row["expected"] - row["actual"]) for row in rows) / len(heard)
    moving = np.ptp(confidence) > 0 and np.ptp(accuracy) > 0
    return {
        "bins": [{name: round(float(value), 3) for name, value in row.items()} for row in rows],
        "gap": round(float(gap), 3),
        "correlation": round(float(np.corrcoef(confidence, accuracy)[0, 1]), 3) if moving else None,
        "mean_expected": round(float(confidence.mean()), 3),
        "mean_actual": round(float(accuracy.mean()), 3),
    }


def refusals(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Share of clips that are taken for another language, its interval over the speakers, and that of other thresholds."""
    foreign = np.array([a.transcript.foreign for a in attempts])
    bounds = metrics.interval(lambda rows: foreign[rows].mean(), [a.speaker for a in attempts])
    shares = {threshold: float(np.mean([_refused(a.transcript, threshold) for a in attempts])) for threshold in THRESHOLDS}
    return {
        "n": len(attempts),
        "share": round(float(foreign.mean()), 3),
        "interval": bounds.round(3).tolist(),
        "no words at all": sum(not a.transcript.text and not a.transcript.foreign for a in attempts),
        "share by threshold": {str(threshold): round(share, 3) for threshold, share in shares.items()},
    }


def _refused(transcript: Transcript, threshold: float) -> bool:
    """By a threshold other than LEAST_AGREEMENT."""
    enough = transcript.foreign or len(words_of(transcript.text)) >= LEAST_WORDS
    return enough and transcript.confidence < threshold


def _shown(figures: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", _shown(value, indent + "  ")]
        elif isinstance(value, list) and isinstance(value[0], dict):
            lines += [f"{indent}{name}:", *(f"{indent}  " + "  ".join(f"{k} {v}" for k, v in row.items()) for row in value)]
        else:
            lines.append(f"{indent}{name}: {value}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
