"""Faces in a picture or a video: where they are, which one stays, and how clearly it shows in each frame.

A frame is searched with the boosted cascade of Viola & Jones ("Rapid object detection using a boosted cascade of simple
features", CVPR 2001; "extended" features of Lienhart & Maydt, 2002) as OpenCV ships it: the detector whose boxes FER2013, the
training data of the face network, was cut by. The cascade ``alt2`` proposes and ``alt``, trained apart from it, has to agree on
a close-up: what fools one rarely fools both. Of 110 faces of FER2013 pasted into photographs the pair finds 65 %, and it sees
faces in 3 of 76 pictures of texture, noise and things (coins with heads, mostly); ``alt2`` alone, tuned to be wrong in 4 of
them, finds 58 %. ``alt2`` in turn is ahead of ``default``. Equalising the histogram helps in the dark and costs faces elsewhere,
so it is the second try.

Where a ``Detector`` is given, it looks at every frame in the cascades' place, and tells where the eyes are, too.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

from emotion.readings import Frame

Box = tuple[int, int, int, int]  # x, y, width, height in pixels

WORK_SIDE = 320  # pixels of the longer side of the copy that is searched; 640x480 becomes 320x240: 18 ms on a free core
CAREFUL_SIDE = 480  # and of the copy for the careful search
SMALLEST = 20  # pixels there, the window of the cascades: a face of 1/16, or 1/24, of the longer side is still found
SEARCH_STEP = 1.15  # ratio of one face size to the next in the search; the close-up is finer
CLOSE_STEP = 1.1
CLOSE_FACE = 40  # pixels of a face in the close-up, two windows
AGREE = 5  # overlapping hits in the close-up that make a face; more in a careful search, which has more chances to be wrong,
AGREE_CAREFUL = 6
AGREE_NEAR = 3  # and fewer where there was a face just before
SURE = 10  # hits that make it certain; three quarters of the faces found reach them
TILT = 20  # degrees: the cascades bear 10 to 15, so three views cover heads tilted by up to 30

EVERY = 3  # search every third sampled frame: at 5 frames a second a new face is seen within 0.6 s
CAREFUL_FRAMES = 4  # frames of a video without any face that are searched again, equalised and tilted
REACH = 2.2  # the close-up that follows a face, in sides of its last box: it may move 0.6 sides between frames
RECENT = 10  # frames over which faces that come one at a time are compared: two seconds
CAREFUL_EVERY = 10  # of those without any face, one in so many is searched carefully
PATIENCE = 4  # frames (0.8 s) for which a face that the cascade misses is looked for, by its picture too
NEAR, RATIO = 0.8, 1.6  # two boxes are one face when centres are within 0.8 sides and the sides within a factor of 1.6
ALIKE = 0.8  # correlation with the face's last picture below which it is not the face

TINY, LARGE = 24, 80  # pixels of a box: weight 0 up to the one, full weight from the other; the network sees 48
SHARP = 0.15  # relative variance of the Laplacian at which a face counts as sharp; 19 in 20 faces of FER2013 exceed 0.4
NOISE = 64.0  # grey levels squared, added to the variance: in the dark, noise would pass for sharpness
CUT = 0.93  # side of FER2013's crops in sides of the close-up's boxes: 1 / 1.076, the median over 82 of its faces
EYES = 0.41  # from eye to eye, and from the eyes down to the mouth, in sides of FER2013's crops, by its mean face
MIDDLE = 0.33  # of the way from the eyes down to the mouth is the middle of these crops
LEANING = 10  # degrees between the eyes from which a face is turned upright: what the cascades and the network bear
CERTAIN = 0.9  # score of a detector that makes it certain


@dataclass(frozen=True, eq=False)
class Detection:
    """A face in a picture, as a ``Detector`` gives it.

    ``landmarks`` float32 (5, 2), x and y in pixels: the eye on the left of the picture, that on its right, the tip of the nose, the
    corner of the mouth on the left, that on the right. ``score``, 0 to 1: how sure it is.
    """

    landmarks: np.ndarray
    score: float


class Detector(Protocol):
    def detect(self, image: np.ndarray) -> list[Detection]:
        """The faces in a picture, uint8 RGB (h, w, 3) of any size. Thread-safe."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """The followed face in one frame.

    ``index`` and ``time`` (seconds) of the frame; ``box`` is square and inside the frame; ``crop``, uint8 RGB (side, side, 3), is
    what the box holds, turned upright where the head is tilted; ``weight``, 0 to 1, is how much the frame should count: the
    product of size, sharpness and how sure the detector is. ``landmarks`` as of a ``Detection``, in pixels of the frame; None where
    no detector told them.
    """

    index: int
    time: float
    box: Box
    crop: np.ndarray = field(repr=False)
    weight: float
    landmarks: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class FaceTrack:
    """The face that was followed, ``sightings`` in order of time, empty when there is none; ``faces``: how many were seen."""

    faces: int
    frames_sampled: int
    sightings: tuple[Sighting, ...] = ()

    @property
    def clearness(self) -> float:
        """Share of the sampled frames, 0 to 1, that show the face clearly: the sum of the weights over the number of frames."""
        return sum(sighting.weight for sighting in self.sightings) / max(1, self.frames_sampled)


def find_faces(image: np.ndarray) -> list[Box]:
    """Upright and tilted frontal faces in a picture, largest first.

    Parameters: ``image`` uint8 RGB (h, w, 3). Returns square boxes in its pixels, inside it. Thread-safe.
    """
    hits = _search(image) or _search(image, careful=True)
    return [hit.box(image.shape) for hit in sorted(hits, key=lambda hit: -hit.side)]


def follow(frames: Sequence[Frame], detector: Detector | None = None) -> FaceTrack:
    """The face that matters in frames of a video, in order of time; a picture is a video of one frame.

    Frames are searched now and then, with a ``detector`` all of them; in between, and where a search misses, each face is looked for
    around its last place. Two sightings by the cascade or the detector make a face (one in a single frame). The one with the largest
    sum of side times weight is followed: it is the most persistent, the largest and the clearest. A face that leaves and comes back
    elsewhere counts twice.

    Parameters: ``frames`` about 5 a second; sides of any size, all frames alike. Thread-safe.
    """
    if detector is not None:
        tracks = _tracks(frames, {i: _detected(frame.image, detector) for i, frame in enumerate(frames)}, by_cascade=False)
    else:
        tracks = _searched(frames)
    if not tracks:
        return FaceTrack(0, len(frames))
    chosen = max((_sightings(frames, track) for track in tracks), key=_importance)
    return FaceTrack(len(tracks), len(frames), chosen)


class Follower:
    """``follow`` for frames that come one at a time and never end, as from a camera: what it keeps does not grow. Not thread-safe."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._count = 0

    def see(self, frame: Frame, detector: Detector | None = None) -> Sighting | None:
        """The face that matters in the next frame, None where it shows none that was detected before."""
        index, self._count = self._count, self._count + 1
        _advance(self._tracks, index, frame.image, self._fresh(index, frame.image, detector), by_cascade=detector is None)
        self._tracks = [track for track in self._tracks if index - track.last_seen <= PATIENCE]
        for track in self._tracks:
            track.hits = {i: hit for i, hit in track.hits.items() if index - i < RECENT}
        shown = [track for track in self._tracks if index in track.hits and track.seen >= 2]
        if not shown:
            return None
        chosen = max(shown, key=lambda track: sum(hit.side for hit in track.hits.values()))
        return _sighting(frame, index, chosen.hits[index])

    def _fresh(self, index: int, image: np.ndarray, detector: Detector | None) -> list["_Hit"]:
        if detector is not None:
            return _detected(image, detector)
        if self._tracks:
            return _search(image) if index % EVERY == 0 else []
        return _search(image, careful=index % CAREFUL_EVERY == CAREFUL_EVERY - 1)


