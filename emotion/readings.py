"""What the package measures and returns: frozen dataclasses, and the one format in which every interface gives them out."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from emotion.labels import LABELS
from emotion.messages import InputError, Message
from emotion.mood import mood

T = TypeVar("T")

# The highest reliability of words that were heard, however well. With more, at the fusion weights of weights.yaml, "Dogs are
# sitting by the door" would take over 3 points of unweighted average recall from the voices of RAVDESS's actors 1 to 10: see the
# last line of "python -m emotion.training.robustness fusion".
HEARD = 0.65
FUSION_CODES = ("weights_all_zero",)  # of the notes of a Fusion
DECIMALS = 6  # of probabilities, moods and shares in to_dict(): a parsed result fused again gives the same answer to four


@dataclass(frozen=True)
class ModelInfo:
    """Which model answered.

    Attributes
    ----------
    source : str
        "hub", "remote", "bundled", "local" or "pip".
    name, revision : str
        As in weights.yaml.
    calibrated : bool
        Whether its probabilities were calibrated, or its confidence measured, on data.
    """

    source: str
    name: str
    revision: str
    calibrated: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"source": self.source, "name": self.name, "revision": self.revision, "calibrated": self.calibrated}


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes
    ----------
    time : float
        Seconds from the beginning of the video.
    image : uint8 ndarray of shape (h, w, 3)
        RGB.
    """

    time: float
    image: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Media:
    """Decoded input.

    Attributes
    ----------
    samples : float32 ndarray of shape (n,), or None
        In [-1, 1], mono, 16 kHz; None without sound.
    frames : tuple of Frame
        In order of time, all of one size.
    duration : float or None
        Seconds; None for a picture.
    """

    samples: np.ndarray | None = field(default=None, repr=False)
    frames: tuple[Frame, ...] = field(default=(), repr=False)
    duration: float | None = None


@dataclass(frozen=True)
class Segment:
    """Words said from ``start`` to ``end`` seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Transcript:
    """What was said.

    Attributes
    ----------
    text : str
    confidence : float
        Expected word accuracy, 0 to 1.
    engine : str
        Name of the model that wrote it, or "typed".
    segments : tuple of Segment
        In order of time; none of a typed text.
    foreign : bool
        Whether words were left out because the speech does not sound like the language that the engine writes.
    """

    text: str
    confidence: float
    engine: str
    segments: tuple[Segment, ...] = ()
    foreign: bool = False

    @property
    def reliability(self) -> float:
        """How far the words are relied upon, 0 to 1: the confidence, at most HEARD unless they were typed."""
        return self.confidence if self.engine == "typed" else min(self.confidence, HEARD)

    def to_dict(self) -> dict[str, Any]:
        segments = [{"start": round(s.start, 3), "end": round(s.end, 3), "text": s.text} for s in self.segments]
        return {"text": self.text, "confidence": round(self.confidence, DECIMALS), "engine": self.engine, "segments": segments}


@dataclass(frozen=True, eq=False)
class Reading:
    """What one modality says.

    Attributes
    ----------
    probabilities : float32 ndarray of shape (7,)
        In the order of LABELS, summing to 1.
    reliability : float
        How far the input allows a reading at all, whatever the model thinks, 0 to 1: expected word accuracy, share of voiced
        sound, share of frames with a clear face.
    without_baseline : Reading or None
        The same before a personal baseline was applied; None where none was.
    """

    modality: ClassVar[str]
    probabilities: np.ndarray
    reliability: float
    without_baseline: "Reading | None" = field(default=None, repr=False, kw_only=True)

    @property
    def mood(self) -> float:
        """1 (very low) to 5 (very good)."""
        return mood(self.probabilities)

    def details(self) -> dict[str, Any]:
        """The keys of ``to_dict()`` that only this modality has."""
        return {}

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        """Other probabilities (7,) of the whole and of its parts, each by ``change``; what it was is its ``without_baseline``."""
        return replace(self, probabilities=change(self.probabilities), without_baseline=self)

    def during(self, start: float, end: float) -> np.ndarray | None:
        """Mean probabilities between two times.

        Parameters
        ----------
        start, end : float
            Seconds from the beginning of the recording; the end is not included.

        Returns
        -------
        float32 ndarray of shape (7,), or None
            Mean of the windows or frames there, by how much of each lies there or by its weight; None where there are none.
        """
        pairs = [(weight, p) for weight, p in self._weighted(start, end) if weight > 0]
        if not pairs:
            return None
        return np.average([p for _, p in pairs], axis=0, weights=[weight for weight, _ in pairs]).astype(np.float32)

    def _weighted(self, start: float, end: float) -> list[tuple[float, np.ndarray]]:
        """Probabilities of the parts of the reading, each with its weight between two times."""
        return []

    def to_dict(self, weight: float) -> dict[str, Any]:
        """Plain types only. ``weight``: the share, 0 to 1, that the modality had in the fusion."""
        before = self.without_baseline
        return {
            "probabilities": named(self.probabilities),
            "mood": round(self.mood, DECIMALS),
            "reliability": round(float(self.reliability), DECIMALS),
            "weight": round(float(weight), DECIMALS),
            "without_baseline": None
            if before is None
            else {"probabilities": named(before.probabilities), "mood": round(before.mood, DECIMALS)},
            **self.details(),
        }


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a recording that was read by itself.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the recording.
    probabilities : float32 ndarray of shape (7,)
    """

    start: float
    end: float
    probabilities: np.ndarray

    def within(self, start: float, end: float) -> float:
        """Seconds of it that lie between two times; negative where none do."""
        return min(self.end, end) - max(self.start, start)


