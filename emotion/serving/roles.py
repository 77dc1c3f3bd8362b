"""What the model of each role does, whatever it is and wherever it runs. All of them are thread-safe."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from emotion.face.detection import Detector
from emotion.face.tracking import Sighting
from emotion.readings import FaceReading, Frame, ModelInfo, Segment, SpeechReading, TextReading, Transcript


class TextModel(Protocol):
    """Reads what is said; ``emotion.text.reader`` says how."""

    info: ModelInfo

    def predict(self, items: Sequence[str], /) -> np.ndarray: ...

    def known(self, text: str) -> float: ...

    def read(
        self, text: str, confidence: float = 1.0, segments: Sequence[Segment] = (), explained: bool = True
    ) -> TextReading | None: ...


class SpeechModel(Protocol):
    """Reads how something is said; ``emotion.speech.reader`` says how."""

    info: ModelInfo

    def predict(self, items: Sequence[np.ndarray], /) -> np.ndarray: ...

    def read(self, samples: np.ndarray) -> SpeechReading | None: ...


class FaceModel(Protocol):
    """Reads faces that a ``Detector`` finds; ``emotion.face.reader`` says how."""

    info: ModelInfo

    def predict(self, items: Sequence[np.ndarray], /) -> np.ndarray: ...

    def look(self, frame: Frame, sighting: Sighting) -> np.ndarray: ...

    def read(self, frames: Sequence[Frame], detector: Detector) -> FaceReading | None: ...


class Transcriber(Protocol):
    """Writes down what is said, in a worker process. ``name`` is that of ``Transcript.engine``."""

    name: str

    def draft(self, samples: np.ndarray, language: str) -> Transcript: ...

    def checked(self, samples: np.ndarray, heard: Transcript) -> Transcript: ...

    def warm(self) -> None: ...
