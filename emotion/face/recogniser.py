"""The face recogniser: convolutional networks over one 48 x 48 grey face."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.nn.utils.fusion import fuse_conv_bn_eval

from emotion.checkpoint import Choice, config, fill, tensors
from emotion.face.reader import FaceReader
from emotion.face.tracking import Sighting
from emotion.labels import LABELS
from emotion.readings import Frame

SIZE = 48  # pixels: FER2013's own
BATCH = 32
MIRRORED = 16  # faces read at once, at most, that are read mirrored too
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
        layers: list[nn.Module] = []
        inside = 1
        for stage, widths in enumerate(stages):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for width in widths:
                layers += [nn.Conv2d(inside, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                inside = width
        self.body = nn.Sequential(*layers)  # (n, 256, 6, 6)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(inside, len(LABELS)))

    def forward(self, faces: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(faces.to(memory_format=torch.channels_last)).mean((2, 3)))
        return logits

    def evidence(self, faces: Tensor) -> Tensor:
        """Where in a face each logit comes from, (n, 7, 6, 6): the mean over the places is the logit (Zhou et al. 2016)."""
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        maps = self.body(faces.to(memory_format=torch.channels_last))
        return torch.einsum("nchw,lc->nlhw", maps, last.weight) + last.bias[:, None, None]


class FaceEnsemble(nn.Module):
    """FaceNetworks, alike but for the seed that they were trained from: the mean of their logits."""

    def __init__(self, members: int = 2):
        super().__init__()
        self.members = nn.ModuleList(FaceNetwork() for _ in range(members))

    @classmethod
    def load(cls, folder: Path) -> "FaceEnsemble":
        """The ensemble of a model folder, in evaluation mode."""
        ensemble = cls(**config(folder)["network"])
        fill(ensemble, tensors(folder), folder)
        convert_conv2d_weight_memory_format(ensemble, torch.channels_last)
        return ensemble.eval()

    @property
    def networks(self) -> list[FaceNetwork]:
        return [member for member in self.members if isinstance(member, FaceNetwork)]

    def evidence(self, faces: Tensor) -> Tensor:
        """As of FaceNetwork, the mean over the members."""
        return torch.stack([network.evidence(faces) for network in self.networks]).mean(dim=0)

    def folded(self) -> "FaceEnsemble":
        """Itself, with each normalisation multiplied into the convolution before it: the same answers, a tenth sooner."""
        for network in self.networks:
            layers: list[nn.Module] = []
            for layer in network.body:
                if isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.Conv2d):
                    layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
                else:
                    layers.append(layer)
            network.body = nn.Sequential(*layers)
        return self


@torch.inference_mode()
def plain_evidence(ensemble: FaceEnsemble, faces: Tensor) -> np.ndarray:
    """Evidence (n, 7, 6, 6) of standardised faces (n, 1, 48, 48)."""
    evidence: np.ndarray = torch.cat([ensemble.evidence(part) for part in faces.split(BATCH)]).numpy()
    return evidence


@torch.inference_mode()
def mirrored_evidence(ensemble: FaceEnsemble, faces: Tensor) -> np.ndarray:
    """Mean evidence (n, 7, 6, 6) of standardised faces (n, 1, 48, 48) and their mirror images, as in the former."""
    parts = []
    for part in faces.split(BATCH):
        plain, mirrored = ensemble.evidence(torch.cat([part, part.flip(3)])).chunk(2)
        parts.append((plain + mirrored.flip(3)).numpy() / 2)
    return np.concatenate(parts)


def mirrored_logits(ensemble: FaceEnsemble, faces: Tensor) -> np.ndarray:
    """Mean logits (n, 7) of standardised faces (n, 1, 48, 48) and their mirror images."""
    logits: np.ndarray = mirrored_evidence(ensemble, faces).mean(axis=(2, 3))
    return logits


def regions(evidence: np.ndarray, label: int) -> np.ndarray:
    """How much each place spoke for a label rather than for the others: evidence (7, 6, 6) to shares (6, 6) that sum to 1."""
    rather = np.maximum(evidence[label] - evidence.mean(axis=0), 0.0) + 1e-9
    shares: np.ndarray = rather / rather.sum()
    return shares


class FaceRecogniser(FaceReader):
    """The project's own face model. A face is read as it is and mirrored, as it means the same in a mirror.

    Of a longer video each is read once: the mean over its frames takes the noise away that the mirror image takes from one.
    """

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.ensemble = FaceEnsemble.load(choice.local).folded()

    def logits(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return mirrored_logits(self.ensemble, preprocess(crops))

    def see(self, frames: Sequence[Frame], sightings: Sequence[Sighting]) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        evidence_of = mirrored_evidence if len(sightings) <= MIRRORED else plain_evidence
        evidence = evidence_of(self.ensemble, preprocess([sighting.crop for sighting in sightings]))
        logits = evidence.mean(axis=(2, 3))
        return logits, [regions(maps, int(scores.argmax())) for maps, scores in zip(evidence, logits, strict=True)]