# -- one frame ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Hit:
    """A square found in a frame: centre and side in pixels, ``tilt`` in degrees that turns it upright, ``confidence`` 0 to 1."""

    x: float
    y: float
    side: float
    tilt: int = 0
    confidence: float = 0.0
    detected: bool = True  # by the cascade or a detector, not by its likeness to an earlier picture
    landmarks: np.ndarray | None = field(default=None, compare=False)

    def box(self, shape: tuple[int, ...]) -> Box:
        """The square, moved into an image of ``shape`` and made smaller only where it cannot fit."""
        height, width = shape[:2]
        side = max(1, min(round(self.side * CUT), width, height))
        x = min(max(0, round(self.x - side / 2)), width - side)
        y = min(max(0, round(self.y - side / 2)), height - side)
        return x, y, side, side

    def is_inside(self, shape: tuple[int, ...]) -> bool:
        """Whether an image of ``shape`` shows at least three quarters of the square in either direction."""
        margin = self.side / 4
        return margin <= self.x <= shape[1] - margin and margin <= self.y <= shape[0] - margin

    def is_near(self, other: "_Hit") -> bool:
        small, large = sorted((self.side, other.side))
        return np.hypot(self.x - other.x, self.y - other.y) < NEAR * small and large < RATIO * small


class _Cascades(threading.local):
    """The two detectors, one pair a thread, as a ``CascadeClassifier`` keeps state while it runs. Loaded at first use."""

    @cached_property
    def proposer(self) -> cv2.CascadeClassifier:
        return cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")

    @cached_property
    def confirmer(self) -> cv2.CascadeClassifier:
        return cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt.xml")


