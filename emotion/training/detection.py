"""How well the face detectors find faces: FER2013's, pasted into pictures of four kinds, and pictures without any.

    python -m emotion.training.detection PATH_TO_FERPLUS            # the bundled one
    python -m emotion.training.detection PATH --yunet FILE.onnx     # and YuNet from a file

A face counts as found when the middle of a box lies on it. A face found is cut as the app cuts it and read by the bundled face
model, which should be right about as often as on the picture that was pasted. Settings were chosen with ``--split train``.
"""

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import emotion
from emotion.checkpoint import Choice
from emotion.face.detection import Box, Detector
from emotion.face.tracking import FaceTrack, follow
from emotion.messages import InputError
from emotion.readings import Frame
from emotion.serving.loaders import load_recogniser
from emotion.serving.roles import FaceModel
from emotion.serving.weights import DEFAULT_FILE, read
from emotion.training import datasets, export, metrics
from emotion.training.datasets import Example

WIDTH, HEIGHT = 640, 480  # pixels of a picture
SIZES = (80, 110, 160, 240)  # and of a face in it
FACES = 60  # of each size
EMPTY = 76  # pictures without a face
KINDS = ("noise", "blobs", "gradients", "blur")
SEED = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, uint8 RGB (HEIGHT, WIDTH, 3), and where in it the face of an example was pasted."""

    image: np.ndarray
    box: Box
    example: Example[np.ndarray]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 for data or a model that cannot be read."""
    arguments = _parser().parse_args(argv)
    try:
        figures = run(arguments.path, arguments.split, arguments.yunet)
    except InputError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, values in figures.items():
            print(name, *(f"  {key}: {value}" for key, value in values.items()), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m emotion.training.detection", description=__doc__.splitlines()[0])
    export.add_path(parser, "ferplus.zip", "FER2013 with its labels.csv")
    parser.add_argument(
        "--split", default="validation", choices=("train", "validation"), help="whose faces (default: validation)"
    )
    parser.add_argument("--yunet", type=Path, metavar="FILE", help="measure face_detection_yunet_2023mar.onnx, too")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def run(path: Path, split: str = "validation", yunet: Path | None = None) -> dict[str, dict[str, Any]]:
    """The figures of each detector, as plain types."""
    examples = datasets.load("face", "ferplus", path, split)
    rng = np.random.default_rng(SEED)
    drawn = [examples[i] for i in rng.permutation(len(examples))[: FACES * len(SIZES)]]
    scenes = list(pasted(drawn, rng))
    empty = [background(KINDS[i % len(KINDS)], rng) for i in range(EMPTY)]
    with contextlib.closing(emotion.load("bundled")) as analyzer:
        return {name: figures(detector, scenes, empty, analyzer.face) for name, detector in _detectors(yunet)}


def _detectors(yunet: Path | None) -> Iterator[tuple[str, Detector]]:
    choices = [choice for choice in read(DEFAULT_FILE)["detector"] if choice.source == "bundled"]
    if yunet is not None:
        if not yunet.is_file():
            raise InputError("file_not_found", file=yunet)
        choices.append(Choice("yunet", "local", yunet.name, "MIT", path=yunet.parent, loader="yunet"))
    return ((choice.name, load_recogniser("detector", choice)) for choice in choices)


def figures(detector: Detector, scenes: Sequence[Scene], empty: Sequence[np.ndarray], reader: FaceModel) -> dict[str, Any]:
    """Share of the faces found, of each size and together; false faces; milliseconds a picture; accuracy on the faces found."""
    found: dict[int, list[bool]] = {}
    crops: list[np.ndarray] = []
    shown: list[Example[np.ndarray]] = []
    with_face: list[float] = []
    for scene in scenes:
        track, ms = _timed(detector, scene.image)
        with_face.append(ms)
        hit = next((s for s in track.sightings if _lies_on(s.box, scene.box)), None)
        found.setdefault(scene.box[2], []).append(hit is not None)
        if hit is not None:
            crops.append(hit.crop)
            shown.append(scene.example)
    without = [_timed(detector, image) for image in empty]
    everything = np.concatenate(list(found.values()))
    truth = np.array([example.label for example in shown])
    right = [reader.predict(items).argmax(axis=1) == truth for items in (crops, [example.item for example in shown])]
    groups = np.arange(len(truth))
    return {
        "found": round(float(everything.mean()), 3),
        "interval": metrics.interval(lambda rows: everything[rows].mean(), np.arange(len(everything))).round(3).tolist(),
        "found_by_size": {size: round(float(np.mean(hits)), 3) for size, hits in found.items()},
        "n": len(everything),
        "false_faces": sum(track.faces for track, _ in without),
        "n_empty": len(empty),
        "ms_with_face": round(statistics.median(with_face), 1),
        "ms_without": round(statistics.median(ms for _, ms in without), 1),
        "accuracy_on_crops": round(float(right[0].mean()), 3),
        "accuracy_on_the_same_faces_as_pasted": round(float(right[1].mean()), 3),
        "difference_interval": metrics.interval(lambda rows: (right[0][rows] * 1.0 - right[1][rows]).mean(), groups)
        .round(3)
        .tolist(),
    }


def _timed(detector: Detector, image: np.ndarray) -> tuple[FaceTrack, float]:
    start = time.perf_counter()
    track = follow([Frame(0.0, image)], detector)
    return track, 1000 * (time.perf_counter() - start)


def _lies_on(box: Box, face: Box) -> bool:
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return face[0] <= x <= face[0] + face[2] and face[1] <= y <= face[1] + face[3]


# --- pictures ------------------------------------------------------------------------------------------------------------


def pasted(examples: Sequence[Example[np.ndarray]], rng: np.random.Generator) -> Iterator[Scene]:
    """Each example's face in a picture, in turn of each size and kind, somewhere wholly inside."""
    for number, example in enumerate(examples):
        side = SIZES[number % len(SIZES)]
        image = background(KINDS[number // len(SIZES) % len(KINDS)], rng)
        x, y = int(rng.integers(WIDTH - side + 1)), int(rng.integers(HEIGHT - side + 1))
        face = cv2.resize(example.item, (side, side), interpolation=cv2.INTER_CUBIC)
        image[y : y + side, x : x + side] = face[..., None]
        yield Scene(image, (x, y, side, side), example)


def background(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A picture without a face, uint8 RGB (HEIGHT, WIDTH, 3), of one of KINDS."""
    if kind == "noise":  # of a grain of 1 to 8 pixels
        grain = int(rng.integers(1, 9))
        coarse = rng.integers(0, 256, (HEIGHT // grain, WIDTH // grain, 3), dtype=np.uint8)
        return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    if kind == "blobs":
        image = np.full((HEIGHT, WIDTH, 3), rng.integers(0, 256, 3), np.uint8)
        for _ in range(40):
            centre, axes = rng.integers((0, 0), (WIDTH, HEIGHT)).tolist(), rng.integers(8, 90, 2).tolist()
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.integers(0, 256, 3).tolist(), -1)
        return image
    if kind == "gradients":
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        angle = rng.uniform(0, 2 * np.pi)
        ramp = np.cos(angle) * x + np.sin(angle) * y
        ramp = (ramp - ramp.min()) / np.ptp(ramp)
        first, last = rng.uniform(0, 255, (2, 3))
        return np.asarray(first + (last - first) * ramp[..., None], np.uint8)
    noise = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), float(rng.uniform(6, 40)))
    return np.asarray(np.clip(127 + 50 * noise / noise.std(), 0, 255), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
