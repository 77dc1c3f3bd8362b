"""The check of the face detectors: its pictures, and its figures of detectors that see everything, nothing or too much."""

import dataclasses

import numpy as np
import pytest

from emotion.face.detection import Detection
from emotion.labels import LABELS
from emotion.training import detection
from emotion.training.datasets import Example

FEATURES = np.float32([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.5, 0.8]])  # in sides of a face


class Reader:
    """Reads every face as the first label."""

    def predict(self, faces):
        assert all(face.dtype == np.uint8 for face in faces)
        return np.tile(np.eye(len(LABELS))[0], (len(faces), 1))


class Knowing:
    """Sees a face in each picture it was told of, and ``elsewhere`` in pictures without."""

    def __init__(self, scenes, elsewhere=None):
        self.boxes = {scene.image.tobytes(): scene.box for scene in scenes}
        self.elsewhere = elsewhere

    def detect(self, image, thorough=True):
        box = self.boxes.get(image.tobytes(), self.elsewhere)
        return [Detection(FEATURES * box[2] + np.float32(box[:2]), 1.0)] if box else []

    def look(self, image, place):
        return None


@pytest.fixture(scope="module")
def scenes():
    faces = np.random.default_rng(0).integers(0, 256, (8, 48, 48), dtype=np.uint8)
    examples = [Example(str(i), face, i % 2, str(i)) for i, face in enumerate(faces)]
    return list(detection.pasted(examples, np.random.default_rng(1)))


def test_faces_are_pasted_whole_and_in_turn_of_size(scenes):
    assert [scene.box[2] for scene in scenes] == [*detection.SIZES, *detection.SIZES]
    for scene in scenes:
        x, y, side, _ = scene.box
        assert scene.image.shape == (480, 640, 3) and 0 <= x <= 640 - side and 0 <= y <= 480 - side
        pasted = scene.image[y : y + side, x : x + side]
        assert np.array_equal(pasted[..., 0], pasted[..., 2])  # grey, as the face is


def test_backgrounds_are_of_four_kinds_and_come_again_from_their_seed():
    pictures = {kind: detection.background(kind, np.random.default_rng(3)) for kind in detection.KINDS}
    assert len({picture.tobytes() for picture in pictures.values()}) == 4
    for kind, picture in pictures.items():
        assert picture.dtype == np.uint8 and picture.shape == (480, 640, 3) and picture.std() > 1
        assert np.array_equal(picture, detection.background(kind, np.random.default_rng(3)))


def test_figures_of_a_detector_that_misses_every_second_face(scenes):
    empty = [detection.background("blur", np.random.default_rng(i)) for i in range(3)]
    seen = [scene for i, scene in enumerate(scenes) if i % 2 == 0]
    figures = detection.figures(Knowing(seen), scenes, empty, Reader())
    assert figures["found"] == 0.5 and figures["n"] == 8 and figures["false_faces"] == 0 and figures["n_empty"] == 3
    assert figures["found_by_size"] == {80: 1.0, 110: 0.0, 160: 1.0, 240: 0.0}
    assert figures["accuracy_on_crops"] == figures["accuracy_on_the_same_faces_as_pasted"] == 1.0  # the even ones have label 0


def test_a_face_beside_the_pasted_one_is_no_find_and_one_in_an_empty_picture_is_false(scenes):
    empty = [detection.background("blur", np.random.default_rng(i)) for i in range(3)]
    beside = [dataclasses.replace(scene, box=((scene.box[0] + 320) % 640, scene.box[1], 20, 20)) for scene in scenes]
    figures = detection.figures(Knowing([*beside[1:], scenes[0]], elsewhere=(300, 200, 80, 80)), scenes, empty, Reader())
    assert figures["found"] == pytest.approx(1 / 8, abs=1e-3) and figures["false_faces"] == 3


def test_without_data_the_command_says_so(tmp_path, capsys):
    assert detection.main([str(tmp_path / "none.zip")]) == 1
    assert "no data set" in capsys.readouterr().err
