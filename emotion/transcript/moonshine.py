"""English speech to text by Moonshine Tiny (Jeffries et al. 2024), and the voice activity detection that comes with it.

Both are in the package ``moonshine-voice``, a library in C++ that releases Python's lock while it works.
"""

import functools
import importlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from emotion.messages import InputError
from emotion.readings import Segment, Transcript
from emotion.sound import SAMPLE_RATE

NAME = "moonshine-tiny-en"
PACKAGE = "moonshine-voice"
PLATFORMS = "Linux with glibc 2.34 or newer, Windows, and macOS 15 or newer on arm64"

# The level that the loudest half second is brought to. The detector misses words of a quiet voice: some of RAVDESS's actors speak
# at -42 dB.
LEVEL_DB, MAX_GAIN_DB = -20.0, 40.0
BLOCK = SAMPLE_RATE // 50  # samples, 20 ms, of the level
SILENCE = np.zeros(SAMPLE_RATE, np.float32)  # 1 s
LEAST = SAMPLE_RATE // 10  # samples, 0.1 s: the library fails at less than one of its frames
# Speech is transcribed a second time, a tenth slower: words that were said in English stay, words that were guessed change. On
# RAVDESS about as many are right as both transcripts have in common: see the card.
SLOWER_RATE = round(SAMPLE_RATE / 1.1)  # Hz that the library is given in place of the true rate
CHECKED_S = 4.0  # of lines that are transcribed twice, at least
CEILING = 0.95  # of any confidence: the sentences that it was measured on are few and plain
# With less agreement, on at least so many words, the speech is taken for another language. Of 0.3 to 0.7 the highest that refuses
# at most 1 in 50 clips of RAVDESS's actors 1 to 10.
LEAST_AGREEMENT, LEAST_WORDS = 0.5, 3
SHORTEST_S = 0.2  # of a line: the words of a shorter one are made up, mostly "You"
GOES_ON_S = 1.0  # before the end of a piece: a line that ends later may go on in the next
PIECE_S = 60.0  # transcribed at once: a million samples take 30 MB as a list of Python's numbers; a line has 15 s at most


class Moonshine:
    """Takes 0.3 s to load and 200 MB, and up to 400 MB after minutes of speech."""

    name = NAME

    def __init__(self) -> None:
        self._transcriber = _load()

    def draft(self, samples: np.ndarray, language: str = "en") -> Transcript:
        """Segments are the library's own lines."""
        return _transcript_of(self._segments(samples), CEILING)

    def checked(self, samples: np.ndarray, heard: Transcript) -> Transcript:
        """The confidence is the share of words that a second transcript has, too, at most CEILING.

        Where that share is too small, the speech is taken for another language, and its words are left out.
        """
        if not heard.segments:
            return heard
        agreement, words = self._agreement(samples, heard.segments)
        if agreement < LEAST_AGREEMENT and words >= LEAST_WORDS:
            return Transcript("", agreement, NAME, foreign=True)
        return replace(heard, confidence=min(agreement, CEILING))

    def _segments(self, samples: np.ndarray, rate: int = SAMPLE_RATE) -> list[Segment]:
        """The library's lines, but for those that are too short. They may begin a little before the voice; here none overlap."""
        found, until = [], 0.0
        for text, start, end in _lines(self._transcriber, samples, rate):
            start = max(start, until)
            if text and end - start > SHORTEST_S:
                found.append(Segment(start, end, text))
                until = end
        return found

    def _agreement(self, samples: np.ndarray, segments: Sequence[Segment]) -> tuple[float, int]:
        """How far two transcripts of the first CHECKED_S of the segments agree, and how many words the first has.

        The agreement is 1 less the word errors over the words of the longer one: 0 to 1, and 1 for two without words.
        """
        sums = itertools.accumulate(segment.end - segment.start for segment in segments)
        checked = segments[: 1 + sum(seconds < CHECKED_S for seconds in sums)]
        first, last = (round(second * SAMPLE_RATE) for second in (checked[0].start, checked[-1].end))
        both = checked, self._segments(samples[first:last], SLOWER_RATE)
        once, again = (words_of(" ".join(segment.text for segment in heard)) for heard in both)
        return Levenshtein.normalized_similarity(once, again), len(once)

    def warm(self) -> None:
        """Transcribes a second of silence: the library's first call differs from those that follow."""
        list(_lines(self._transcriber, SILENCE))