_cascades = _Cascades()


def _search(image: np.ndarray, careful: bool = False) -> list[_Hit]:
    """Faces anywhere in the image, each once; ``careful`` takes five times as long and sees into the dark and tilted heads."""
    scale = min(1.0, (CAREFUL_SIDE if careful else WORK_SIDE) / max(image.shape[:2]))
    grey = cv2.cvtColor(shrunk(image, scale), cv2.COLOR_RGB2GRAY)
    centre_x, centre_y = grey.shape[1] / 2, grey.shape[0] / 2
    found: list[_Hit] = []
    for tilt in (0, -TILT, TILT) if careful else (0,):
        view = cv2.equalizeHist(grey) if careful else grey
        if tilt:
            turn = cv2.getRotationMatrix2D((centre_x, centre_y), tilt, 1.0)
            view = cv2.warpAffine(view, turn, view.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        boxes, _ = _cascades.proposer.detectMultiScale2(view, SEARCH_STEP, 1, minSize=(SMALLEST, SMALLEST))
        for x, y, side, _ in boxes:
            dx, dy = _turned_back(x + side / 2 - centre_x, y + side / 2 - centre_y, tilt)
            proposal = _Hit((centre_x + dx) / scale, (centre_y + dy) / scale, side / scale, tilt)
            hit = _look(image, proposal, reach=1.6, tilts=(tilt,), agree=AGREE_CAREFUL if careful else AGREE)
            if hit is not None:
                found.append(hit)
    return _distinct(found)


def _detected(image: np.ndarray, detector: Detector) -> list[_Hit]:
    """What a detector sees in the image, in squares as the cascades would give them: each face as large as its features say."""
    hits = []
    for found in detector.detect(image):
        left, right = found.landmarks[:2].astype(float)
        eyes, mouth = (left + right) / 2, found.landmarks[3:].mean(axis=0)
        # The longer of the two: from the side the eyes draw together, from above or below they draw near the mouth.
        side = max(np.hypot(*(right - left)), np.hypot(*(mouth - eyes))) / EYES / CUT
        x, y = eyes + MIDDLE * (mouth - eyes)
        tilt = round(np.degrees(np.arctan2(*(right - left)[::-1])))
        tilt = tilt if abs(tilt) >= LEANING else 0
        hits.append(_Hit(float(x), float(y), float(side), tilt, min(1.0, found.score / CERTAIN), landmarks=found.landmarks))
    return _distinct([hit for hit in hits if hit.side >= 1 and hit.is_inside(image.shape)])


def _look(image: np.ndarray, near: _Hit, reach: float, tilts: Iterable[int], agree: int) -> _Hit | None:
    """The face within ``reach`` sides of ``near``, and of about its size, in the first of the views that shows one."""
    for tilt in tilts:
        close = _close_up(image, near, reach, tilt)
        for view in (close, cv2.equalizeHist(close)):
            boxes, counts = _cascades.confirmer.detectMultiScale2(
                view, CLOSE_STEP, agree - 1, minSize=(CLOSE_FACE * 3 // 4,) * 2, maxSize=(CLOSE_FACE * 4 // 3,) * 2
            )
            if len(counts):
                x, y, side, _ = boxes[np.argmax(counts)]
                confidence = min(1.0, float(np.max(counts)) / SURE)
                hit = _placed(near, x + side / 2, y + side / 2, side, close.shape[0], tilt, confidence)
                if hit.is_inside(image.shape):
                    return hit
    return None


def _close_up(image: np.ndarray, near: _Hit, reach: float, tilt: int) -> np.ndarray:
    """Grey square of ``reach`` sides around ``near``, turned by ``tilt`` degrees, in which one side is CLOSE_FACE pixels."""
    height, width = image.shape[:2]
    around = near.side * reach * (0.75 if tilt else 0.5) + 1  # half of what is cut; a turned square needs its diagonal
    left = min(max(0, int(near.x - around)), width - 1)  # at least one pixel: a turned box may lie outside
    top = min(max(0, int(near.y - around)), height - 1)
    cut = image[top : max(top + 1, int(near.y + around)), left : max(left + 1, int(near.x + around))]
    scale = CLOSE_FACE / near.side
    grey = shrunk(cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), scale)  # shrinks by averaging; warpAffine alone would skip pixels
    centre = (near.x - left) * min(1.0, scale), (near.y - top) * min(1.0, scale)
    n = round(reach * CLOSE_FACE)
    turn = cv2.getRotationMatrix2D(centre, tilt, max(1.0, scale))
    turn[:, 2] += n / 2 - centre[0], n / 2 - centre[1]
    return cv2.warpAffine(grey, turn, (n, n), borderMode=cv2.BORDER_REPLICATE)


def _placed(near: _Hit, x: float, y: float, side: float, n: int, tilt: int, confidence: float) -> _Hit:
    """What was found in the close-up (n, n) of ``near``, centre and side in its pixels, as a place in the image."""
    scale = near.side / CLOSE_FACE
    dx, dy = _turned_back((x - n / 2) * scale, (y - n / 2) * scale, tilt)
    return _Hit(near.x + dx, near.y + dy, side * scale, tilt, confidence)


def _turned_back(dx: float, dy: float, tilt: int) -> tuple[float, float]:
    """An offset in a picture turned by ``tilt`` degrees counter-clockwise, as an offset in the picture as it was."""
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    return float(cos * dx - sin * dy), float(sin * dx + cos * dy)


def shrunk(image: np.ndarray, scale: float) -> np.ndarray:
    """The image made smaller by averaging; as it is where ``scale`` is 1 or more."""
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    return cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)


