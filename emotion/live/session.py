"""A live session: sound and pictures come in while a person speaks, and a snapshot says at any time what is read from them.

What comes in is only stored and drawn. Voice, words and face are each read in a thread of their own, which takes the newest input
when it is free. Nothing queues: on a slow machine readings become rarer, and hardly older. No more than the last minute is kept,
however long the session lasts.
"""

import contextlib
import math
import struct
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np

from emotion import media
from emotion.analyzer import Analyzer
from emotion.face.tracking import Follower, Sighting
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.live.buffers import Latest, Part, Ring, Tail
from emotion.live.columns import ColumnBuffer, Columns
from emotion.media import limits
from emotion.media.pictures import JPEG, THE_PICTURE, jpeg_size
from emotion.messages import InputError
from emotion.readings import FaceFrame, FaceReading, Frame, Fusion, Media, Reading, Segment, Transcript
from emotion.serving import transcription
from emotion.serving.slots import Model, Slot
from emotion.sound import SAMPLE_RATE
from emotion.transcript.passages import quietest

KEPT_S = 60  # of sound and pictures: what the analysis at the end is made of
VOICE_S = 4.0  # of sound that are read at once: one window of the voice model
LEAST_S = 0.5  # of sound before a first reading
VOICE_EVERY_S, WORDS_EVERY_S, FACE_EVERY_S = 0.3, 0.5, 0.08  # from the start of one reading to that of the next, at least

VOICE_LASTS_S, FACE_LASTS_S, WORDS_LAST_S = 3.0, 1.5, 12.0  # how long a reading counts when no newer one follows
FACE_S = 1.0  # of pictures that make one reading of a face: an expression takes half a second and more to come and go

PAUSE_S = 0.6  # a longer one ends a phrase
PHRASE_S = 8.0  # the longest phrase, as an unfinished one is transcribed again each time; speech that goes on is cut
BACKLOG_S = 20.0  # how far speech to text may fall behind: older sound is given up
MARGIN_S = 0.5  # of silence that is transcribed again, for a word may have begun in it
PHRASES = 60  # that are kept

POINT_EVERY_S = 0.5  # of the mood line
POINTS = round(KEPT_S / POINT_EVERY_S)

PICTURE_EVERY_S = 1 / media.FRAME_RATE  # between two that are kept for the analysis; faces are searched in those between, too


@dataclass(frozen=True)
class Point:
    """The fused ``mood``, 1 to 5, at a ``time`` in seconds; None where nothing could be read."""

    time: float
    mood: float | None


@dataclass(frozen=True)
class LiveFace:
    """The face in the newest picture that was read.

    Attributes
    ----------
    time : float
        Of the picture, in seconds.
    box : tuple of float
        x, y, width and height, as shares of the picture's width and height.
    label : str
        Of the face's reading over the last second: that of a single picture would flicker.
    probability : float
        Of the label, 0 to 1.
    """

    time: float
    box: tuple[float, float, float, float]
    label: str
    probability: float


