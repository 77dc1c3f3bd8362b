"""What every recogniser does, whatever model is inside it: from a model's scores to a Reading.

A recogniser of text, voice or face is one of the three classes here plus a model. ``load_recogniser`` finds the class that an entry of
weights.yaml asks for; none is imported before.
"""

import importlib
import re
import threading
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emotion.face.detection import Detector
from emotion.face.tracking import Sighting, follow
from emotion.fusion import calibrate
from emotion.labels import LABELS
from emotion.media import SAMPLE_RATE
from emotion.readings import FaceFrame, FaceReading, Frame, InputError, Segment, SpeechReading, TextReading, Window
from emotion.serving.weights import Choice
from emotion.speech import prosody
from emotion.speech.prosody import HOP

PIECES = 1.5  # to a word, at most, in a text that counts fully: English has 1.0 to 1.3, German 2, random letters 4
VOICED_SECONDS, VOICED_SHARE = 0.6, 0.3  # from which a reading counts fully: a short sentence said plainly
NOTHING = np.zeros(0, np.float32)
NOWHERE = np.zeros((0, 0), np.float32)

# (role, loader) to the class, by its module.
LOADERS = {
    ("text", "emotion"): ("emotion.text.recogniser", "TextRecogniser"),
    ("speech", "emotion"): ("emotion.speech.recogniser", "SpeechRecogniser"),
    ("face", "emotion"): ("emotion.face.recogniser", "FaceRecogniser"),
    ("text", "transformers"): ("emotion.serving.pretrained", "PretrainedText"),
    ("speech", "transformers"): ("emotion.serving.pretrained", "PretrainedSpeech"),
    ("face", "transformers"): ("emotion.serving.pretrained", "PretrainedFace"),
    ("face", "onnx"): ("emotion.serving.onnx", "OnnxFace"),
    ("detector", "yunet"): ("emotion.serving.onnx", "YuNet"),
    ("detector", "blazeface"): ("emotion.face.blazeface", "BlazeFace"),
    ("text", "inference"): ("emotion.serving.remote", "RemoteText"),
    ("speech", "inference"): ("emotion.serving.remote", "RemoteSpeech"),
    ("face", "inference"): ("emotion.serving.remote", "RemoteFace"),
}

_loading = threading.Lock()  # transformers imports its parts when they are asked for, which two threads must not do at once


def load_recogniser(role: str, choice: Choice) -> Any:
    """The recogniser, or for the role "detector" the face detector, that ``choice`` describes; takes seconds.

    Raises InputError, with the reason, for a model that cannot serve.
    """
    loader = choice.loader or "emotion"
    if (role, loader) not in LOADERS:
        known = ", ".join(name for of, name in LOADERS if of == role)
        raise InputError(f"{choice.name}: there is no loader {loader!r} for {role}; there are: {known}.")
    module, name = LOADERS[role, loader]
    with _loading:
        return getattr(importlib.import_module(module), name)(choice)


