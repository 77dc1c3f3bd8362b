"""Word error rate, speed and calibration of speech to text, and the fit of its confidence.

    python -m emotion.training.transcript PATH_TO_RAVDESS          # reprints the figures of emotion/models/transcript/README.md
    python -m emotion.training.transcript PATH_TO_RAVDESS --fit    # fits the calibration again and writes it

Actors 1 to 10 choose: settings were tried and the calibration is fitted on them. Actors 11 to 20 report. Both halves say the same
two sentences, so what is learnt here about other sentences is little: hence ``CEILING``, and ``--speech`` for a look at others.
"""

import argparse
import io
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import soundfile

from emotion import transcript
from emotion.media import SAMPLE_RATE, from_samples
from emotion.readings import InputError
from emotion.training import metrics
from emotion.training.datasets import AUDIO_SUFFIXES, Source, ravdess_clip
from emotion.transcript import CALIBRATION, FEATURES, Calibration, PocketSphinx

EMOTIONS = "neutral calm happy sad angry fearful disgust surprised".split()
SENTENCES = {1: "kids are talking by the door", 2: "dogs are sitting by the door"}
CHOOSING, REPORTING = range(1, 11), range(11, 21)  # actors
CLIPS = 20  # of each actor, drawn by SEED
SEED = 0
BINS = 5
RIDGE = 1.0  # strength of the pull of the weights, in units of each feature's spread, to 0
CEILING = 0.75  # of any confidence: see the card
UNFITTED = Calibration((0.0,) * len(FEATURES), 0.0, (-np.inf,) * len(FEATURES), (np.inf,) * len(FEATURES), CEILING)