def _distinct(hits: list[_Hit]) -> list[_Hit]:
    """One hit a face: the surest of those that overlap."""
    kept: list[_Hit] = []
    for hit in sorted(hits, key=lambda hit: (-hit.confidence, -hit.side)):
        if not any(_overlap(hit, other) for other in kept):
            kept.append(hit)
    return kept


def _overlap(a: _Hit, b: _Hit) -> bool:
    """Whether the centre of one lies in the other: two faces of one picture never do that, a face and a box in it do."""
    return max(abs(a.x - b.x), abs(a.y - b.y)) < max(a.side, b.side) / 2


# -- over time ---------------------------------------------------------------------------------------------------------------


@dataclass
class _Track:
    """One face over time: frame index to hit, and its picture (CLOSE_FACE, CLOSE_FACE) when it was last detected.

    ``by_cascade``: whether the cascades look for it; where a detector saw all frames, they are not asked.
    """

    hits: dict[int, _Hit]
    picture: np.ndarray
    last: _Hit
    last_seen: int
    by_cascade: bool = True

    @property
    def seen(self) -> int:
        """Frames in which it was detected."""
        return sum(hit.detected for hit in self.hits.values())

    def add(self, index: int, hit: _Hit, image: np.ndarray) -> None:
        self.hits[index] = self.last = hit
        if hit.detected:  # the picture is not renewed from a likeness, else it would creep off the face
            self.picture, self.last_seen = _close_up(image, hit, 1.0, hit.tilt), index

    def look(self, index: int, image: np.ndarray) -> _Hit | None:
        """The face near its last place: by the cascade, upright or tilted, else by its picture, else None."""
        if abs(index - self.last_seen) > PATIENCE:
            return None
        if not self.by_cascade:
            return self._match(image)
        tilts = sorted((0, -TILT, TILT), key=lambda tilt: abs(tilt - self.last.tilt))
        return _look(image, self.last, REACH, tilts, AGREE_NEAR) or self._match(image)

    def _match(self, image: np.ndarray) -> _Hit | None:
        close = _close_up(image, self.last, REACH, self.last.tilt)
        _, score, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(close, self.picture, cv2.TM_CCOEFF_NORMED))
        if score < ALIKE:
            return None
        centre, confidence = CLOSE_FACE / 2, self.last.confidence * min(1.0, score)
        hit = _placed(self.last, x + centre, y + centre, CLOSE_FACE, close.shape[0], self.last.tilt, confidence)
        return replace(hit, detected=False) if hit.is_inside(image.shape) else None