class Recogniser(ABC):
    """A loaded model. Thread-safe: nothing changes after loading."""

    def __init__(self, choice: Choice):
        self.info, self.temperature = choice.info, choice.temperature or 1.0

    @abstractmethod
    def logits(self, items: Sequence[Any]) -> np.ndarray:
        """Scores (n, 7), the logarithms of what is to be probabilities; minus infinity for a label that the model does not know."""

    def predict(self, items: Sequence[Any]) -> np.ndarray:
        """Calibrated probabilities, float32 (n, 7).

        Texts of any length, one without words getting the model's guess at nothing; or recordings, float32 in [-1, 1], mono, 16 kHz,
        any length; or faces cut out of their pictures, uint8 RGB (h, w, 3) or grey (h, w).
        """
        if not len(items):
            return np.zeros((0, len(LABELS)), np.float32)
        return self.calibrated(self.logits(items))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of logits (..., 7), float32."""
        return calibrate(logits, self.temperature)


class TextReader(Recogniser):
    """Reads texts."""

    by_segment = True  # whether the segments of a transcript are read one by one too

    def known(self, text: str) -> float:
        """Share of a text, 0 to 1, whose words the model knows."""
        return 1.0

    def words(self, text: str, label: int) -> tuple[tuple[str, float], ...]:
        """How much each word adds to the probability of a label, -1 to 1; empty where it cannot be told."""
        return ()

    def read(
        self, text: str, confidence: float = 1.0, segments: Sequence[Segment] = (), explained: bool = True
    ) -> TextReading | None:
        """The Reading of a text, or None when it holds no word. ``confidence``: expected word accuracy of a transcript. ``explained``:
        whether it is told how the words count, which takes ten times as long as the rest.

        The reliability is the confidence, times the share of word pieces that the model knows, less where words fall into many pieces:
        half as much for another language, a sixth for random letters.
        """
        if not has_words(text):
            return None
        said = [segment for segment in segments if has_words(segment.text)]
        whole, *parts = self.predict([text, *(segment.text for segment in said if self.by_segment)])
        if self.by_segment:
            windows = tuple(Window(s.start, s.end, part) for s, part in zip(said, parts, strict=True))
        else:
            windows = (Window(said[0].start, said[-1].end, whole),) if said else ()
        words = self.words(text, int(whole.argmax())) if explained else ()
        return TextReading(whole, confidence * self.known(text), words, windows)


def has_words(text: str) -> bool:
    return re.search(r"\w", unicodedata.normalize("NFKC", text)) is not None


def known_share(pieces: Sequence[str], unknown: str | None, text: str) -> float:
    """How far a tokenizer knows the words of a text, 0 to 1, by the ``pieces`` that it cut it into, without marks of begin and end.

    The share of pieces other than ``unknown``, less where words fall into more than PIECES of them.
    """
    spelt = sum(has_words(piece.strip("Ġ▁")) for piece in pieces)  # what stands for a space is no letter
    words = len(re.findall(r"\w+", text))
    if not spelt:
        return 0.0
    return (1.0 - pieces.count(unknown) / len(pieces)) * min(1.0, PIECES * words / spelt) ** 2


@dataclass(frozen=True, eq=False)
class Heard:
    """What a model makes of the windows of a recording.

    ``logits`` (w, 7); ``attention``: how much each stretch of ``step`` frames of the recording counted, summing to 1, if that is known.
    """

    logits: np.ndarray
    attention: np.ndarray = field(default_factory=lambda: NOTHING)
    step: int = 0


class SpeechReader(Recogniser):
    """Reads voices in windows of ``window`` frames of prosody, one every ``step`` of them; at most ``max_windows``, spread evenly."""

    window: int
    step: int
    max_windows: int | None = None

    @abstractmethod
    def hear(self, samples: np.ndarray, voice: prosody.Prosody, starts: Sequence[int], length: int) -> Heard:
        """Reads the windows that begin ``starts`` frames after the first of ``prosody.voiced_span`` and are ``length`` frames long."""

    def logits(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([self._heard(samples, prosody.measure(samples))[1].logits.mean(axis=0) for samples in recordings])

    def read(self, samples: np.ndarray) -> SpeechReading | None:
        """The Reading of float32 samples (n,), mono, 16 kHz, or None when too little in them is voiced to be a voice.

        The reliability grows with the voiced sound, up to VOICED_SECONDS of it in a recording of which VOICED_SHARE is voiced.
        """
        voice = prosody.measure(samples)
        if not prosody.is_voice(voice):
            return None
        starts, heard = self._heard(samples, voice)
        offset = prosody.voiced_span(voice)[0]
        seconds = HOP / SAMPLE_RATE
        ends = [min(start + self.window, len(voice.f0) - offset) for start in starts]
        windows = tuple(
            Window((offset + start) * seconds, (offset + end) * seconds, p)
            for start, end, p in zip(starts, ends, self.calibrated(heard.logits), strict=True)
        )
        return SpeechReading(
            self.calibrated(heard.logits.mean(axis=0)),
            voice_reliability(voice),
            intensity=voice.intensity,
            pitch_hz=voice.pitch_hz,
            energy_db=voice.energy_db,
            pitch=voice.f0,
            windows=windows,
            attention=heard.attention,
            attention_step=heard.step * seconds,
        )

    def _heard(self, samples: np.ndarray, voice: prosody.Prosody) -> tuple[list[int], Heard]:
        """First frames of the windows over the voice, the last one ending where the voice ends, and what is heard in them."""
        first, end = prosody.voiced_span(voice)
        frames = end - first + 1
        last = max(0, frames - self.window)
        starts = sorted({*range(0, last, self.step), last})
        if self.max_windows is not None and len(starts) > self.max_windows:
            starts = np.linspace(0, last, self.max_windows).astype(int).tolist()
        return starts, self.hear(samples, voice, starts, min(self.window, frames))


def voice_reliability(voice: prosody.Prosody) -> float:
    """0 to 1, growing with the voiced sound."""
    return min(1.0, voice.voiced_seconds / VOICED_SECONDS) * min(1.0, voice.voiced_share / VOICED_SHARE)


class FaceReader(Recogniser):
    """Reads faces, in at most ``max_frames`` frames of a video: those that show it most clearly."""

    max_frames: int | None = None

    def see(self, frames: Sequence[Frame], sightings: Sequence[Sighting]) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        """Logits (n, 7) of the sightings, and where in each face they come from: (6, 6) shares, or NOWHERE where that is not known."""
        return self.logits([sighting.crop for sighting in sightings]), [NOWHERE] * len(sightings)

    def look(self, frame: Frame, sighting: Sighting) -> np.ndarray:
        """Calibrated probabilities (7,) of one sighting, as ``read`` has them; ``frame`` is the one that it is in."""
        return self.calibrated(self.see([frame], [replace(sighting, index=0)])[0])[0]

    def read(self, frames: Sequence[Frame], detector: Detector) -> FaceReading | None:
        """The Reading of the most persistent face in sampled frames (one for a picture), or None when there is none.

        Frames count by how clearly they show the face; the reliability is the share of sampled frames that show it clearly.
        """
        track = follow(frames, detector)
        if not track.sightings:
            return None
        clearest = sorted(track.sightings, key=lambda sighting: -sighting.weight)[: self.max_frames]
        shown = sorted(clearest, key=lambda sighting: sighting.index)
        logits, regions = self.see(frames, shown)
        probabilities = self.calibrated(logits)
        weight = np.array([sighting.weight for sighting in shown])
        share = weight / weight.sum() if weight.any() else np.full(len(weight), 1 / len(weight))
        return FaceReading(
            (share @ probabilities).astype(np.float32),
            min(1.0, track.clearness),
            track.faces,
            track.frames_sampled,
            len(track.sightings),
            tuple(
                FaceFrame(sighting.time, sighting.box, p, float(s), parts)
                for sighting, p, s, parts in zip(shown, probabilities, share, regions, strict=True)
            ),
        )


def coloured(crop: np.ndarray) -> np.ndarray:
    """A face as uint8 RGB (h, w, 3), which may be grey (h, w)."""
    return crop if crop.ndim == 3 else np.repeat(crop[:, :, None], 3, axis=2)