@dataclass(frozen=True, eq=False)
class TextReading(Reading):
    """What the words say.

    Attributes
    ----------
    words : tuple of (str, float)
        Each word, and how much it added to the probability of the reading's label, -1 to 1.
    windows : tuple of Window
        One for each segment of the transcript; none of a typed text.
    """

    modality = "text"
    words: tuple[tuple[str, float], ...] = ()
    windows: tuple[Window, ...] = field(default=(), repr=False)

    def details(self) -> dict[str, Any]:
        return {"words": [{"word": word, "weight": round(weight, DECIMALS)} for word, weight in self.words]}

    def _weighted(self, start: float, end: float) -> list[tuple[float, np.ndarray]]:
        return [(window.within(start, end), window.probabilities) for window in self.windows]


@dataclass(frozen=True, eq=False)
class SpeechReading(Reading):
    """How it is said.

    Attributes
    ----------
    intensity : str
        "calm", "neutral", "low" or "high".
    pitch_hz : float or None
        Median F0; None when unvoiced.
    energy_db : float
        RMS level, dB of full scale.
    pitch : float32 ndarray of shape (n,)
        F0 in Hz of every ``emotion.sound.HOP`` samples, 0 where unvoiced.
    windows : tuple of Window
        In order of time; they may overlap.
    attention : float32 ndarray of shape (m,)
        How much each segment of ``attention_step`` seconds counted, from the beginning of the recording, summing to 1; empty
        where the model does not say.
    attention_step : float
        Seconds.
    """

    modality = "speech"
    intensity: str
    pitch_hz: float | None
    energy_db: float
    pitch: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)
    windows: tuple[Window, ...] = field(default=(), repr=False)
    attention: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)
    attention_step: float = 0.0

    def details(self) -> dict[str, Any]:
        return {
            "intensity": self.intensity,
            "pitch_hz": None if self.pitch_hz is None else round(self.pitch_hz, 1),
            "energy_db": round(self.energy_db, 1),
            "attention": {"step": round(self.attention_step, 3), "weights": [round(float(w), 5) for w in self.attention]},
        }

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        windows = tuple(replace(window, probabilities=change(window.probabilities)) for window in self.windows)
        return replace(super().changed(change), windows=windows)

    def _weighted(self, start: float, end: float) -> list[tuple[float, np.ndarray]]:
        return [(window.within(start, end), window.probabilities) for window in self.windows]


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """The followed face in one frame.

    Attributes
    ----------
    time : float
        Seconds from the beginning of the video.
    box : tuple of int
        x, y, width and height in pixels.
    probabilities : float32 ndarray of shape (7,)
    weight : float
        Its share in the reading, 0 to 1.
    regions : float32 ndarray of shape (6, 6)
        How much each part of the face spoke for the frame's own label, summing to 1: rows from the top and columns from the
        left of the face held upright. Of shape (0, 0) where the model does not say.
    """

    time: float
    box: tuple[int, int, int, int]
    probabilities: np.ndarray
    weight: float
    regions: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "FaceFrame":
        """With other probabilities. Where its label is another one then, nobody knows which regions speak for it."""
        probabilities = change(self.probabilities)
        same = probabilities.argmax() == self.probabilities.argmax()
        return replace(self, probabilities=probabilities, regions=self.regions if same else np.zeros((0, 0), np.float32))

    def to_dict(self) -> dict[str, Any]:
        return {
            "time": round(self.time, 3),
            "box": list(self.box),
            "probabilities": named(self.probabilities),
            "weight": round(self.weight, DECIMALS),
            "regions": [[round(float(share), 3) for share in row] for row in self.regions],
        }


