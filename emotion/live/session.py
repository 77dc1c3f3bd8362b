"""A live session: sound and pictures come in while a person speaks, and a snapshot says at any time what is read from them.

What comes in is only kept and drawn. Voice, words and face are each read in a thread of their own, which takes what is newest when it
gets round to it: nothing waits in line, so that on a slow machine readings become rarer, and hardly older. What is kept is bounded
by the last minute, however long the session lasts.
"""

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emotion import media
from emotion.analyzer import Analyzer
from emotion.face.tracking import Follower, Sighting
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.live.buffers import Latest, Part, Ring, Tail
from emotion.live.columns import Columns, Sketch
from emotion.messages import InputError
from emotion.readings import FaceFrame, FaceReading, Frame, Fusion, Media, Reading, Segment, Transcript
from emotion.serving import transcription
from emotion.serving.slots import Model, Slot
from emotion.sound import SAMPLE_RATE
from emotion.transcript.passages import quietest

KEPT_S = 60  # of sound and pictures: what the analysis at the end is made of
VOICE_S = 4.0  # that are read at once: one window of the voice model
LEAST_S = 0.5  # of sound before a first reading
VOICE_EVERY_S, WORDS_EVERY_S, FACE_EVERY_S = 0.3, 0.5, 0.08  # from one reading to the next, at least

VOICE_LASTS_S, FACE_LASTS_S, WORDS_LAST_S = 3.0, 1.5, 12.0  # for which a reading that no other follows counts
FACE_S = 1.0  # of pictures that make one reading of a face: an expression takes half a second and more to come and go

PAUSE_S = 0.6  # a longer one ends a phrase
PHRASE_S = 8.0  # the longest, as all that is unfinished is heard again each time: one that goes on is cut where it is quietest
UNWRITTEN_S = 20.0  # what speech to text may be behind: older sound is given up
MARGIN_S = 0.5  # of silence that is heard again, for a word may have begun in it
PHRASES = 60  # kept

POINT_EVERY_S = 0.5  # of the mood line
POINTS = round(KEPT_S / POINT_EVERY_S)

PICTURE_EVERY_S = 1 / media.FRAME_RATE  # of those kept for the analysis; faces are looked for in others, too
MAX_PICTURE_BYTES = 80_000  # 640 x 480 as JPEG has about 30,000
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Point:
    """The fused mood at a ``time`` in seconds, None where nothing could be read."""

    time: float
    mood: float | None


@dataclass(frozen=True)
class Seen:
    """The face in the picture of ``time``: ``box`` is x, y, width, height as shares of the picture's width and height."""

    time: float
    box: tuple[float, float, float, float]
    label: str
    probability: float


@dataclass(frozen=True)
class Snapshot:
    """What is known at a moment. All times are seconds from the beginning of the sound, or of the session where there is none.

    ``heard``: sound received. ``columns``: its drawing. ``points``: of the mood line. ``phrases``: what was said, and
    ``unfinished`` what is being said, which may still change; ``foreign``: whether the last phrase was left out because it does not
    sound like English. ``fusion`` of ``readings``, those that still count. ``voice_until`` and
    ``words_until``: up to when the voice has been read and words were looked for. ``looked``: time of the last picture in which a face
    was looked for; ``face`` what was found in it.
    """

    heard: float
    columns: Columns
    points: Part
    phrases: Part
    unfinished: str
    foreign: bool
    fusion: Fusion
    readings: tuple[tuple[str, Reading], ...]
    voice_until: float
    words_until: float
    looked: float | None
    face: Seen | None


