"""Laws of finding and following faces, on a photograph moved, zoomed, turned, blurred and darkened over drawn backgrounds."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from emotion.face.detection import Box, Place
from emotion.face.tracking import FaceTrack
from emotion.face.tracking import follow as follow_with
from emotion.readings import Frame
from tests.clips import MEDIA, blazeface

PHOTOGRAPH = MEDIA / "astronaut.jpg"
FACE = (175, 66, 98, 98)  # in the photograph, 512x512: brow to chin, where the detectors of OpenCV agree
HEAD = (124, 8, 200, 200)  # the face with its hair, to be pasted elsewhere; the face is in its middle, 0.49 as wide
FACE_SHARE = FACE[2] / HEAD[2]


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(PHOTOGRAPH)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def head(photograph) -> np.ndarray:
    x, y, width, height = HEAD
    return photograph[y : y + height, x : x + width]


def background(kind: str = "gradient", width: int = 400, height: int = 300, seed: int = 0) -> np.ndarray:
    """Pictures without a face, uint8 RGB."""
    rng = np.random.default_rng(seed)
    if kind == "wall":
        return np.full((height, width, 3), (196, 188, 170), np.uint8)
    if kind == "gradient":
        ramp = np.linspace(60, 200, width)[None, :, None] * np.linspace(0.6, 1.0, height)[:, None, None]
        return (ramp * np.array([1.0, 0.95, 0.85])).astype(np.uint8)
    if kind == "drawing":
        image = background("wall", width, height)
        for _ in range(40):
            colour = rng.integers(0, 256, 3).tolist()
            start, end = (rng.integers(0, (width, height)).tolist() for _ in range(2))
            cv2.circle(image, start, int(rng.integers(5, 60)), colour, int(rng.choice([-1, 2])))
            cv2.rectangle(image, start, end, rng.integers(0, 256, 3).tolist(), 2)
        return image
    grain = int(kind.removeprefix("noise"))
    noise = rng.integers(0, 256, (height // grain, width // grain, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def paste(image: np.ndarray, head: np.ndarray, centre: tuple[float, float], side: float) -> np.ndarray:
    """A copy of the image with the head, so large that its face is ``side`` wide, and the face, at ``centre``."""
    size = side / FACE_SHARE
    scale = size / head.shape[0]
    small = cv2.GaussianBlur(head, (0, 0), 0.5 / scale) if scale < 1 else head
    place = np.array([[scale, 0, centre[0] - size / 2], [0, scale, centre[1] - 0.53 * size]])
    shape = image.shape[1::-1]
    oval = np.zeros(head.shape[:2], np.float32)
    cv2.ellipse(oval, (100, 100), (84, 96), 0, 0, 360, 1.0, -1)
    mask = cv2.warpAffine(cv2.GaussianBlur(oval, (0, 0), 4), place, shape)[..., None]
    return (image * (1 - mask) + cv2.warpAffine(small, place, shape) * mask).astype(np.uint8)


def turned(photograph: np.ndarray, degrees: float) -> np.ndarray:
    centre = FACE[0] + FACE[2] / 2, FACE[1] + FACE[3] / 2
    return cv2.warpAffine(photograph, cv2.getRotationMatrix2D(centre, degrees, 1.0), (512, 512), borderMode=cv2.BORDER_REFLECT)


def square(centre: tuple[float, float], side: float) -> tuple[float, float, float, float]:
    return centre[0] - side / 2, centre[1] - side / 2, side, side


def iou(a, b) -> float:
    """Intersection over union of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def follow(frames) -> FaceTrack:
    return follow_with(frames, blazeface())


def find_faces(image: np.ndarray) -> list[Box]:
    """Boxes of the faces in a picture, the surest first."""
    return [detection.place.box(image.shape) for detection in blazeface().detect(image)]


def video(images) -> list[Frame]:
    return [Frame(index / 5, image) for index, image in enumerate(images)]


def seen(track: FaceTrack) -> list[int]:
    return [sighting.index for sighting in track.sightings]


def weight(image: np.ndarray) -> float:
    """How clearly the one face of a picture shows; 0 when it is not found."""
    return sum(sighting.weight for sighting in follow(video([image])).sightings)


# -- pictures ----------------------------------------------------------------------------------------------------------------


def test_a_photograph_is_a_video_of_one_frame(photograph):
    track = follow(video([photograph]))
    [sighting] = track.sightings
    assert (track.faces, track.frames_sampled, sighting.index, sighting.time) == (1, 1, 0, 0.0)
    assert iou(sighting.box, FACE) > 0.7
    assert find_faces(photograph) == [sighting.box]
    assert sighting.weight > 0.9 and track.clearness == sighting.weight


def test_the_crop_is_what_the_box_holds(photograph):
    [sighting] = follow(video([photograph])).sightings
    x, y, width, height = sighting.box
    assert width == height and sighting.crop.dtype == np.uint8
    assert all(type(value) is int for value in sighting.box) and type(sighting.weight) is float  # ready for JSON
    assert np.array_equal(sighting.crop, photograph[y : y + height, x : x + width])
    assert not np.shares_memory(sighting.crop, photograph)  # a crop does not keep the whole frame alive


