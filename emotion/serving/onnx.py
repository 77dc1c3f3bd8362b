"""Published face models as ONNX files, run by OpenCV: classifiers of an aligned face, and the face detector YuNet."""

import threading
from collections.abc import Sequence

import cv2
import numpy as np

from emotion.checkpoint import Choice, model_file
from emotion.face.detection import Detection, Place, distinct, shrunk, square_cut
from emotion.face.reader import NOWHERE, FaceReader, coloured
from emotion.face.tracking import Sighting
from emotion.fusion import softmax
from emotion.messages import InputError
from emotion.readings import Frame
from emotion.serving.label_map import LabelMap

# Where MobileFaceNet expects the landmarks of a face, in the order of ``Detection.landmarks``, in a picture of 112 x 112 pixels
# (opencv_zoo, facial_fer_model.py).
STANDARD = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
STANDARD_SIDE = 112
STANDARD_MOUTH_MIDDLE = np.vstack([STANDARD[:3], STANDARD[3:].mean(axis=0)])  # for detectors that do not find its corners

DETECT_SIDE = 640  # pixels of the longer side of the copy that is searched: YuNet misses faces far above 300
SCORE = 0.7  # of a detection that counts
OVERLAP = 0.3  # of two boxes, as a share of what they cover, above which they are one face
MOST_FACES = 50
CERTAIN = 0.9  # score that makes a face certain
AROUND = 3.0  # side of the square that is searched around a face's last place, in sides of the face


class OnnxFace(FaceReader):
    """A classifier of square colour pictures, whose values x from 0 to 255 it takes as (x / 255 - 0.5) / 0.5.

    Faces are turned, scaled and moved so that their landmarks lie where the model expects them.

    Parameters
    ----------
    choice : Choice
        With ``labels`` and ``input_size``.

    Raises
    ------
    InputError
        Where the size is missing, the file cannot be run, or the labels do not fit its outputs.
    """

    def __init__(self, choice: Choice):
        super().__init__(choice)
        if choice.input_size is None:
            raise InputError("model_without_input_size", model=choice.name)
        self.size = choice.input_size
        self.lock = threading.Lock()  # a network of OpenCV holds its input
        try:
            self.network = cv2.dnn.readNetFromONNX(str(model_file(choice, ".onnx")))
            trial = self._outputs(np.full((self.size, self.size, 3), 128, np.uint8))
        except cv2.error as e:
            raise InputError("model_not_runnable", model=choice.name, reason=e.err) from e
        self.labels = LabelMap.of([f"output {i}" for i in range(trial.size)], choice.labels)
        self.normalised = bool((trial >= 0).all() and abs(trial.sum() - 1) < 1e-3)  # the softmax is in the model
        self._logits([np.full((self.size, self.size, 3), 128, np.uint8)])

    def logits(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return self._logits([cv2.resize(coloured(crop), (self.size, self.size)) for crop in crops])

    def see(self, frames: Sequence[Frame], sightings: Sequence[Sighting]) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        faces = [aligned(frames[sighting.index].image, sighting.landmarks, self.size) for sighting in sightings]
        return self._logits(faces), [NOWHERE] * len(faces)

    def _logits(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        outputs = np.stack([self._outputs(face) for face in faces]).astype(np.float64)
        if not self.normalised:
            outputs = softmax(outputs)
        return self.labels.logits(outputs)

    def _outputs(self, face: np.ndarray) -> np.ndarray:
        """The network's outputs (n,) of one face. Not of several: its input may be fixed to one."""
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
            self.network = cv2.FaceDetectorYN.create(str(model_file(choice, ".onnx")), "", (32, 32), SCORE, OVERLAP, MOST_FACES)
            self.detect(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as e:
            raise InputError("model_of_another_kind", model=choice.name, kind="YuNet", reason=e.err) from e

    def detect(self, image: np.ndarray, thorough: bool = True) -> list[Detection]:
        """Always thorough."""
        scale = min(1.0, DETECT_SIDE / max(image.shape[:2]))
        small = cv2.cvtColor(shrunk(image, scale), cv2.COLOR_RGB2BGR)
        with self.lock:
            self.network.setInputSize(small.shape[1::-1])
            rows: np.ndarray | None = self.network.detect(small)[1]
        if rows is None:
            return []
        ratio = np.array(image.shape[1::-1]) / small.shape[1::-1]
        return distinct(
            Detection((row[4:14].reshape(5, 2) * ratio).astype(np.float32), min(1.0, float(row[14]) / CERTAIN))
            for row in rows
            if np.isfinite(row).all()
        )

    def look(self, image: np.ndarray, place: Place) -> Detection | None:
        cut, left, top = square_cut(image, place.x, place.y, AROUND * place.side)
        found = (detection.moved(left, top) for detection in self.detect(cut))
        return next((detection for detection in found if detection.place.is_near(place)), None)


def aligned(image: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """The face of an RGB image, its landmarks brought to STANDARD by the closest similarity transform; (size, size, 3).

    As the model's authors do, the transform is fitted from the standard places to the landmarks; outside the image it is black.
    """
    places = STANDARD if len(landmarks) == len(STANDARD) else STANDARD_MOUTH_MIDDLE
    standard, wanted = (points @ (1, 1j) for points in (places * size / STANDARD_SIDE, landmarks.astype(np.float64)))
    centred = standard - standard.mean()
    turn = (centred.conj() @ (wanted - wanted.mean())) / (centred.conj() @ centred)  # rotation and scaling, as a complex number
    shift = wanted.mean() - turn * standard.mean()
    to_image = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(image, to_image, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