@dataclass(frozen=True, eq=False)
class FaceReading(Reading):
    """What the most persistent face shows.

    Attributes
    ----------
    faces : int
        How many different faces were seen.
    frames_sampled, frames_with_face : int
        Frames that were searched, and those in which the followed face was found.
    frames : tuple of FaceFrame
        Those that were read, in order of time.
    """

    modality = "face"
    faces: int
    frames_sampled: int
    frames_with_face: int
    frames: tuple[FaceFrame, ...] = field(repr=False)

    def details(self) -> dict[str, Any]:
        return {
            "faces": self.faces,
            "frames_sampled": self.frames_sampled,
            "frames_with_face": self.frames_with_face,
            "frames": [frame.to_dict() for frame in self.frames],
        }

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Self:
        """As of every reading; the whole is again the weighted mean of its frames."""
        frames = tuple(frame.changed(change) for frame in self.frames)
        whole = super().changed(change)
        weights = [frame.weight for frame in frames]
        if any(weights):
            mean = np.average([frame.probabilities for frame in frames], axis=0, weights=weights)
            whole = replace(whole, probabilities=mean.astype(np.float32))
        return replace(whole, frames=frames)

    def _weighted(self, start: float, end: float) -> list[tuple[float, np.ndarray]]:
        return [(frame.weight, frame.probabilities) for frame in self.frames if start <= frame.time < end]