def test_a_mirrored_picture_gives_the_mirrored_box(photograph):
    [(x, y, width, height)] = find_faces(photograph)
    [box] = find_faces(np.ascontiguousarray(photograph[:, ::-1]))
    assert iou(box, (512 - x - width, y, width, height)) > 0.8


@pytest.mark.parametrize("scale", [0.25, 0.4, 0.75, 1.5, 2.5])
def test_the_box_grows_with_the_picture(photograph, scale):
    picture = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    [box] = find_faces(picture)
    assert iou(box, [scale * value for value in FACE]) > 0.6


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_tilted_face_is_found_and_its_crop_turned_toward_upright(photograph, degrees):
    [sighting] = follow(video([turned(photograph, degrees)])).sightings
    assert iou(sighting.box, FACE) > 0.6
    x, y, side, _ = FACE
    upright = cv2.resize(photograph[y : y + side, x : x + side], (24, 24), interpolation=cv2.INTER_AREA)
    crop = cv2.resize(sighting.crop, (24, 24), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(crop.ravel(), upright.ravel())[0, 1] > 0.6


@pytest.mark.parametrize("light", [0.5, 0.2, 0.05])
def test_a_dark_picture_is_still_seen(photograph, light):
    [box] = find_faces((photograph * light).astype(np.uint8))
    assert iou(box, FACE) > 0.6


def test_a_face_that_two_views_show_gets_one_box(photograph):
    assert len(find_faces((turned(photograph, 10) * 0.05).astype(np.uint8))) == 1  # upright, and turned by 20 degrees


@pytest.mark.parametrize("kind", ["wall", "gradient", "drawing", "noise1", "noise3", "noise8", "noise20"])
def test_no_face_where_there_is_none(kind):
    images = [background(kind, seed=seed) for seed in range(4)]
    assert [find_faces(image) for image in images] == [[]] * 4
    assert follow(video(images)).faces == 0


def test_a_black_or_minute_picture_has_no_face():
    for shape in [(1, 1, 3), (1, 1700, 3), (19, 19, 3), (240, 320, 3)]:
        assert find_faces(np.zeros(shape, np.uint8)) == []


def test_a_look_at_a_place_sees_the_face_there_and_no_other(head):
    picture = paste(paste(background(), head, (100, 150), 70), head, (290, 150), 70)
    for x in (100, 290):
        seen = blazeface().look(picture, Place(x + 6, 146, 76))
        assert iou(seen.place.box(picture.shape), square((x, 150), 70)) > 0.6
    assert blazeface().look(picture, Place(195, 150, 70)) is None


def test_a_small_face_is_seen_by_a_thorough_search_alone(head):
    picture = paste(background("gradient", 640, 480), head, (450, 300), 50)
    assert blazeface().detect(picture, thorough=False) == []
    [found] = blazeface().detect(picture)
    assert iou(found.place.box(picture.shape), square((450, 300), 50)) > 0.5


def test_the_larger_of_two_clear_faces_is_read_and_both_are_told(head):
    picture = paste(paste(background(), head, (100, 150), 60), head, (290, 150), 90)
    track = follow(video([picture]))
    assert track.faces == 2 and iou(track.sightings[0].box, square((290, 150), 90)) > 0.5
    assert [box[2] for box in find_faces(picture)] == sorted((box[2] for box in find_faces(picture)), reverse=True)


def test_a_clear_face_is_read_before_a_larger_blurred_one(head):
    picture = cv2.GaussianBlur(paste(background(), head, (290, 150), 90), (0, 0), 3)
    picture[:, :190] = paste(background(), head, (100, 150), 70)[:, :190]
    track = follow(video([picture]))
    assert track.faces == 2 and iou(track.sightings[0].box, square((100, 150), 70)) > 0.5


def test_a_box_at_the_edge_lies_in_the_picture(photograph):
    x, y, side, _ = FACE
    picture = photograph[y + 4 :, x + 4 :]  # the face touches the corner
    for box in find_faces(picture):
        assert box[0] >= 0 and box[1] >= 0 and box[2] == box[3]
    assert iou(find_faces(picture)[0], (0, 0, side - 4, side - 4)) > 0.6


# -- weights -----------------------------------------------------------------------------------------------------------------


def test_a_blurred_face_weighs_less(photograph):
    weights = [weight(cv2.GaussianBlur(photograph, (0, 0), sigma)) for sigma in (0.3, 2, 3, 5)]
    assert weights[0] > 0.9 and weights[3] < 0.25
    assert weights == sorted(weights, reverse=True) and len(set(weights)) == 4


def test_a_small_face_weighs_less_and_a_tiny_one_nothing(head):
    weights = [weight(paste(background(), head, (200, 150), side)) for side in (110, 60, 40, 18)]
    assert weights[0] > 0.9 and weights[3] == 0
    assert weights == sorted(weights, reverse=True) and len(set(weights)) == 4


def test_a_face_in_the_dark_weighs_less(photograph):
    assert weight((photograph * 0.03).astype(np.uint8)) < 0.7 * weight(photograph)


# -- videos ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gradient", "noise3", "drawing"])
def test_the_box_follows_a_face_that_moves_and_comes_nearer(head, kind):
    places = [((110 + 14 * i, 120 + 4 * i), 60 + 3 * i) for i in range(14)]
    track = follow(video(paste(background(kind), head, *place) for place in places))
    assert track.frames_sampled == 14 and seen(track) == list(range(14))
    for sighting, place in zip(track.sightings, places, strict=True):
        assert iou(sighting.box, square(*place)) > 0.55
        assert sighting.time == pytest.approx(sighting.index / 5) and 0 <= sighting.weight <= 1
    assert 0.5 < track.clearness <= 1


def test_a_video_of_a_mirrored_scene_gives_mirrored_boxes(head):
    images = [paste(background(), head, (120 + 10 * i, 150), 80) for i in range(7)]
    track, mirrored = follow(video(images)), follow(video(np.ascontiguousarray(image[:, ::-1]) for image in images))
    assert seen(track) == seen(mirrored)
    for a, b in zip(track.sightings, mirrored.sightings, strict=True):
        x, y, width, height = a.box
        assert iou(b.box, (400 - x - width, y, width, height)) > 0.7


def test_a_head_that_tilts_is_followed(photograph):
    track = follow(video(turned(photograph, degrees) for degrees in (0, 8, 16, 24, 30, 24, 12, 0, -12, -24)))
    assert seen(track) == list(range(10))
    assert all(iou(sighting.box, FACE) > 0.55 for sighting in track.sightings)


def test_the_face_that_stays_is_followed_and_both_are_counted(head):
    images = [paste(background(), head, (110, 150), 70) for _ in range(14)]
    images[6:11] = [paste(image, head, (290, 150), 100) for image in images[6:11]]
    track = follow(video(images))
    assert track.faces == 2 and seen(track) == list(range(14))
    assert all(iou(sighting.box, square((110, 150), 70)) > 0.5 for sighting in track.sightings)


def test_a_face_that_takes_the_place_of_another_is_not_taken_for_it(head):
    places = [((x, 150), 70) for x in [110] * 6 + [144, 178, 212] + [235] * 5]
    images = [paste(background(), head, *place) for place in places]
    images[:6] = [paste(image, head, (235, 150), 84) for image in images[:6]]
    track = follow(video(images))
    assert track.faces == 2 and seen(track) == list(range(14))
    assert all(iou(sighting.box, square(*place)) > 0.5 for sighting, place in zip(track.sightings, places, strict=True))


@pytest.mark.parametrize("kind", ["wall", "gradient", "noise3", "drawing"])
def test_a_face_that_left_is_not_seen(head, kind):
    images = [paste(background(kind), head, (200, 150), 80)] * 8 + [background(kind)] * 6
    track = follow(video(images))
    assert seen(track) == list(range(8)) and track.faces == 1
    assert 0.5 < track.clearness * 14 / 8 <= 1


def test_a_face_that_walks_out_of_the_frame_is_boxed_inside_it_and_then_gone(head):
    track = follow(video(paste(background(), head, (250 + 22 * i, 150), 80) for i in range(14)))  # its centre leaves at i = 7
    assert seen(track) == list(range(6))
    assert all(x >= 0 and x + width <= 400 for x, _, width, _ in (sighting.box for sighting in track.sightings))


def test_a_long_video_in_the_dark_is_read_from_its_first_frame(photograph):
    small = cv2.resize(photograph, (256, 256), interpolation=cv2.INTER_AREA)
    night = (small * 0.06).astype(np.uint8)
    track = follow(video([night * 0] * 2 + [night] * 22))
    assert track.faces == 1 and seen(track) == list(range(2, 24))


@pytest.mark.parametrize("first", [4, 5])
def test_a_face_that_came_between_two_searches_is_seen_from_its_first_frame(head, first):
    images = [background()] * first + [paste(background(), head, (200, 150), 80)] * 6
    assert seen(follow(video(images))) == list(range(first, first + 6))


def test_a_face_that_comes_back_to_its_place_is_the_same_face(head):
    face = paste(background(), head, (200, 150), 80)
    track = follow(video([face] * 4 + [background()] * 7 + [face] * 4))
    assert track.faces == 1 and seen(track) == [0, 1, 2, 3, 11, 12, 13, 14]


def test_a_flash_is_no_face_of_a_video(head):
    images = [background()] * 3 + [paste(background(), head, (200, 150), 80)] + [background()] * 5
    assert follow(video(images)) == FaceTrack(0, 9)


def test_no_frames_no_face():
    assert follow([]) == FaceTrack(0, 0) and follow([]).clearness == 0


# -- serving -----------------------------------------------------------------------------------------------------------------


def test_threads_do_not_disturb_each_other(photograph):
    images = [turned(photograph, degrees) for degrees in (-10, -5, 0, 5, 10)]
    alone: list[list[Box]] = [find_faces(image) for image in images]
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(find_faces, images * 3)) == alone * 3
