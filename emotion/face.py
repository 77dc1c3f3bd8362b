"""The face recogniser: a residual network over one 48 x 48 grey face."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from emotion.face_finder import follow
from emotion.fusion import calibrate
from emotion.labels import LABELS
from emotion.readings import FaceFrame, FaceReading, Frame
from emotion.weights import Choice, config, tensors

SIZE = 48  # pixels: FER2013's own
BATCH = 32
CONTRAST_FLOOR = 8.0  # grey levels: a flat crop is not blown up into noise


def preprocess(crops: Sequence[np.ndarray]) -> Tensor:
    """Faces, uint8 RGB (h, w, 3) or grey (h, w), as float32 (n, 1, 48, 48) of zero mean and unit variance each.

    Standardising each face takes the light of the room away, which says nothing about the person.
    """
    faces = np.empty((len(crops), SIZE, SIZE), np.float32)
    for face, crop in zip(faces, crops, strict=True):
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
        shrinking = min(grey.shape) > SIZE
        small = cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR).astype(np.float32)
        face[:] = (small - small.mean()) / max(float(small.std()), CONTRAST_FLOOR)
    return torch.from_numpy(faces).unsqueeze(1)


class FaceNetwork(nn.Module):
    """Residual network with squeeze-and-excitation, 0.23 G multiply-adds a face: (n, 1, 48, 48) to logits (n, 7).

    He et al. 2016 (identity mappings), Hu et al. 2018 (squeeze-and-excitation). Half of the resolution goes in the stem: at
    full 48 x 48 normalising and rectifying alone would take as long as all convolutions.
    """

    def __init__(self, width: int = 64, blocks: int = 2, dropout: float = 0.4):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False)  # (n, width, 24, 24)
        stages, channels = [], width
        for stage in range(3):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                stages.append(Residual(channels, width << stage, stride))
                channels = width << stage
        self.body = nn.Sequential(*stages, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))  # (n, 4 width, 6, 6)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, len(LABELS)))

    def forward(self, faces: Tensor) -> Tensor:
        return self.head(self.body(self.stem(faces.to(memory_format=torch.channels_last))))


class Residual(nn.Module):
    """Pre-activation block: two 3 x 3 convolutions, channel gates, and the way around them."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(inside), nn.ReLU(inplace=True))
        self.convolve = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
        )
        squeezed = outside // 8
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(outside, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, outside, 1), nn.Sigmoid()
        )
        same = stride == 1 and inside == outside
        self.around = None if same else nn.Conv2d(inside, outside, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.activate(x)
        change = self.convolve(active)
        return (x if self.around is None else self.around(active)) + change * self.gate(change)


@torch.inference_mode()
def mirrored_logits(network: nn.Module, faces: Tensor) -> np.ndarray:
    """Mean logits (n, 7) of standardised faces (n, 1, 48, 48) and their mirror images."""
    parts = [(network(part) + network(part.flip(3))).numpy() / 2 for part in faces.split(BATCH)]
    return np.concatenate(parts)


class FaceRecogniser:
    """A loaded face model. Thread-safe: nothing changes after loading."""

    def __init__(self, choice: Choice):
        self.info, self.temperature = choice.info, choice.temperature or 1.0
        self.network = FaceNetwork(**config(choice.path)["network"])
        self.network.load_state_dict(tensors(choice.path))
        self.network.to(memory_format=torch.channels_last).eval()

    def predict(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Calibrated probabilities, float32 (n, 7), of faces cut out of their pictures: uint8 RGB (h, w, 3) or grey (h, w).

        Each face is read as it is and mirrored, and the logits are averaged: a face means the same in a mirror.
        """
        if not len(crops):
            return np.zeros((0, len(LABELS)), np.float32)
        return calibrate(mirrored_logits(self.network, preprocess(crops)), self.temperature)

    def read(self, frames: Sequence[Frame]) -> FaceReading | None:
        """The Reading of the most persistent face in sampled frames (one for a picture), or None when there is none.

        Frames count by how clearly they show the face; the reliability is the share of sampled frames that show it clearly.
        """
        track = follow(frames)
        if not track.sightings:
            return None
        probabilities = self.predict([sighting.crop for sighting in track.sightings])
        weight = np.array([sighting.weight for sighting in track.sightings])
        share = weight / weight.sum() if weight.any() else np.full(len(weight), 1 / len(weight))
        return FaceReading(
            (share @ probabilities).astype(np.float32),
            min(1.0, track.clearness),
            track.faces,
            track.frames_sampled,
            len(track.sightings),
            tuple(
                FaceFrame(sighting.time, sighting.box, p, float(s))
                for sighting, p, s in zip(track.sightings, probabilities, share, strict=True)
            ),
        )
