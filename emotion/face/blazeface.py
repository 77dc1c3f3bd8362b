"""BlazeFace short-range (Bazarevsky et al. 2019, arXiv:1907.05047), Google's face detector for phones, run by OpenCV.

The network sees 128 x 128 pixels and finds faces of about a fifth of them and more. So the whole picture comes first, and
overlapping tiles only where it shows no face. What either proposes counts when a close-up of the place confirms it: the network,
tiles above all, also sees faces in noise and blobs, and a second look at the right size tells them apart.
"""

import threading
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from emotion.checkpoint import Choice, model_file
from emotion.face.detection import Detection, Place, distinct, square_cut
from emotion.messages import InputError

SIDE = 128  # pixels of the network's input
GRIDS = ((16, 2), (8, 6))  # cells a side, and anchors a cell: 16 * 16 * 2 + 8 * 8 * 6 = 896 anchors
OUTPUTS = ("classificators", "regressors")  # (1, 896, 1) scores and (1, 896, 16) a box and six points, relative to the anchor

# Chosen on faces of FER2013's train part, pasted as by ``emotion.training.detection``: a higher score to confirm misses more of
# them, a lower one sees faces in noise.
PROPOSED = 0.3  # score from which a place is looked at again
CONFIRMED = 0.7  # score in the close-up that makes a face
CERTAIN = 0.8  # score that makes it certain: the median of the faces found
OVERLAP = 0.3  # of two boxes, as a share of what they cover together, above which they are one face
CLOSE_UP = 2.0  # side of the close-up in sides of the face
TILE = 3 / 8  # of the longer side of the picture, half overlapping: 15 tiles of a picture of 4:3
MAX_CANDIDATES = 8  # places of one picture that are looked at again, best first

DARK = 100  # grey levels: where two standard deviations over the mean are darker, the picture is made brighter
MAX_GAIN = 20.0


class BlazeFace:
    """A ``Detector``. Thread-safe; a look at one place takes 2.5 ms of a core."""

    def __init__(self, choice: Choice):
        self.info = choice.info
        self._lock = threading.Lock()  # a network of OpenCV holds its input
        try:
            self._network = cv2.dnn.readNetFromTFLite(str(model_file(choice, ".tflite")))
            self._scored(np.zeros((SIDE, SIDE, 3), np.uint8))
        except (cv2.error, ValueError) as e:
            raise InputError("model_of_another_kind", model=choice.name, kind="BlazeFace", reason=e) from e

    def detect(self, image: np.ndarray, thorough: bool = True) -> list[Detection]:
        height, width = image.shape[:2]
        found = self._confirmed(image, [(width / 2, height / 2, max(width, height))])
        if found or not thorough:
            return found
        return self._confirmed(image, list(_tiles(width, height)))

    def look(self, image: np.ndarray, place: Place) -> Detection | None:
        seen = self._seen(image, place.x, place.y, place.side * CLOSE_UP, CONFIRMED)
        near = [detection for detection in seen if detection.place.is_near(place)]
        return max(near, key=lambda detection: detection.confidence, default=None)

    def _confirmed(self, image: np.ndarray, squares: Sequence[tuple[float, float, float]]) -> list[Detection]:
        """The faces in squares (centre x, y and side) of the image, each confirmed by a close-up."""
        proposed = distinct(candidate for square in squares for candidate in self._seen(image, *square, PROPOSED))
        closer = (self.look(image, candidate.place) for candidate in proposed[:MAX_CANDIDATES])
        return distinct(detection for detection in closer if detection is not None)

    def _seen(self, image: np.ndarray, x: float, y: float, side: float, least: float) -> list[Detection]:
        """What the network sees in a square of the image, from the score ``least`` on."""
        cut, left, top = square_cut(image, x, y, side)
        corner, scale = np.array([left, top], np.float32), np.float32(cut.shape[0])
        return [
            Detection(corner + scale * points, min(1.0, score / CERTAIN)) for score, points in _faces(*self._scored(cut), least)
        ]

    def _scored(self, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores (896,) and, in units of the square's side, box and points (896, 16) of the anchors of an RGB square."""
        small = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA if len(square) > SIDE else cv2.INTER_LINEAR)
        mean, deviation = cv2.meanStdDev(small)
        gain = np.clip(DARK / max(1.0, float((mean + 2 * deviation).max())), 1.0, MAX_GAIN)
        blob = cv2.dnn.blobFromImage(cv2.convertScaleAbs(small, alpha=gain), 1 / 127.5, mean=(127.5,) * 3)  # to [-1, 1]
        with self._lock:
            self._network.setInput(blob)
            scores, shapes = (output.copy() for output in self._network.forward(OUTPUTS))
        return 1 / (1 + np.exp(-np.clip(scores[0, :, 0], -50, 50))), shapes[0] / SIDE


def _anchors() -> np.ndarray:
    """Their centres (896, 2) in units of the input's side."""
    centres = []
    for cells, each in GRIDS:
        row, column = np.mgrid[:cells, :cells]
        centres.append(np.repeat((np.stack([column, row], axis=-1).reshape(-1, 2) + 0.5) / cells, each, axis=0))
    return np.concatenate(centres).astype(np.float32)


ANCHORS = _anchors()


def _faces(scores: np.ndarray, shapes: np.ndarray, least: float) -> Iterator[tuple[float, np.ndarray]]:
    """Score and landmarks (4, 2) of each face: of boxes that overlap the mean, weighted by their scores, as the authors do."""
    rows = np.flatnonzero(scores > least)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    centres, sizes = ANCHORS[rows] + shapes[rows, :2], shapes[rows, 2:4]
    points = ANCHORS[rows, None] + shapes[rows, 4:12].reshape(-1, 4, 2)  # eyes, nose, mouth; then the ears
    low, high, scores = centres - sizes / 2, centres + sizes / 2, scores[rows]
    left = np.arange(len(rows))
    while len(left):
        shared = np.clip(np.minimum(high[left[0]], high[left]) - np.maximum(low[left[0]], low[left]), 0, None).prod(axis=1)
        areas = sizes[left].prod(axis=1)
        same = shared > OVERLAP * (areas[0] + areas - shared)
        same[0] = True
        yield float(scores[left[0]]), np.average(points[left[same]], axis=0, weights=scores[left[same]])
        left = left[~same]


def _tiles(width: int, height: int) -> Iterator[tuple[float, float, float]]:
    """Centres and side of squares that cover a picture, each sharing at least half of itself with the next."""
    side = TILE * max(width, height)
    for y in _centres(height, side):
        for x in _centres(width, side):
            yield x, y, side


def _centres(length: int, side: float) -> np.ndarray:
    if length <= side:
        return np.array([length / 2])
    return np.linspace(side / 2, length - side / 2, 1 + int(np.ceil((length - side) / (side / 2))))
