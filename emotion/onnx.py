"""Published face models as ONNX files, run by OpenCV: classifiers of an aligned face, and the face detector YuNet."""

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from emotion.face_finder import Detection, Sighting, shrunk
from emotion.label_map import LabelMap
from emotion.readings import Frame, InputError
from emotion.recognisers import NOWHERE, FaceReader, coloured
from emotion.weights import Choice

LEAST_BYTES = 1024  # of a model; the pointer that stands for it in a repository of Git LFS has 130

# Where the features of a face belong in a picture of 112 x 112 for MobileFaceNet (opencv_zoo, facial_fer_model.py), in the order of
# ``Detection.landmarks``.
STANDARD = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
STANDARD_SIDE = 112

DETECT_SIDE = 640  # pixels of the longer side of the copy that is searched: YuNet misses faces far above 300
SCORE = 0.7  # of a detection that counts
OVERLAP = 0.3  # of two boxes, as a share of what they cover, above which they are one face
MOST_FACES = 50


class OnnxFace(FaceReader):
    """A classifier of square colour pictures, (x / 255 - 0.5) / 0.5, of which the choice tells ``labels`` and ``input_size``.

    Faces are turned, scaled and moved so that their landmarks lie where the model expects them; a crop without any is only scaled.
    """

    def __init__(self, choice: Choice):
        super().__init__(choice)
        if choice.input_size is None:
            raise InputError(f"{choice.name} needs an input_size in the weights file.")
        self.size = choice.input_size
        self.lock = threading.Lock()  # a network of OpenCV holds its input
        try:
            self.network = cv2.dnn.readNetFromONNX(str(onnx_file(choice)))
            trial = self._outputs(np.full((self.size, self.size, 3), 128, np.uint8))
        except cv2.error as e:
            raise InputError(f"{choice.name} cannot be run: {e.err}") from e
        self.labels = LabelMap.of([f"output {i}" for i in range(trial.size)], choice.labels)
        self.normalised = bool((trial >= 0).all() and abs(trial.sum() - 1) < 1e-3)  # the softmax is in the model
        self._logits([np.full((self.size, self.size, 3), 128, np.uint8)])

    def logits(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return self._logits([cv2.resize(coloured(crop), (self.size, self.size)) for crop in crops])

    def see(self, frames: Sequence[Frame], sightings: Sequence[Sighting]) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        faces = [
            cv2.resize(sighting.crop, (self.size, self.size))
            if sighting.landmarks is None
            else aligned(frames[sighting.index].image, sighting.landmarks, self.size)
            for sighting in sightings
        ]
        return self._logits(faces), [NOWHERE] * len(faces)

    def _logits(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        outputs = np.stack([self._outputs(face) for face in faces]).astype(np.float64)
        if not self.normalised:
            exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs = exponentials / exponentials.sum(axis=1, keepdims=True)
        return self.labels.logits(outputs)

    def _outputs(self, face: np.ndarray) -> np.ndarray:
        """What the network makes of one face, (outputs,): its input may be fixed to one."""
        blob = cv2.dnn.blobFromImage(face, 1 / 127.5, mean=(127.5, 127.5, 127.5))
        with self.lock:
            self.network.setInput(blob)
            return self.network.forward().ravel().copy()


class YuNet:
    """A ``Detector``: OpenCV's YuNet (Wu, Peng & Yu 2023), in the layout of face_detection_yunet_2023mar.onnx."""

    def __init__(self, choice: Choice):
        self.info = choice.info
        self.lock = threading.Lock()  # the size of the picture is set before it is searched
        try:
            self.network = cv2.FaceDetectorYN.create(str(onnx_file(choice)), "", (32, 32), SCORE, OVERLAP, MOST_FACES)
            self.detect(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as e:
            raise InputError(f"{choice.name} is no YuNet: {e.err}") from e

    def detect(self, image: np.ndarray) -> list[Detection]:
        scale = min(1.0, DETECT_SIDE / max(image.shape[:2]))
        small = cv2.cvtColor(shrunk(image, scale), cv2.COLOR_RGB2BGR)
        with self.lock:
            self.network.setInputSize(small.shape[1::-1])
            rows = self.network.detect(small)[1]
        if rows is None:
            return []
        ratio = np.array(image.shape[1::-1]) / small.shape[1::-1]
        return [
            Detection((row[4:14].reshape(5, 2) * ratio).astype(np.float32), float(row[14]))
            for row in rows
            if np.isfinite(row).all()
        ]


def aligned(image: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """The face of an RGB image, its landmarks (5, 2) brought to STANDARD by the closest similarity transform; (size, size, 3).

    As the model's authors do, the transform is fitted from the standard places to the landmarks; outside the image it is black.
    """
    standard, wanted = (points @ (1, 1j) for points in (STANDARD * size / STANDARD_SIDE, landmarks.astype(np.float64)))
    spread = standard - standard.mean()
    turn = (spread.conj() @ (wanted - wanted.mean())) / (spread.conj() @ spread)  # a rotation and scaling, as a complex number
    shift = wanted.mean() - turn * standard.mean()
    to_image = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(image, to_image, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def onnx_file(choice: Choice) -> Path:
    """The one ONNX file of a choice's folder. Raises InputError where there is none, or several, or a pointer in its place."""
    files = sorted(choice.path.glob("*.onnx"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise InputError(f"{choice.name} must come as one ONNX file; found: {names}.")
    if files[0].stat().st_size < LEAST_BYTES:
        raise InputError(
            f"{files[0].name} of {choice.name} has {files[0].stat().st_size} bytes: a pointer to the model, not the model."
        )
    return files[0]
