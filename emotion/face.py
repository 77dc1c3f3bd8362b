"""The face recogniser: a convolutional network over one 48 x 48 grey face."""

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
    """Convolutions of 3 x 3 in four stages of half the resolution each: (n, 1, 48, 48) to logits (n, 7).

    After Simonyan & Zisserman 2015 with batch normalisation, the mean over the last map, and one linear layer, 0.16 G
    multiply-adds a face. The first stage is narrow: at 48 x 48 normalising and rectifying cost more than multiplying.
    """

    def __init__(
        self, stages: Sequence[Sequence[int]] = ((32, 32), (64, 64), (128, 128, 128), (256, 256, 256)), dropout: float = 0.3
    ):
        super().__init__()
        layers, inside = [], 1
        for stage, widths in enumerate(stages):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for width in widths:
                layers += [nn.Conv2d(inside, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                inside = width
        self.body = nn.Sequential(*layers)  # (n, 256, 6, 6)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(inside, len(LABELS)))

    def forward(self, faces: Tensor) -> Tensor:
        return self.head(self.body(faces.to(memory_format=torch.channels_last)).mean((2, 3)))

    def evidence(self, faces: Tensor) -> Tensor:
        """Where in a face each logit comes from, (n, 7, 6, 6): the mean over the places is the logit (Zhou et al. 2016)."""
        last = self.head[-1]
        maps = self.body(faces.to(memory_format=torch.channels_last))
        return torch.einsum("nchw,lc->nlhw", maps, last.weight) + last.bias[:, None, None]


@torch.inference_mode()
def mirrored_evidence(network: FaceNetwork, faces: Tensor) -> np.ndarray:
    """Mean evidence (n, 7, 6, 6) of standardised faces (n, 1, 48, 48) and their mirror images, as in the former."""
    parts = [(network.evidence(part) + network.evidence(part.flip(3)).flip(3)).numpy() / 2 for part in faces.split(BATCH)]
    return np.concatenate(parts)


def mirrored_logits(network: FaceNetwork, faces: Tensor) -> np.ndarray:
    """Mean logits (n, 7) of standardised faces (n, 1, 48, 48) and their mirror images."""
    return mirrored_evidence(network, faces).mean(axis=(2, 3))


def regions(evidence: np.ndarray, label: int) -> np.ndarray:
    """How much each place spoke for a label rather than for the others: evidence (7, 6, 6) to shares (6, 6) that sum to 1."""
    rather = np.maximum(evidence[label] - evidence.mean(axis=0), 0.0) + 1e-9
    return rather / rather.sum()


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
        evidence = mirrored_evidence(self.network, preprocess([sighting.crop for sighting in track.sightings]))
        probabilities = calibrate(evidence.mean(axis=(2, 3)), self.temperature)
        weight = np.array([sighting.weight for sighting in track.sightings])
        share = weight / weight.sum() if weight.any() else np.full(len(weight), 1 / len(weight))
        return FaceReading(
            (share @ probabilities).astype(np.float32),
            min(1.0, track.clearness),
            track.faces,
            track.frames_sampled,
            len(track.sightings),
            tuple(
                FaceFrame(sighting.time, sighting.box, p, float(s), regions(maps, int(p.argmax())))
                for sighting, p, s, maps in zip(track.sightings, probabilities, share, evidence, strict=True)
            ),
        )