class LiveSession:
    """One visitor's stream. ``hear`` and ``see`` return at once; any thread may call anything. ``finish`` ends its threads."""

    def __init__(self, analyzer: Analyzer, language: str = "en"):
        self._analyzer, self._language = analyzer, language
        self._lock = threading.Lock()
        self._resampler: media.Resampler | None = None
        self._packets = 0
        self._sound, self._sketch = Ring(KEPT_S * SAMPLE_RATE), Sketch()
        self._pictures: deque[tuple[float, bytes]] = deque(maxlen=KEPT_S * media.FRAME_RATE)  # for the analysis
        self._picture: tuple[float, bytes] | None = None  # the newest, until it is looked at
        self._last_picture = -math.inf
        self._follower = Follower()
        self._views: deque[_View] = deque()
        self._looked: float | None = None
        self._face: Seen | None = None
        self._kept: dict[str, tuple[float, Reading | None]] = {}  # with the time up to which they read
        self._written = 0  # sample up to which all phrases are finished
        self._unfinished, self._foreign, self._words_until = "", False, 0.0
        self._phrases = Tail(PHRASES)
        self._points = Tail(POINTS)
        self._readers = {
            "speech": Latest("voice", self._read_voice, VOICE_EVERY_S),
            "text": Latest("words", self._read_words, WORDS_EVERY_S),
            "face": Latest("face", self._read_face, FACE_EVERY_S),
        }

    # -- what comes in

    def hear(self, samples: np.ndarray, rate: int, packet: int | None = None) -> None:
        """The next sound, int16 or float (n,), mono, any length; ``rate`` in Hz, the same for the whole session.

        Whoever is not sure whether a ``packet`` has arrived may send it again: numbered from 0 on, each counts once.
        """
        with self._lock:
            if packet is not None:
                if packet < self._packets:
                    return
                if packet > self._packets:
                    raise InputError("live_packet_out_of_order", packet=packet, expected=self._packets)
                self._packets += 1
            if self._resampler is None:
                self._resampler = media.Resampler(rate)
            if rate != self._resampler.rate:
                raise InputError("live_rate_changed", before=self._resampler.rate, rate=rate)
            self._add(self._resampler.add(_as_float(samples)))
        self._readers["speech"].tell()
        self._readers["text"].tell()

    def see(self, picture: bytes, time: float) -> None:
        """The next picture, a JPEG of at most MAX_PICTURE_BYTES; those between two looks are not looked at."""
        if not picture.startswith(JPEG) or len(picture) > MAX_PICTURE_BYTES:
            raise InputError("live_picture_type", limit=MAX_PICTURE_BYTES)
        with self._lock:
            if not (math.isfinite(time) and time > self._last_picture):
                raise InputError("live_picture_out_of_order", time=time, before=self._last_picture)
            self._last_picture = time
            self._picture = (time, picture)
            if not self._pictures or time - self._pictures[-1][0] >= PICTURE_EVERY_S - 0.01:
                self._pictures.append((time, picture))
            while self._pictures and self._pictures[0][0] < self._now - KEPT_S:
                self._pictures.popleft()
        self._readers["face"].tell()

    # -- what goes out

    def snapshot(self, column: int = 0, point: int = 0, phrase: int = 0) -> Snapshot:
        """What is known now; of what is drawn only that from the given numbers on."""
        with self._lock:
            readings = self._current()
            return Snapshot(
                heard=self._sound.total / SAMPLE_RATE,
                columns=self._sketch.since(column),
                points=self._points.since(point),
                phrases=self._phrases.since(phrase),
                unfinished=self._unfinished,
                foreign=self._foreign,
                fusion=fuse(readings, self._analyzer.weights),
                readings=tuple(readings.items()),
                voice_until=self._kept["speech"][0] if "speech" in self._kept else 0.0,
                words_until=self._words_until,
                looked=self._looked,
                face=self._face,
            )

    def finish(self) -> Media:
        """Ends the readings and gives out what is kept of sound and pictures, at most KEPT_S and ``media.MAX_FRAMES`` of them."""
        for reader in self._readers.values():
            reader.close()
        with self._lock:
            if self._resampler is not None:
                self._add(self._resampler.end())
                self._resampler = media.Resampler(self._resampler.rate)
            samples, pictures = self._sound.since(0), list(self._pictures)
            begin = max(0.0, self._sound.total / SAMPLE_RATE - KEPT_S) if len(samples) else (pictures or [(0.0, b"")])[0][0]
        pictures = [(time - begin, picture) for time, picture in pictures if time >= begin]
        chosen = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), media.MAX_FRAMES)).round().astype(int))
        frames = tuple(_frames([pictures[i] for i in chosen]) if pictures else ())
        return Media(samples if len(samples) >= media.MIN_DURATION_S * SAMPLE_RATE else None, frames)

    # -- inside; the lock is held by whoever calls these

    @property
    def _now(self) -> float:
        """The time of the newest that came in: a stream's own clock, which does not run while nothing comes."""
        return max(self._sound.total / SAMPLE_RATE, self._last_picture)

    def _add(self, samples: np.ndarray) -> None:
        self._sound.add(samples)
        self._sketch.add(samples)

    def _current(self) -> dict[str, Reading]:
        """The readings that still count."""
        lasting = {"text": WORDS_LAST_S, "speech": VOICE_LASTS_S, "face": FACE_LASTS_S}
        found = ((name, *self._kept[name]) for name in MODALITIES if name in self._kept)
        return {name: reading for name, until, reading in found if reading is not None and self._now - until <= lasting[name]}

    def _keep(self, name: str, until: float, reading: Reading | None) -> None:
        self._kept[name] = until, reading
        last = self._points.last
        if last is None or self._now - last.time >= POINT_EVERY_S:
            self._points.add(Point(round(self._now, 2), fuse(self._current(), self._analyzer.weights).mood))

    # -- the readings, each in its thread

    def _model(self, slot: Slot[Model]) -> Model:
        """What serves here, loaded first where nothing is. A stream goes to no third party: its model's stand-in serves."""
        serving = slot.get()
        here = slot.spare() if serving.choice.source == "remote" else serving
        if here is None:
            raise InputError("no_model_here", role=slot.role)
        return here.model

    def _read_voice(self) -> None:
        with self._lock:
            end = self._sound.total
            samples = self._sound.since(end - round(VOICE_S * SAMPLE_RATE))
        if len(samples) < LEAST_S * SAMPLE_RATE:
            return
        reading = self._model(self._analyzer.slots.speech).read(samples)
        with self._lock:
            self._keep("speech", end / SAMPLE_RATE, reading)

    def _read_face(self) -> None:
        with self._lock:
            picture, self._picture = self._picture, None
        if picture is None:
            return
        time, jpeg = picture
        image = media.decode_image(jpeg).image
        sighting = self._follower.see(Frame(time, image), self._model(self._analyzer.slots.detector))
        seen = None if sighting is None else (sighting, self._model(self._analyzer.slots.face).look(Frame(time, image), sighting))
        self._views.append(_View(time, seen))
        while self._views[0].time < time - FACE_S:
            self._views.popleft()
        reading = _face_reading(self._views)
        with self._lock:
            self._looked = time
            self._face = None if sighting is None or reading is None else _seen(sighting, image.shape, reading)
            self._keep("face", time, reading)

    def _read_words(self) -> None:
        engine = self._model(self._analyzer.slots.transcript)
        if not transcription.speaks(self._language, engine):
            return
        with self._lock:
            end = self._sound.total
            start = max(self._written, end - round(UNWRITTEN_S * SAMPLE_RATE))
            samples = self._sound.since(start)
        if len(samples) < LEAST_S * SAMPLE_RATE:
            return
        longest = round(PHRASE_S * SAMPLE_RATE)
        goes_on = len(samples) > longest
        if goes_on:
            samples = samples[: quietest(samples, longest // 2, longest)]
        said = self._analyzer.written(transcription.draft, samples, self._language, engine)
        if said is None:
            return
        segments, length = said.segments, len(samples) / SAMPLE_RATE
        ended = len(segments) if goes_on else finished(segments, length)
        until = length if goes_on else written_until(segments, ended, length)
        with self._lock:
            self._unfinished = said.text
            self._words_until = (start + len(samples)) / SAMPLE_RATE
        if ended:
            text, rest = (" ".join(segment.text for segment in part) for part in (segments[:ended], segments[ended:]))
            phrase = self._analyzer.written(
                transcription.checked, samples, replace(said, text=text, segments=segments[:ended]), engine
            )
            self._finish_phrase(start / SAMPLE_RATE, phrase, rest)
        self._written = start + round(until * SAMPLE_RATE)  # last: a phrase whose check failed is heard again

    def _finish_phrase(self, begin: float, said: Transcript, unfinished: str) -> None:
        """Puts what was said from ``begin`` on in the place of what was ``unfinished`` till now, and reads what was said lately."""
        with self._lock:
            self._unfinished, self._foreign = unfinished, said.foreign
            if not said.text:
                return
            phrase = _Phrase(begin + said.segments[-1].end, said.text, said.reliability)
            self._phrases.add(phrase)
            recent = [p for p in self._phrases.items if p.end >= self._now - WORDS_LAST_S]
        text = " ".join(p.text for p in recent)
        relied = float(np.mean([p.reliability for p in recent])) if recent else 0.0
        reading = self._model(self._analyzer.slots.text).read(text, relied, explained=False) if recent else None
        with self._lock:
            self._keep("text", phrase.end, reading)


def finished(segments: Sequence[Segment], length: float) -> int:
    """How many of the segments heard in ``length`` seconds of sound are finished: all but the last, and that after PAUSE_S."""
    return sum(i < len(segments) - 1 or segment.end < length - PAUSE_S for i, segment in enumerate(segments))


def written_until(segments: Sequence[Segment], ended: int, length: float) -> float:
    """Up to when nothing is left to be heard, in seconds, where the first ``ended`` segments are finished."""
    if ended < len(segments):
        return segments[ended].start if ended else 0.0
    return max(length - MARGIN_S, segments[-1].end if segments else 0.0)


# --- parts


@dataclass(frozen=True)
class _Phrase:
    end: float
    text: str
    reliability: float


@dataclass(frozen=True, eq=False)
class _View:
    """What one picture showed: a face and its probabilities, or none."""

    time: float
    seen: tuple[Sighting, np.ndarray] | None


def _as_float(samples: np.ndarray) -> np.ndarray:
    """Mono samples as float32 within [-1, 1]."""
    if samples.dtype == np.int16:
        return np.asarray(np.divide(samples, 32767, dtype=np.float32))
    return np.asarray(np.nan_to_num(np.clip(samples, -1, 1)), np.float32)


def _frames(pictures: Sequence[tuple[float, bytes]]) -> list[Frame]:
    """Pictures decoded; what is damaged is left out, and so is what has another size than the first."""
    frames: list[Frame] = []
    for time, jpeg in pictures:
        try:
            image = media.decode_image(jpeg).image
        except InputError:
            continue
        if not frames or image.shape == frames[0].image.shape:
            frames.append(Frame(time, image))
    return frames


def _face_reading(views: Sequence[_View]) -> FaceReading | None:
    """The mean of the pictures that show the face, by how clearly they do; the reliability counts the others, too."""
    shown = [view.seen for view in views if view.seen is not None]
    weight = np.array([sighting.weight for sighting, _ in shown])
    if not weight.any():
        return None
    share = weight / weight.sum()
    frames = tuple(FaceFrame(face.time, face.box, p, float(s)) for (face, p), s in zip(shown, share, strict=True))
    mean = (share @ np.stack([p for _, p in shown])).astype(np.float32)
    return FaceReading(mean, min(1.0, float(weight.sum()) / len(views)), 1, len(views), len(shown), frames)


def _seen(sighting: Sighting, shape: tuple[int, ...], reading: FaceReading) -> Seen:
    """The place of the face now, under the label of the last second: that of a single picture would flicker."""
    x, y, width, height = sighting.box
    box = (x / shape[1], y / shape[0], width / shape[1], height / shape[0])
    best = int(reading.probabilities.argmax())
    return Seen(sighting.time, box, LABELS[best], float(reading.probabilities[best]))
