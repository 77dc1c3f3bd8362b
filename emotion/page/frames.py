"""The frames in which a face was read, with its box drawn in."""

import base64
from dataclasses import dataclass

import cv2
import numpy as np

from emotion.figures import ATTENTION, COLOURS
from emotion.labels import LABELS
from emotion.readings import Analysis, FaceFrame, FaceReading

MAX_SHOWN = 8
TINT = 0.6  # how much of the picture is covered where the face spoke most for the label
SIDE = 480  # pixels, longer side: about 25 kB as JPEG, 200 kB for all
QUALITY = 80


@dataclass(frozen=True)
class View:
    """A picture to show: ``jpeg`` in base64, the most probable ``label`` and its ``probability``, ``time`` in seconds.

    ``weight`` is its share in the reading. It is ``tinted`` where the face counted.
    """

    jpeg: str
    label: str
    probability: float
    time: float
    weight: float
    tinted: bool


def views(analysis: Analysis, most: int = MAX_SHOWN, side: int = SIDE) -> list[View]:
    """At most ``most`` frames with a face, evenly over time, their longer side ``side`` pixels or less; none without a face."""
    face = analysis.modalities.get("face")
    if not isinstance(face, FaceReading):
        return []
    images = {frame.time: frame.image for frame in analysis.media.frames}
    seen = [frame for frame in face.frames if frame.time in images]
    chosen = np.unique(np.linspace(0, len(seen) - 1, min(most, len(seen))).round().astype(int))
    return [_view(images[seen[i].time], seen[i], side) for i in chosen]


def annotated(image: np.ndarray, frame: FaceFrame) -> np.ndarray:
    """``image``, uint8 RGB, at most SIDE long, with the face's box in its label's colour.

    Within the box the colour of attention lies over what spoke for the label.
    """
    shrink = min(1.0, SIDE / max(image.shape[:2]))
    drawn = _shrunk(image, SIDE)
    x, y, width, height = (round(value * shrink) for value in frame.box)
    _tint(drawn[max(y, 0) : y + height, max(x, 0) : x + width], frame.regions)
    cv2.rectangle(drawn, (x, y), (x + width, y + height), _rgb(COLOURS[_label(frame)]), 3)
    return drawn


def _tint(face: np.ndarray, regions: np.ndarray) -> None:
    """Colour a part of a picture in place, by how much each region counted."""
    if not regions.any() or not face.size:
        return
    share = cv2.resize(regions / regions.max(), face.shape[1::-1], interpolation=cv2.INTER_LINEAR)[:, :, None] * TINT
    face[:] = (face * (1 - share) + np.array(_rgb(ATTENTION)) * share).astype(np.uint8)


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """A copy whose longer side is at most ``side`` pixels."""
    shrink = side / max(image.shape[:2])
    return cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else image.copy()


def _view(image: np.ndarray, frame: FaceFrame, side: int) -> View:
    pixels = cv2.cvtColor(_shrunk(annotated(image, frame), side), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    encoded = base64.b64encode(jpeg.tobytes()).decode("ascii")
    return View(encoded, _label(frame), float(frame.probabilities.max()), frame.time, frame.weight, bool(frame.regions.any()))


def _label(frame: FaceFrame) -> str:
    return LABELS[int(np.argmax(frame.probabilities))]


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