def _searched(frames: Sequence[Frame]) -> list[_Track]:
    """The faces that the cascades meet when they search frames now and then, carefully where they met none."""
    for careful, step in ((False, EVERY), (True, max(1, -(-len(frames) // CAREFUL_FRAMES)))):  # rounded up
        tracks = _tracks(frames, {i: _search(frames[i].image, careful) for i in range(0, len(frames), step)})
        if tracks:
            return tracks
    return []


def _tracks(frames: Sequence[Frame], seeds: dict[int, list[_Hit]], by_cascade: bool = True) -> list[_Track]:
    """The faces met in the frames that were searched, less those that were detected in one frame of several only."""
    return [track for track in _link(frames, seeds, by_cascade) if track.seen >= min(2, len(frames))]


def _link(frames: Sequence[Frame], seeds: dict[int, list[_Hit]], by_cascade: bool) -> list[_Track]:
    """Tracks through the frames: forwards from where a search met each face, then back from there as long as it shows."""
    tracks: list[_Track] = []
    for index, frame in enumerate(frames):
        _advance(tracks, index, frame.image, seeds.get(index, ()), by_cascade)
    for track in tracks:
        _look_back(frames, track)
    return tracks


def _advance(tracks: list[_Track], index: int, image: np.ndarray, fresh: Sequence[_Hit], by_cascade: bool) -> None:
    """Takes the tracks on to the next frame, in place, and begins one for each ``fresh`` hit of a search that is none of them."""
    taken: list[_Hit] = []
    for track in sorted(tracks, key=lambda track: -len(track.hits)):  # the face seen longer keeps its place
        hit = next((hit for hit in fresh if hit.is_near(track.last)), None) or track.look(index, image)
        if hit is not None and not any(_overlap(hit, other) for other in taken):
            track.add(index, hit, image)
            taken.append(hit)
    for hit in fresh:
        if not any(_overlap(hit, other) for other in taken):
            taken.append(hit)
            tracks.append(_Track({index: hit}, _close_up(image, hit, 1.0, hit.tilt), hit, index, by_cascade))


def _look_back(frames: Sequence[Frame], track: _Track) -> None:
    """Adds the frames just before those where a search met the face: it was there already, but not yet searched for."""
    for start in sorted(track.hits):
        if start - 1 in track.hits or not track.hits[start].detected:
            continue
        track.add(start, track.hits[start], frames[start].image)
        for index in range(start - 1, -1, -1):
            hit = None if index in track.hits else track.look(index, frames[index].image)
            if hit is None:
                break
            track.add(index, hit, frames[index].image)


# -- how clear ---------------------------------------------------------------------------------------------------------------


def _sightings(frames: Sequence[Frame], track: _Track) -> tuple[Sighting, ...]:
    """What the track shows, frame by frame."""
    return tuple(_sighting(frames[index], index, hit) for index, hit in sorted(track.hits.items()))


def _sighting(frame: Frame, index: int, hit: _Hit) -> Sighting:
    x, y, side, _ = box = hit.box(frame.image.shape)
    crop = _upright(frame.image, hit) if hit.tilt else frame.image[y : y + side, x : x + side].copy()
    weight = _ramp(side, TINY, LARGE) * _ramp(_sharpness(crop), 0.0, SHARP) * hit.confidence
    return Sighting(index, frame.time, box, crop, weight, hit.landmarks)


def _upright(image: np.ndarray, hit: _Hit) -> np.ndarray:
    """The square of a tilted face, RGB, turned upright."""
    side = hit.box(image.shape)[2]
    turn = cv2.getRotationMatrix2D((hit.x, hit.y), hit.tilt, 1.0)
    turn[:, 2] += side / 2 - hit.x, side / 2 - hit.y
    return cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)


def _sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., 2000) of the face at 48x48, relative to its own variance.

    At one size it says how much of what the network can see is there; relative, a dim face is not taken for a blurred one.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA if grey.shape[0] > 48 else cv2.INTER_LINEAR)
    return float(cv2.Laplacian(small, cv2.CV_32F).var() / (small.var() + NOISE))


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high``, a straight line in between."""
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


def _importance(sightings: tuple[Sighting, ...]) -> tuple[float, float]:
    """How much a face matters: its size and clearness over all its frames; by size alone when none is clear."""
    return sum(s.box[2] * s.weight for s in sightings), sum(s.box[2] for s in sightings)