@dataclass(frozen=True, eq=False)
class Clip:
    """``samples`` float32 (n,) at 16 kHz of the words ``reference``, lower case without punctuation, by ``speaker``; ``groups`` it
    counts in."""

    samples: np.ndarray
    reference: str
    speaker: str
    groups: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class Attempt:
    """What was recognised in a clip: ``errors`` in words, ``cpu`` and ``wall`` seconds, ``features`` as the mean over its words."""

    clip: Clip
    hypothesis: str
    errors: int
    cpu: float
    wall: float
    features: np.ndarray | None = None
    confidence: float | None = None

    @property
    def accuracy(self) -> float:
        """1 - word error rate, at least 0."""
        return max(0.0, 1 - self.errors / len(self.clip.reference.split()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 for a data set that cannot be read."""
    arguments = _parser().parse_args(argv)
    try:
        figures = run(arguments.path, arguments.fit, arguments.clips, arguments.speech)
    except InputError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    print(json.dumps(figures, indent=1) if arguments.json else _shown(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m emotion.training.transcript", description=__doc__.splitlines()[0])
    data = os.environ.get("EMOTION_DATA")
    parser.add_argument(
        "path",
        nargs="?" if data else None,
        type=Path,
        default=Path(data) / "ravdess.zip" if data else None,
        help="RAVDESS speech, a folder or a zip (default: ravdess.zip in EMOTION_DATA)",
    )
    parser.add_argument("--fit", action="store_true", help=f"fit the calibration and write {CALIBRATION.name}")
    parser.add_argument("--clips", type=int, default=CLIPS, help=f"clips of each actor (default: {CLIPS})")
    parser.add_argument(
        "--speech", type=Path, metavar="FOLDER", help="other speech to report on: X.wav or X.flac with its words in X.txt"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def run(path: Path, fit: bool = False, clips: int = CLIPS, speech: Path | None = None) -> dict[str, Any]:
    """All figures as plain types. With ``fit`` the calibration is fitted to the choosing actors and written first."""
    if fit:
        unfitted = PocketSphinx(UNFITTED)
        attempts = [_attempt(unfitted, clip) for clip in ravdess(path, CHOOSING, clips)]
        write(fitted(attempts), CALIBRATION, len(attempts))
    recogniser = PocketSphinx()
    reporting = list(ravdess(path, REPORTING, clips))
    plain = _plain_decoder()
    # In turn, so that both meet the same load of the machine.
    pairs = [(_attempt(recogniser, clip), _plain_attempt(plain, clip)) for clip in reporting]
    tuned, default = zip(*pairs, strict=True)
    figures = {
        "protocol": f"RAVDESS actors {REPORTING[0]}-{REPORTING[-1]}, {clips} clips each, seed {SEED}",
        "tuned": summary(tuned),
        "tuned, word error rate by group": by_group(tuned),
        "default, no voice-activity check": summary(default),
        "calibration": reliability(tuned),
    }
    if speech:
        others = [_attempt(recogniser, clip) for clip in _spoken(speech)]
        figures["other speech"] = summary(others) | {"calibration": reliability(others)}
    return figures


# --- data ----------------------------------------------------------------------------------------------------------------


def ravdess(path: Path, actors: Sequence[int], per_actor: int) -> Iterator[Clip]:
    """A seeded sample of the clips of each actor. Raises InputError when an actor has none."""
    source = Source(path)
    found = {name: ravdess_clip(name) for name in source.names() if PurePosixPath(name).suffix in AUDIO_SUFFIXES}
    draw = random.Random(SEED)
    for actor in actors:
        names = [name for name, fields in found.items() if fields and fields["actor"] == actor]
        if not names:
            raise InputError(f"{path} holds no RAVDESS speech of actor {actor}.")
        for name in draw.sample(names, min(per_actor, len(names))):
            samples = from_samples(*soundfile.read(io.BytesIO(source.read(name)), dtype="float32"))
            fields = found[name]
            groups = ("men" if actor % 2 else "women", EMOTIONS[fields["emotion"] - 1])
            yield Clip(samples, SENTENCES[fields["sentence"]], f"actor {actor}", groups)


def _spoken(folder: Path) -> Iterator[Clip]:
    files = sorted(file for file in folder.glob("*") if file.suffix in AUDIO_SUFFIXES and file.with_suffix(".txt").is_file())
    if not files:
        raise InputError(f"{folder} holds no recording with its words beside it.")
    for file in files:  # each counts as a speaker: who speaks in it is not known
        words = file.with_suffix(".txt").read_text("utf-8").lower().split()
        yield Clip(from_samples(*soundfile.read(file, dtype="float32")), " ".join(words), file.stem)


# --- recognition ---------------------------------------------------------------------------------------------------------


def _attempt(recogniser: PocketSphinx, clip: Clip) -> Attempt:
    """The serving path: voice-activity check, level, tuned decoder."""
    cpu, wall = time.process_time(), time.perf_counter()
    spans = transcript.speech_segments(clip.samples)
    utterances = list(recogniser.utterances(clip.samples, spans)) if spans else []
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    hypothesis = " ".join(word for utterance in utterances for word, _, _ in utterance.words)
    errors = word_errors(clip.reference, hypothesis)
    if not utterances:
        return Attempt(clip, hypothesis, errors, cpu, wall)
    words = [len(utterance.words) for utterance in utterances]
    features = np.average([utterance.features for utterance in utterances], axis=0, weights=words)
    confidence = np.average([recogniser.confidence(utterance) for utterance in utterances], weights=words)
    return Attempt(clip, hypothesis, errors, cpu, wall, features, float(confidence))


def _plain_decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL")


def _plain_attempt(decoder: Any, clip: Clip) -> Attempt:
    """PocketSphinx as it comes: the whole clip at its own level, default settings."""
    cpu, wall = time.process_time(), time.perf_counter()
    decoder.start_utt()
    decoder.process_raw(transcript.pcm(clip.samples, 0.0), full_utt=True)
    decoder.end_utt()
    words = transcript.spoken(decoder.seg()) if decoder.hyp() else []
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    hypothesis = " ".join(transcript.plain(word.word) for word in words)
    return Attempt(clip, hypothesis, word_errors(clip.reference, hypothesis), cpu, wall)


def word_errors(reference: str, hypothesis: str) -> int:
    """Least number of words to replace, drop or add (Levenshtein) between two lower-case texts."""
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


# --- figures -------------------------------------------------------------------------------------------------------------


def error_rate(attempts: Sequence[Attempt]) -> float:
    """Errors of all attempts over all their words."""
    return round(sum(a.errors for a in attempts) / sum(len(a.clip.reference.split()) for a in attempts), 3)


def by_group(attempts: Sequence[Attempt]) -> dict[str, float]:
    """Word error rate of the clips in each group."""
    groups = sorted({group for a in attempts for group in a.clip.groups})
    return {group: error_rate([a for a in attempts if group in a.clip.groups]) for group in groups}


def summary(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Word error rate over all words, share of clips without a single error, and real-time factors: medians over clips of
    processor and wall time against the clip's length. ``intervals``: ``metrics.interval`` over the speakers."""
    errors, words = (
        np.array(column) for column in zip(*((a.errors, len(a.clip.reference.split())) for a in attempts), strict=True)
    )

    def rates(rows: np.ndarray) -> tuple[float, float]:
        return errors[rows].sum() / words[rows].sum(), (errors[rows] == 0).mean()

    wer, exact = rates(np.arange(len(attempts)))
    spread = metrics.interval(rates, [a.clip.speaker for a in attempts]).round(3)
    return {
        "n": len(attempts),
        "wer": round(float(wer), 3),
        "exact": round(float(exact), 3),
        "intervals": {"wer": spread[:, 0].tolist(), "exact": spread[:, 1].tolist()},
        "without_words": sum(not a.hypothesis for a in attempts),
        "rtf_cpu": round(float(np.median([a.cpu / a.clip.seconds for a in attempts])), 3),
        "rtf_wall": round(float(np.median([a.wall / a.clip.seconds for a in attempts])), 3),
    }


def reliability(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Confidence against accuracy: in bins of equal size, by correlation, and as mean absolute gap of the bins."""
    heard = [a for a in attempts if a.confidence is not None]
    confidence, accuracy = np.array([(a.confidence, a.accuracy) for a in heard]).T
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


# --- the fit -------------------------------------------------------------------------------------------------------------


def fitted(attempts: Sequence[Attempt]) -> Calibration:
    """Ridge-regularised logistic regression of accuracy, a share of 0 to 1, on the features, by Newton's method."""
    heard = [a for a in attempts if a.features is not None]
    x, y = np.array([a.features for a in heard]), np.array([a.accuracy for a in heard])
    low, high = np.percentile(x, (1, 99), axis=0)
    x = np.clip(x, low, high)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    penalty = RIDGE * np.diag([0.0] + [1.0] * x.shape[1])
    w = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ w))
        w -= np.linalg.solve(z.T @ (z * (p * (1 - p))[:, None]) + penalty, z.T @ (p - y) + penalty @ w)
    weights = w[1:] / spread
    return Calibration(tuple(weights.tolist()), float(w[0] - weights @ mean), tuple(low.tolist()), tuple(high.tolist()), CEILING)


def write(calibration: Calibration, file: Path, n: int) -> None:
    """As JSON, with what the numbers belong to."""
    fields = {name: [round(v, 6) for v in getattr(calibration, name)] for name in ("weights", "low", "high")}
    content = {
        "engine": PocketSphinx.name,
        "settings": transcript.SETTINGS,
        "features": list(FEATURES),
        **fields,
        "bias": round(calibration.bias, 6),
        "ceiling": calibration.ceiling,
        "fitted_on": f"RAVDESS actors {CHOOSING[0]}-{CHOOSING[-1]}, {n} clips, seed {SEED}",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
