"""What a face detector tells of a face, and the square that its eyes and mouth put it in."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

Box = tuple[int, int, int, int]  # x, y, width, height in pixels

# FER2013's framing, which the face network was trained on: medians over 600 faces of its train part, of BlazeFace and YuNet.
EYES = 0.39  # the longer of the way from eye to eye and that from the eyes down to the mouth, in sides of FER2013's pictures
MIDDLE = 0.3  # of the way from the eyes down to the mouth is the middle of these pictures
LEANING = 10  # degrees between the eyes from which a face is turned upright: the network was trained on up to 15

NEAR, RATIO = 0.8, 1.6  # two squares are one face when centres are within 0.8 sides and the sides within a factor of 1.6


@dataclass(frozen=True)
class Place:
    """A square in a picture: its centre, and its side, in pixels."""

    x: float
    y: float
    side: float

    def box(self, shape: tuple[int, ...]) -> Box:
        """The square, moved into an image of ``shape`` and made smaller only where it cannot fit."""
        height, width = shape[:2]
        side = max(1, min(round(self.side), width, height))
        x = min(max(0, round(self.x - side / 2)), width - side)
        y = min(max(0, round(self.y - side / 2)), height - side)
        return x, y, side, side

    def is_inside(self, shape: tuple[int, ...]) -> bool:
        """Whether an image of ``shape`` shows at least three quarters of the square in either direction."""
        margin = self.side / 4
        return margin <= self.x <= shape[1] - margin and margin <= self.y <= shape[0] - margin

    def is_near(self, other: "Place") -> bool:
        """Whether both can be one face, a moment apart."""
        small, large = sorted((self.side, other.side))
        return bool(np.hypot(self.x - other.x, self.y - other.y) < NEAR * small and large < RATIO * small)

    def overlaps(self, other: "Place") -> bool:
        """Whether the centre of one lies in the other: two faces of one picture never do that, a face and a part of it do."""
        return max(abs(self.x - other.x), abs(self.y - other.y)) < max(self.side, other.side) / 2


@dataclass(frozen=True, eq=False)
class Detection:
    """A face in a picture, as a ``Detector`` gives it.

    ``landmarks`` float32 (n, 2), x and y in pixels: the eye on the left of the picture, that on its right, the tip of the nose,
    and of the mouth its corners, left and right, or its middle alone. ``confidence``, 0 to 1: how sure the detector is.
    """

    landmarks: np.ndarray
    confidence: float

    @cached_property
    def place(self) -> Place:
        """The square that FER2013's pictures would show."""
        left, right = self.landmarks[:2].astype(float)
        eyes, mouth = (left + right) / 2, self.landmarks[3:].mean(axis=0)
        # The longer of the two: from the side the eyes draw together, from above or below they draw near the mouth.
        side = max(np.hypot(*(right - left)), np.hypot(*(mouth - eyes))) / EYES
        x, y = eyes + MIDDLE * (mouth - eyes)
        return Place(float(x), float(y), float(side))

    @property
    def tilt(self) -> int:
        """Degrees by which the picture has to be turned anticlockwise for the face to stand upright; 0 where it leans little."""
        across = self.landmarks[1] - self.landmarks[0]
        degrees = round(float(np.degrees(np.arctan2(across[1], across[0]))))
        return degrees if abs(degrees) >= LEANING else 0

    def moved(self, x: float, y: float) -> "Detection":
        """The same face in a picture in which this one has its corner at ``x`` and ``y``."""
        return Detection(self.landmarks + np.array([x, y], np.float32), self.confidence)


class Detector(Protocol):
    """Finds faces. Thread-safe. Pictures are uint8 RGB (h, w, 3) of any size."""

    def detect(self, image: np.ndarray, thorough: bool = True) -> list[Detection]:
        """The faces in a picture, each once. Not ``thorough``: at once, where that misses small faces."""

    def look(self, image: np.ndarray, place: Place) -> Detection | None:
        """The face at a place where one was a moment ago, and of about its size."""


def distinct(detections: Iterable[Detection]) -> list[Detection]:
    """One detection a face: the surest of those that overlap, the surest first."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: (-d.confidence, -d.place.side)):
        if not any(detection.place.overlaps(other.place) for other in kept):
            kept.append(detection)
    return kept


def square_cut(image: np.ndarray, x: float, y: float, side: float) -> tuple[np.ndarray, int, int]:
    """A square of the image around a centre, black where it lies outside, and where its corner is in the image."""
    size = max(1, round(side))
    left, top = round(x - size / 2), round(y - size / 2)
    inside = image[max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)]
    if inside.shape[:2] == (size, size):
        return inside, left, top
    cut = np.zeros((size, size, 3), np.uint8)
    above, before = max(0, -top), max(0, -left)
    cut[above : above + inside.shape[0], before : before + inside.shape[1]] = inside
    return cut, left, top


def shrunk(image: np.ndarray, scale: float) -> np.ndarray:
    """The image made smaller by averaging; as it is where ``scale`` is 1 or more."""
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    return cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