def _transcript_of(segments: Sequence[Segment], confidence: float) -> Transcript:
    return Transcript(" ".join(s.text for s in segments), confidence if segments else 0.0, NAME, tuple(segments))


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    return re.findall(r"[\w']+", text.lower())


def speech(samples: np.ndarray) -> list[tuple[float, float]]:
    """Where somebody speaks, by the library's voice activity detection (Silero).

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        Mono, 16 kHz, any length.

    Returns
    -------
    list of (float, float)
        Start and end in seconds, in order of time.

    Raises
    ------
    InputError
        Where the library does not run on this machine.
    """
    return [(start, end) for _, start, end in _lines(_detector(), samples)]


@functools.cache
def _detector() -> Any:
    return _load(skip_transcription="true")


def _load(**options: str) -> Any:
    """A transcriber of the library. Raises InputError where it does not run on this machine, with the reason."""
    os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")  # its threads spin while they wait, which slows the other branches
    try:
        package = importlib.import_module("moonshine_voice")
    except ImportError as e:
        raise InputError("package_missing", package=PACKAGE, systems=PLATFORMS) from e
    folder = Path(str(package.__file__)).parent / "assets" / "tiny-en"
    if not folder.is_dir():
        raise InputError("package_without_model", package=PACKAGE, version="0.0.73")
    try:
        return package.Transcriber(folder, package.ModelArch.TINY, options={"return_audio_data": "false", **options})
    except (OSError, package.MoonshineError) as e:
        raise InputError("package_does_not_run", package=PACKAGE, systems=PLATFORMS) from e


def _lines(transcriber: Any, samples: np.ndarray, rate: int = SAMPLE_RATE) -> Iterator[tuple[str, float, float]]:
    """Text, start and end in seconds of each line in a recording of any length. ``rate``: Hz that the library is given."""
    samples = _levelled(np.asarray(samples, np.float32))
    # The detector keeps a state from call to call, whichever transcriber asks, which can add or cost a word. Silence resets it.
    transcriber.transcribe_without_streaming(SILENCE.tolist(), SAMPLE_RATE)
    start, length = 0, len(samples) / rate
    while start < len(samples):
        piece = samples[start : start + round(PIECE_S * rate)]
        end = start + len(piece)
        lines = transcriber.transcribe_without_streaming(piece.tolist(), rate).lines
        last = lines[-1] if lines and end < len(samples) else None
        if last and last.start_time > 0 and last.start_time + last.duration > len(piece) / rate - GOES_ON_S:
            # It may go on: it is transcribed again with what follows.
            end = start + max(1, round(lines.pop().start_time * rate))
        for line in lines:
            first = min(start / rate + line.start_time, length)
            yield line.text.strip(), first, min(first + line.duration, length)
        start = end


def _levelled(samples: np.ndarray) -> np.ndarray:
    """Brought to LEVEL_DB, and no shorter than LEAST."""
    if len(samples) < LEAST:
        samples = np.pad(samples, (0, LEAST - len(samples)))
    power = np.square(samples[: len(samples) // BLOCK * BLOCK]).reshape(-1, BLOCK).mean(axis=1)
    half_second = min(len(power), 25)
    level_db = 10 * np.log10(np.sort(power)[-half_second] + 1e-12)
    return samples * np.float32(10 ** (min(LEVEL_DB - level_db, MAX_GAIN_DB) / 20))