@dataclass(frozen=True)
class Snapshot:
    """What is known at a moment. Times are in seconds from the beginning of the sound, or of the session where there is none.

    Attributes
    ----------
    heard : float
        Seconds of sound received.
    columns : Columns
        Its waveform and spectrogram.
    points : Part
        Each a Point of the mood line.
    phrases : Part
        Each with the time of its ``end``, its ``text`` and its ``reliability``.
    unfinished : str
        What is being said, which may still change.
    foreign : bool
        Whether the last phrase was left out because it does not sound like English.
    fusion : Fusion
        Of ``readings``.
    readings : tuple of (str, Reading)
        By modality, those that still count.
    voice_until, words_until : float
        Up to when the voice was read, and words were searched for.
    looked : float or None
        Time of the last picture in which a face was searched for.
    face : LiveFace or None
        What was found in it.
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
    face: LiveFace | None


class LiveSession:
    """One visitor's stream. ``hear`` and ``see`` return at once. Thread-safe. ``finish`` ends its threads.

    Parameters
    ----------
    analyzer : Analyzer
        Whose models read the stream; a remote one is replaced by its fallback, as a stream goes to no third party.
    language : str
        That of the speech, such as "en".
    """

    def __init__(self, analyzer: Analyzer, language: str = "en"):
        self._analyzer, self._language = analyzer, language
        self._lock = threading.Lock()
        self._resampler: media.Resampler | None = None
        self._packets = 0
        self._sound, self._columns = Ring(KEPT_S * SAMPLE_RATE), ColumnBuffer()
        self._pictures: deque[tuple[float, bytes]] = deque(maxlen=KEPT_S * media.FRAME_RATE)  # for the analysis
        self._picture: tuple[float, bytes] | None = None  # the newest, until it is looked at
        self._last_picture = -math.inf
        self._follower = Follower()
        self._views: deque[_Look] = deque()
        self._looked: float | None = None
        self._face: LiveFace | None = None
        self._readings: dict[str, tuple[float, Reading | None]] = {}  # by modality, after the time up to which it was read
        self._transcribed = 0  # number of the sample up to which all phrases are finished
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
        """Takes the next sound.

        Parameters
        ----------
        samples : int16 or float ndarray of shape (n,)
            Mono, any length; as floats in [-1, 1].
        rate : int
            Hz, 1,000 to 384,000, the same throughout a session.
        packet : int, optional
            Number of the packet, from 0 on. Each counts once, so that one which may have been lost can be sent again.

        Raises
        ------
        InputError
            For a rate out of range or other than before, and for a packet that does not follow the last.
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
        """Takes the next picture. Only the newest is searched for a face when its reader is free.

        Parameters
        ----------
        picture : bytes
            A JPEG of at most limits.LIVE_PICTURE_BYTES and LIVE_PIXELS.
        time : float
            Seconds, later than the last picture's.

        Raises
        ------
        InputError
            For anything else.
        """
        if not picture.startswith(JPEG) or len(picture) > limits.LIVE_PICTURE_BYTES:
            raise InputError("live_picture_type", limit=limits.LIVE_PICTURE_BYTES)
        with contextlib.suppress(struct.error):  # damaged: passed over when it is its turn
            limits.check_pixels(THE_PICTURE, *jpeg_size(BytesIO(picture)), limits.LIVE_PIXELS)
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
        """What is known now.

        Parameters
        ----------
        column, point, phrase : int
            Number of the first one wanted of each, counted from 0 at the beginning; earlier ones are left out.

        Returns
        -------
        Snapshot
        """
        with self._lock:
            readings = self._current()
            return Snapshot(
                heard=self._sound.total / SAMPLE_RATE,
                columns=self._columns.since(column),
                points=self._points.since(point),
                phrases=self._phrases.since(phrase),
                unfinished=self._unfinished,
                foreign=self._foreign,
                fusion=fuse(readings, self._analyzer.weights),
                readings=tuple(readings.items()),
                voice_until=self._readings["speech"][0] if "speech" in self._readings else 0.0,
                words_until=self._words_until,
                looked=self._looked,
                face=self._face,
            )

    def finish(self) -> Media:
        """Ends the session.

        Returns
        -------
        Media
            The sound and pictures of the last KEPT_S seconds, at most ``media.MAX_FRAMES`` of these, evenly spaced; their times
            begin at 0. No samples where there are less than ``media.MIN_DURATION_S``.
        """
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
        """The time of the newest input: a stream's own clock, which stands still while nothing comes."""
        return max(self._sound.total / SAMPLE_RATE, self._last_picture)

    def _add(self, samples: np.ndarray) -> None:
        self._sound.add(samples)
        self._columns.add(samples)

    def _current(self) -> dict[str, Reading]:
        """The readings that still count."""
        lasting = {"text": WORDS_LAST_S, "speech": VOICE_LASTS_S, "face": FACE_LASTS_S}
        newest = ((name, *self._readings[name]) for name in MODALITIES if name in self._readings)
        return {name: reading for name, until, reading in newest if reading is not None and self._now - until <= lasting[name]}

    def _store(self, name: str, until: float, reading: Reading | None) -> None:
        self._readings[name] = until, reading
        last = self._points.last
        if last is None or self._now - last.time >= POINT_EVERY_S:
            self._points.add(Point(round(self._now, 2), fuse(self._current(), self._analyzer.weights).mood))

    # -- the readings, each in its thread

    def _model(self, slot: Slot[Model]) -> Model:
        """The model that serves, loaded first where none is; for a remote one its fallback: a stream goes to no third party."""
        serving = slot.get()
        local = slot.fallback() if serving.choice.source == "remote" else serving
        if local is None:
            raise InputError("no_model_here", role=slot.role)
        return local.model

    def _read_voice(self) -> None:
        with self._lock:
            end = self._sound.total
            samples = self._sound.since(end - round(VOICE_S * SAMPLE_RATE))
        if len(samples) < LEAST_S * SAMPLE_RATE:
            return
        reading = self._model(self._analyzer.slots.speech).read(samples)
        with self._lock:
            self._store("speech", end / SAMPLE_RATE, reading)

    def _read_face(self) -> None:
        with self._lock:
            picture, self._picture = self._picture, None
        if picture is None:
            return
        time, jpeg = picture
        image = media.decode_image(jpeg).image
        sighting = self._follower.see(Frame(time, image), self._model(self._analyzer.slots.detector))
        seen = None if sighting is None else (sighting, self._model(self._analyzer.slots.face).look(Frame(time, image), sighting))
        self._views.append(_Look(time, seen))
        while self._views[0].time < time - FACE_S:
            self._views.popleft()
        reading = _face_reading(self._views)
        with self._lock:
            self._looked = time
            self._face = None if sighting is None or reading is None else _live_face(sighting, image.shape, reading)
            self._store("face", time, reading)

    def _read_words(self) -> None:
        engine = self._model(self._analyzer.slots.transcript)
        if not transcription.supports(self._language, engine):
            return
        with self._lock:
            end = self._sound.total
            start = max(self._transcribed, end - round(BACKLOG_S * SAMPLE_RATE))
            samples = self._sound.since(start)
        if len(samples) < LEAST_S * SAMPLE_RATE:
            return
        longest = round(PHRASE_S * SAMPLE_RATE)
        cut = len(samples) > longest
        if cut:
            samples = samples[: quietest(samples, longest // 2, longest)]
        draft = self._analyzer.speech_to_text(transcription.draft, samples, self._language, engine)
        if draft is None:
            return
        segments, length = draft.segments, len(samples) / SAMPLE_RATE
        ended = len(segments) if cut else finished(segments, length)
        until = length if cut else transcribed_until(segments, ended, length)
        with self._lock:
            self._unfinished = draft.text
            self._words_until = (start + len(samples)) / SAMPLE_RATE
        if ended:
            text, rest = (" ".join(segment.text for segment in part) for part in (segments[:ended], segments[ended:]))
            phrase = self._analyzer.speech_to_text(
                transcription.checked, samples, replace(draft, text=text, segments=segments[:ended]), engine
            )
            self._finish_phrase(start / SAMPLE_RATE, phrase, rest)
        self._transcribed = start + round(until * SAMPLE_RATE)  # last: a phrase whose check raised is transcribed again

    def _finish_phrase(self, begin: float, heard: Transcript, unfinished: str) -> None:
        """Adds a phrase of sound from ``begin`` on, with words ``unfinished`` after it, and reads the phrases of late."""
        with self._lock:
            self._unfinished, self._foreign = unfinished, heard.foreign
            if not heard.text:
                return
            phrase = _Phrase(begin + heard.segments[-1].end, heard.text, heard.reliability)
            self._phrases.add(phrase)
            recent = [p for p in self._phrases.items if p.end >= self._now - WORDS_LAST_S]
        text = " ".join(p.text for p in recent)
        reliability = float(np.mean([p.reliability for p in recent])) if recent else 0.0
        reading = self._model(self._analyzer.slots.text).read(text, reliability, explained=False) if recent else None
        with self._lock:
            self._store("text", phrase.end, reading)


def finished(segments: Sequence[Segment], length: float) -> int:
    """How many of the segments in ``length`` seconds of sound are finished: all but the last, and the last after PAUSE_S."""
    return sum(i < len(segments) - 1 or segment.end < length - PAUSE_S for i, segment in enumerate(segments))


def transcribed_until(segments: Sequence[Segment], ended: int, length: float) -> float:
    """Up to when the sound need not be transcribed again, in seconds, where the first ``ended`` segments are finished."""
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
class _Look:
    """What one picture showed: the followed face and its probabilities (7,), or None."""

    time: float
    seen: tuple[Sighting, np.ndarray] | None


def _as_float(samples: np.ndarray) -> np.ndarray:
    """Mono samples as float32 within [-1, 1]."""
    if samples.dtype == np.int16:
        return np.asarray(np.divide(samples, 32767, dtype=np.float32))
    return np.asarray(np.nan_to_num(np.clip(samples, -1, 1)), np.float32)


def _frames(pictures: Sequence[tuple[float, bytes]]) -> list[Frame]:
    """Pictures decoded, without those that are damaged or of another size than the first."""
    frames: list[Frame] = []
    for time, jpeg in pictures:
        try:
            image = media.decode_image(jpeg).image
        except InputError:
            continue
        if not frames or image.shape == frames[0].image.shape:
            frames.append(Frame(time, image))
    return frames


def _face_reading(views: Sequence[_Look]) -> FaceReading | None:
    """The mean of the pictures that show the face, weighted by how clearly. The reliability counts those without it, too."""
    shown = [view.seen for view in views if view.seen is not None]
    weight = np.array([sighting.weight for sighting, _ in shown])
    if not weight.any():
        return None
    share = weight / weight.sum()
    frames = tuple(FaceFrame(face.time, face.box, p, float(s)) for (face, p), s in zip(shown, share, strict=True))
    mean = (share @ np.stack([p for _, p in shown])).astype(np.float32)
    return FaceReading(mean, min(1.0, float(weight.sum()) / len(views)), 1, len(views), len(shown), frames)


def _live_face(sighting: Sighting, shape: tuple[int, ...], reading: FaceReading) -> LiveFace:
    """The place of the face in a picture of ``shape``, and the label of the last second."""
    x, y, width, height = sighting.box
    box = (x / shape[1], y / shape[0], width / shape[1], height / shape[0])
    best = int(reading.probabilities.argmax())
    return LiveFace(sighting.time, box, LABELS[best], float(reading.probabilities[best]))
