"""The face in a picture or a video: which one stays, where it is in each frame, and how clearly it shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from emotion.face.detection import Box, Detection, Detector
from emotion.readings import Frame

EVERY = 3  # a whole frame in so many is searched: at 5 frames a second a new face is seen within 0.6 s
THOROUGH_FRAMES = 6  # frames of a video without any face that are searched thoroughly
THOROUGH_EVERY = 9  # and of frames that come one at a time without any face, one in so many
PATIENCE = 4  # frames (0.8 s) for which a face that is not detected is looked for at its last place
RECENT = 10  # frames over which faces that come one at a time are compared: two seconds

TINY, LARGE = 24, 80  # pixels of a box: weight 0 up to the one, full weight from the other; the network sees 48
SHARP = 0.15  # relative variance of the Laplacian at which a face counts as sharp; 19 in 20 faces of FER2013 exceed 0.4
NOISE = 64.0  # grey levels squared, added to the variance: in the dark, noise would pass for sharpness


@dataclass(frozen=True, eq=False)
class Sighting:
    """The followed face in one frame.

    ``index`` and ``time`` (seconds) of the frame; ``box`` is square and inside the frame; ``crop``, uint8 RGB (side, side, 3), is
    what the box holds, turned upright where the head is tilted; ``weight``, 0 to 1, is how much the frame should count: the
    product of size, sharpness and how sure the detector is. ``landmarks`` as of a ``Detection``, in pixels of the frame.
    """

    index: int
    time: float
    box: Box
    crop: np.ndarray = field(repr=False)
    weight: float
    landmarks: np.ndarray = field(repr=False)


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


def follow(frames: Sequence[Frame], detector: Detector) -> FaceTrack:
    """The face that matters in frames of a video, in order of time; a picture is a video of one frame.

    Whole frames are searched now and then, thoroughly where no frame shows a face; in between each face is looked for at its last
    place. Two frames make a face (one in a picture). The one with the largest sum of side times weight is followed: it is the
    most persistent, the largest and the clearest. A face that leaves and comes back elsewhere counts twice.

    Parameters: ``frames`` about 5 a second; sides of any size, all frames alike. Thread-safe.
    """
    tracks: list[_Track] = []
    searches = [(False, EVERY), (True, max(1, -(-len(frames) // THOROUGH_FRAMES)))]  # rounded up
    for thorough, step in searches if len(frames) > 1 else searches[1:]:
        searched = {i: detector.detect(frames[i].image, thorough) for i in range(0, len(frames), step)}
        tracks = [track for track in _linked(frames, searched, detector) if len(track.found) >= min(2, len(frames))]
        if tracks:
            break
    if not tracks:
        return FaceTrack(0, len(frames))
    chosen = max((_sightings(frames, track) for track in tracks), key=_importance)
    return FaceTrack(len(tracks), len(frames), chosen)


class Follower:
    """``follow`` for frames that come one at a time, as from a camera: what it keeps does not grow. Not thread-safe."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._count = 0

    def see(self, frame: Frame, detector: Detector) -> Sighting | None:
        """The face that matters in the next frame, None where it shows none that was there in another."""
        index, self._count = self._count, self._count + 1
        fresh = []
        if not self._tracks or index % EVERY == 0:
            fresh = detector.detect(frame.image, thorough=not self._tracks and index % THOROUGH_EVERY == 0)
        _advance(self._tracks, index, frame.image, fresh, detector)
        self._tracks = [track for track in self._tracks if index - track.last_seen <= PATIENCE]
        for track in self._tracks:
            track.found = {i: detection for i, detection in track.found.items() if index - i < RECENT}
        shown = [track for track in self._tracks if index in track.found and track.seen >= 2]
        if not shown:
            return None
        chosen = max(shown, key=lambda track: sum(detection.place.side for detection in track.found.values()))
        return _sighting(frame, index, chosen.found[index])


# -- over time ---------------------------------------------------------------------------------------------------------------


@dataclass
class _Track:
    """One face over time: ``found`` by index of the frame, ``seen`` in so many, ``last_seen`` in the frame of that index."""

    found: dict[int, Detection]
    last: Detection
    last_seen: int
    seen: int = 1

    def add(self, index: int, detection: Detection) -> None:
        self.found[index] = self.last = detection
        self.last_seen, self.seen = index, self.seen + 1

    def look(self, index: int, image: np.ndarray, detector: Detector) -> Detection | None:
        """The face at its last place, while it was there not long ago."""
        if abs(index - self.last_seen) > PATIENCE:
            return None
        found = detector.look(image, self.last.place)
        return found if found is not None and found.place.is_inside(image.shape) else None


def _linked(frames: Sequence[Frame], searched: dict[int, list[Detection]], detector: Detector) -> list[_Track]:
    """Tracks through the frames: forwards from where a search met each face, then back from there as long as it shows."""
    tracks: list[_Track] = []
    for index, frame in enumerate(frames):
        _advance(tracks, index, frame.image, searched.get(index, ()), detector)
    for track in tracks:
        _look_back(frames, track, detector)
    return tracks


def _advance(tracks: list[_Track], index: int, image: np.ndarray, fresh: Sequence[Detection], detector: Detector) -> None:
    """Takes the tracks on to the next frame, in place, and begins one for each ``fresh`` face that is none of them."""
    fresh = [detection for detection in fresh if detection.place.is_inside(image.shape)]
    taken: list[Detection] = []
    for track in sorted(tracks, key=lambda track: -track.seen):  # the face seen longer keeps its place
        near = next((detection for detection in fresh if detection.place.is_near(track.last.place)), None)
        found = near or track.look(index, image, detector)
        if found is not None and not any(found.place.overlaps(other.place) for other in taken):
            track.add(index, found)
            taken.append(found)
    for detection in fresh:
        if not any(detection.place.overlaps(other.place) for other in taken):
            taken.append(detection)
            tracks.append(_Track({index: detection}, detection, index))


def _look_back(frames: Sequence[Frame], track: _Track, detector: Detector) -> None:
    """Adds the frames just before those where a search met the face: it was there already, but not yet searched for."""
    for start in sorted(track.found):
        if start - 1 in track.found:
            continue
        track.last, track.last_seen = track.found[start], start
        for index in range(start - 1, -1, -1):
            found = None if index in track.found else track.look(index, frames[index].image, detector)
            if found is None:
                break
            track.add(index, found)


# -- how clear ---------------------------------------------------------------------------------------------------------------


def _sightings(frames: Sequence[Frame], track: _Track) -> tuple[Sighting, ...]:
    """What the track shows, frame by frame."""
    return tuple(_sighting(frames[index], index, detection) for index, detection in sorted(track.found.items()))


def _sighting(frame: Frame, index: int, detection: Detection) -> Sighting:
    x, y, side, _ = box = detection.place.box(frame.image.shape)
    crop = _upright(frame.image, detection) if detection.tilt else frame.image[y : y + side, x : x + side].copy()
    weight = _ramp(side, TINY, LARGE) * _ramp(_sharpness(crop), 0.0, SHARP) * detection.confidence
    return Sighting(index, frame.time, box, crop, weight, detection.landmarks)


def _upright(image: np.ndarray, detection: Detection) -> np.ndarray:
    """The square of a tilted face, RGB, turned upright."""
    place, side = detection.place, detection.place.box(image.shape)[2]
    turn = cv2.getRotationMatrix2D((place.x, place.y), detection.tilt, 1.0)
    turn[:, 2] += np.array([side / 2 - place.x, side / 2 - place.y])
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