@dataclass(frozen=True, eq=False)
class Fusion:
    """Readings fused into one answer; ``emotion.fusion.fuse`` says how.

    Attributes
    ----------
    mood : float or None
        1 (very low) to 5 (very good); None, as those that follow, without a reading.
    label : str or None
        The most probable of LABELS.
    probabilities : float32 ndarray of shape (7,), or None
    agreement : float or None
        How far the modalities agree, 0 to 1; 1 for a single one.
    mixed : bool
        Whether the modalities disagree strongly about the mood.
    shares : dict from str to float
        How much each modality counted, summing to 1.
    notes : tuple of Message
    """

    mood: float | None
    label: str | None
    probabilities: np.ndarray | None
    agreement: float | None
    mixed: bool
    shares: dict[str, float]
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, eq=False)
class Span:
    """One entry of the timeline.

    Attributes
    ----------
    start, end : float
        Seconds from the beginning of the recording.
    mood : float
        Of the modalities' fusion there, 1 to 5.
    modalities : dict from str to float32 ndarray of shape (7,)
        Probabilities of each modality that has any there.
    """

    start: float
    end: float
    mood: float
    modalities: dict[str, np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        parts = {
            name: {"mood": round(mood(probabilities), DECIMALS), "probabilities": named(probabilities)}
            for name, probabilities in self.modalities.items()
        }
        return {"start": round(self.start, 3), "end": round(self.end, 3), "mood": round(self.mood, DECIMALS), "modalities": parts}


@dataclass(frozen=True, eq=False)
class Analysis:
    """The whole answer.

    Attributes
    ----------
    fusion : Fusion
        The answer of all modalities together; ``mood``, ``label`` and others are taken from it.
    modalities : dict from str to Reading
        Those that could be read.
    duration : float or None
        Seconds; None without sound or video.
    transcript : Transcript or None
    timeline : tuple of Span
        Empty for a picture, a text alone and a short recording.
    notes : tuple of Message
        Why something was left out, or what to be careful about.
    timings_ms : dict from str to float
        Milliseconds of each step.
    models : dict from str to ModelInfo
        By role, those that answered.
    media : Media
        The decoded input. All else is in ``to_dict()``.
    """

    fusion: Fusion
    modalities: dict[str, Reading]
    duration: float | None = None
    transcript: Transcript | None = None
    timeline: tuple[Span, ...] = ()
    notes: tuple[Message, ...] = ()  # other than the fusion's own
    timings_ms: dict[str, float] = field(default_factory=dict)
    models: dict[str, ModelInfo] = field(default_factory=dict)
    media: Media = field(default_factory=Media, repr=False)

    @property
    def mood(self) -> float | None:
        """1 (very low) to 5 (very good), None when no modality could be read."""
        return self.fusion.mood

    @property
    def label(self) -> str | None:
        """The most probable label after fusion."""
        return self.fusion.label

    @property
    def probabilities(self) -> np.ndarray | None:
        """Fused, float32 (7,)."""
        return self.fusion.probabilities

    @property
    def agreement(self) -> float | None:
        """0 to 1, how far the modalities agree; 1 for a single one."""
        return self.fusion.agreement

    @property
    def mixed(self) -> bool:
        """Whether the modalities disagree strongly about the mood."""
        return self.fusion.mixed

    @property
    def codes(self) -> tuple[Message, ...]:
        """All notes, the fusion's too."""
        return self.notes + self.fusion.notes

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences of ``codes``, in English."""
        return tuple(map(str, self.codes))

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON: the format of Python, command line, HTTP and files."""
        return {
            "mood": _rounded(self.mood),
            "label": self.label,
            "probabilities": None if self.probabilities is None else named(self.probabilities),
            "agreement": _rounded(self.agreement),
            "mixed": self.mixed,
            "duration": None if self.duration is None else round(self.duration, 3),
            "modalities": {name: r.to_dict(self.fusion.shares.get(name, 0.0)) for name, r in self.modalities.items()},
            "transcript": None if self.transcript is None else self.transcript.to_dict(),
            "timeline": [span.to_dict() for span in self.timeline] or None,
            "warnings": list(self.warnings),
            "codes": [message.to_dict() for message in self.codes],
            "timings_ms": {name: round(ms, 1) for name, ms in self.timings_ms.items()},
            "models": {name: info.to_dict() for name, info in self.models.items()},
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Analysis":
        """The Analysis that ``to_dict()`` gave, without ``media`` and what else is not in it.

        Raises
        ------
        InputError
            When ``data`` is not in that format.
        """
        try:
            return _parse(data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as e:
            raise InputError("analysis_malformed", error=f"{type(e).__name__}: {e}") from e


def _parse(data: dict[str, Any]) -> Analysis:
    modalities = {name: _reading(name, reading) for name, reading in data["modalities"].items()}
    notes = [Message.from_dict(message) for message in data.get("codes") or ()]
    fusion = Fusion(
        mood=_if_any(_number, data["mood"]),
        label=_if_any(_label, data["label"]),
        probabilities=_if_any(vector, data["probabilities"]),
        agreement=_if_any(_number, data["agreement"]),
        mixed=bool(data["mixed"]),
        shares={name: _number(reading["weight"]) for name, reading in data["modalities"].items()},
        notes=tuple(note for note in notes if note.code in FUSION_CODES),
    )
    spans = (
        Span(
            _number(s["start"]),
            _number(s["end"]),
            _number(s["mood"]),
            {n: vector(m["probabilities"]) for n, m in s["modalities"].items()},
        )
        for s in data.get("timeline") or ()
    )
    return Analysis(
        fusion=fusion,
        modalities=modalities,
        duration=_if_any(_number, data.get("duration")),
        transcript=_if_any(_transcript, data.get("transcript")),
        timeline=tuple(spans),
        notes=tuple(note for note in notes if note.code not in FUSION_CODES),
        timings_ms={name: _number(ms) for name, ms in (data.get("timings_ms") or {}).items()},
        models={name: _model(info) for name, info in (data.get("models") or {}).items()},
    )


def _reading(name: str, data: dict[str, Any]) -> Reading:
    reading, before = _READING_PARSERS[name](data), data.get("without_baseline")
    if not before:
        return reading
    return replace(reading, without_baseline=replace(reading, probabilities=vector(before["probabilities"])))


def _if_any(parse: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else parse(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _said(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _label(value: Any) -> str:
    if value not in LABELS:
        raise ValueError(f"{value!r} is no label")
    return _said(value)


def _transcript(data: dict[str, Any]) -> Transcript:
    segments = (Segment(_number(s["start"]), _number(s["end"]), _said(s["text"])) for s in data["segments"])
    return Transcript(_said(data["text"]), _number(data["confidence"]), _said(data["engine"]), tuple(segments))


def _model(data: dict[str, Any]) -> ModelInfo:
    source, name, revision = (_said(data[key]) for key in ("source", "name", "revision"))
    return ModelInfo(source, name, revision, bool(data.get("calibrated", True)))


def _text_reading(data: dict[str, Any]) -> TextReading:
    return TextReading(
        vector(data["probabilities"]),
        _unit(data),
        tuple((_said(w["word"]), _number(w["weight"])) for w in data.get("words") or ()),
    )


def _speech_reading(data: dict[str, Any]) -> SpeechReading:
    attention = data.get("attention") or {"step": 0.0, "weights": ()}
    return SpeechReading(
        vector(data["probabilities"]),
        _unit(data),
        _said(data["intensity"]),
        _if_any(_number, data["pitch_hz"]),
        _number(data["energy_db"]),
        attention=_shares(attention["weights"], 1),
        attention_step=float(_shares(attention["step"], 0)),
    )


def _face_reading(data: dict[str, Any]) -> FaceReading:
    frames = tuple(
        FaceFrame(
            _number(f["time"]),
            _box(f["box"]),
            vector(f["probabilities"]),
            _number(f["weight"]),
            _shares(f.get("regions") or np.zeros((0, 0)), 2),
        )
        for f in data.get("frames") or ()
    )
    faces, sampled, shown = (int(data[name]) for name in ("faces", "frames_sampled", "frames_with_face"))
    return FaceReading(vector(data["probabilities"]), _unit(data), faces, sampled, shown, frames)


def _box(values: Any) -> tuple[int, int, int, int]:
    x, y, width, height = map(int, values)
    return x, y, width, height


_READING_PARSERS: dict[str, Callable[[dict[str, Any]], Reading]] = {
    "text": _text_reading,
    "speech": _speech_reading,
    "face": _face_reading,
}


def vector(probabilities: dict[str, float]) -> np.ndarray:
    """A mapping from each label to its probability as float32 (7,), brought to the sum 1 that rounding may have missed."""
    values = np.array([float(probabilities[label]) for label in LABELS], np.float32)
    if not (np.isfinite(values).all() and (values >= 0).all() and abs(values.sum() - 1) < 0.01):
        raise ValueError(f"probabilities must be at least 0 and sum to 1, not {probabilities}")
    normalised: np.ndarray = values / values.sum()
    return normalised


def _shares(values: Any, dimensions: int) -> np.ndarray:
    result = np.array(values, np.float32)
    if result.ndim != dimensions or not (np.isfinite(result) & (result >= 0)).all():
        raise ValueError("shares must be numbers of at least 0")
    return result


def _unit(data: dict[str, Any]) -> float:
    reliability = _number(data["reliability"])
    if not 0 <= reliability <= 1:
        raise ValueError(f"reliability must lie between 0 and 1, not {reliability}")
    return reliability


def named(probabilities: np.ndarray) -> dict[str, float]:
    """Probabilities (7,) as a mapping from label."""
    return {label: round(float(p), DECIMALS) for label, p in zip(LABELS, probabilities, strict=True)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DECIMALS)
