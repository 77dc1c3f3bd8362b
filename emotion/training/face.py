"""Training of the face model."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from emotion.face.recogniser import SIZE, FaceEnsemble, FaceNetwork, FaceRecogniser, mirrored_logits, plain_evidence, preprocess
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.training import datasets, export, training_loop
from emotion.training.datasets import Example

log = logging.getLogger(__name__)

# 50 epochs of 25,200 faces at 0.16 G multiply-adds, three passes each: 0.6 P multiply-adds a member,
# an hour of one core with AMX.
RECIPE = training_loop.Recipe(epochs=50, batch_size=128, learning_rate=2e-3, weight_decay=0.05, label_smoothing=0.1, ema=0.999)
MEMBERS = 2  # of the ensemble, alike but for their seeds
BALANCE = 0.5  # exponent of the class weights: full balance costs more accuracy than it gains recall of 1.5 % disgust

CARD = export.Card(
    title="Face: seven emotions from one 48 x 48 grey face",
    licence="other",
    about="""
Two convolutional networks of four stages, alike but for their seeds (3.8 M parameters, 0.31 G multiply-adds a face), whose
logits are averaged; trained from scratch with a class-balanced loss and random views. A face is read as it is and mirrored;
where a video shows it in more than 16 frames, as it is alone. A tenth of the training pictures was held out for the calibration
temperature; pictures that stand in the validation part too, mirrored or not, were left out.

The training pictures came from a repack of FER2013 whose contrast had been equalised (standard deviation 77 grey levels for 54
of the official pixels) and whose file names had lost the row. The figures below are on the official pixels of the validation
part, which were in no training; on the repack's copy of it (n 3,589) the accuracy was 0.684. Which of the official training
pictures were held out can no longer be told, so nothing may be fitted on them with these weights.

Nobody knows which of these pictures show one person, so whether a personal baseline helps a face could not be measured: its
strength and the bound of what is refused are those of the voice. On the validation part, whose neutral faces it is compared with,
a stranger's neutral face as the baseline, which should not help, takes 0.005 of the accuracy (0.673); refused are 0.044
(0.029-0.061) of the neutral faces, and 0.852 (0.832-0.871) of those with another label by 8 votes of ten
(`python -m emotion.training.baseline face`).""",
    data="""
FER2013 `train` (Goodfellow et al. 2013): 28,709 grey faces of 48 x 48 pixels from image search, labelled by one person each.""",
    limits="""
People agree with FER2013's labels in about two cases of three. The pictures show posed and exaggerated faces as search engines
find them, mostly young and light-skinned ones; fear and sadness are told apart least. The model reads an expression, not a
feeling.""",
    licences="FER2013 is for research use, and so are these weights: non-commercial.",
    command="python -m emotion train face",
)


def train(dataset: tuple[str, str] | None, out: Path | None, epochs: int | None) -> dict[str, Any]:
    """Train the bundled model from FER2013, or train the model in use on with another data set; returns its figures."""
    if dataset is None:
        (chosen, watch, reported), start, mark = examples_of(export.data_file("ferplus")), None, None
    else:
        examples = datasets.load("face", *dataset, "all")
        (chosen, watch), reported, mark = training_loop.split(examples), [], training_loop.fingerprint(examples)
        start = FaceEnsemble.load(bundled("face", DEFAULT_FILE).local)
    recipe = training_loop.adapted(RECIPE, start is not None, epochs, len(chosen))
    ensemble = FaceEnsemble(MEMBERS if start is None else len(start.members))
    for number, member in enumerate(ensemble.networks):
        seeded = dataclasses.replace(recipe, seed=number)
        begun = None if start is None else start.networks[number]
        trained = fit_network(chosen, training_loop.checkpoint_for("face", mark, seeded), seeded, watch, begun)
        member.load_state_dict(trained.state_dict())
    convert_conv2d_weight_memory_format(ensemble.eval(), torch.channels_last)

    truth = np.array([e.label for e in watch])
    enough = len(watch) >= training_loop.ENOUGH
    temperature = (
        training_loop.fit_temperature(mirrored_logits(ensemble, preprocess([e.item for e in watch])), truth) if enough else None
    )
    out = out or (export.MODELS / "face" if dataset is None else Path("emotion-face"))
    export.save(out, ensemble.state_dict(), {"network": {"members": len(ensemble.members)}, "recipe": dataclasses.asdict(recipe)})
    notes = _without_mirror(ensemble, reported) if reported else ""
    return export.report("face", out, temperature, CARD, _figures(out, temperature, watch, reported), notes)


def examples_of(path: Path) -> tuple[list[Example], list[Example], list[Example]]:
    """Of FER2013 what the bundled model learns from, the held-out tenth, the validation part; no picture is in two of them."""
    reported = datasets.load("face", "ferplus", path, "validation")
    chosen, held = training_loop.split(without_copies(datasets.load("face", "ferplus", path, "train"), reported))
    return without_copies(chosen, held) if held else chosen, held, reported


def _figures(out: Path, temperature: float | None, watch: list[Example], reported: list[Example]) -> list[export.Figures]:
    model = FaceRecogniser(export.trained("face", out, temperature))
    rows = []
    if watch:
        rows.append(export.Figures.of("held-out 10 % of train", model, watch, command=None))
    if reported:
        rows.append(
            export.Figures.of("FER2013 validation", model, reported, "evaluate face --dataset ferplus PATH --split validation")
        )
    return rows


def _without_mirror(ensemble: FaceEnsemble, reported: list[Example]) -> str:
    answers = plain_evidence(ensemble, preprocess([e.item for e in reported])).mean(axis=(2, 3))
    right = answers.argmax(axis=1) == np.array([e.label for e in reported])
    return f"FER2013 validation by the face alone, without its mirror image: accuracy {right.mean():.3f}."


def without_copies(examples: list[Example], others: Iterable[Example]) -> list[Example]:
    """The examples whose picture, or its mirror image, is not among ``others``. FER2013 repeats pictures across its parts.

    Two pictures count as the same when the signs of their horizontal gradients (difference hash, 16 x 16 bits) differ in at
    most 5 % of places: the same photograph saved or cropped once more by a pixel, not two photographs of one person.
    """
    theirs = _difference_hash([e.item for e in others])
    theirs = np.concatenate([theirs, _difference_hash([e.item[:, ::-1] for e in others])])
    mine = _difference_hash([e.item for e in examples])
    copied = np.zeros(len(mine), bool)
    for start in range(0, len(mine), 2000):
        # Rows are +-1, so a product of 256 - 2 d means that d bits differ.
        copied[start : start + 2000] = ((mine[start : start + 2000] @ theirs.T).max(axis=1)) >= 256 - 2 * 12
    log.info("left out %d of %d training pictures that stand in another part too", copied.sum(), len(mine))
    return [e for e, copy in zip(examples, copied, strict=True) if not copy]


def _difference_hash(pictures: list[np.ndarray]) -> np.ndarray:
    small = [cv2.resize(np.ascontiguousarray(p), (17, 16), interpolation=cv2.INTER_AREA).astype(np.float32) for p in pictures]
    return np.where(np.diff(np.stack(small), axis=2) > 0, 1.0, -1.0).astype(np.float32).reshape(len(small), -1)


def augment(faces: Tensor) -> Tensor:
    """Random views of standardised faces (n, 1, 48, 48): mirror, turn, zoom, shift, contrast, noise, blur, a masked rectangle."""
    n = len(faces)
    angle = torch.empty(n).uniform_(-0.26, 0.26)  # 15 degrees
    zoom = torch.empty(n).uniform_(0.8, 1.2)
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    shift = torch.empty(n, 2).uniform_(-0.15, 0.15)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack([torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1)
    grid = nn.functional.affine_grid(theta, list(faces.shape), align_corners=False)
    faces = nn.functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)
    blurred = nn.functional.avg_pool2d(faces, 3, stride=1, padding=1, count_include_pad=False)
    faces = torch.where(torch.rand(n, 1, 1, 1) < 0.15, blurred, faces)
    faces = faces * torch.empty(n, 1, 1, 1).uniform_(0.7, 1.3) + torch.empty(n, 1, 1, 1).uniform_(-0.3, 0.3)
    faces = faces + torch.randn_like(faces) * torch.empty(n, 1, 1, 1).uniform_(0, 0.1)
    return _mask(faces)


def _mask(faces: Tensor) -> Tensor:
    """A grey rectangle over half of the faces (Zhong et al. 2020), so that no single feature carries the answer."""
    n = len(faces)
    size = torch.randint(6, 21, (n, 2))
    corner = (torch.rand(n, 2) * (SIZE - size)).long()
    at = torch.arange(SIZE)
    rows = (at >= corner[:, :1]) & (at < (corner + size)[:, :1])
    columns = (at >= corner[:, 1:]) & (at < (corner + size)[:, 1:])
    masked = rows[:, :, None] & columns[:, None, :] & (torch.rand(n, 1, 1) < 0.5)
    return faces.masked_fill(masked.unsqueeze(1), 0.0)


def fit_network(
    examples: list[Example],
    checkpoint: Path,
    recipe: training_loop.Recipe,
    watch: list[Example],
    start: FaceNetwork | None = None,
) -> FaceNetwork:
    """Train a FaceNetwork, new or from ``start``; the accuracy on ``watch`` is logged after each epoch and chooses nothing."""
    faces, labels = preprocess([e.item for e in examples]), np.array([e.label for e in examples])
    targets = training_loop.one_hot(labels)
    watched, truth = preprocess([e.item for e in watch]), np.array([e.label for e in watch])

    def accuracy(network: nn.Module) -> float:
        return float((logits(network, watched).argmax(axis=1) == truth).mean())

    def batches(epoch: int, rng: np.random.Generator) -> Iterator[training_loop.Batch]:
        order = rng.permutation(len(faces))
        for start in range(0, len(order) - recipe.batch_size + 1, recipe.batch_size):
            rows = torch.as_tensor(order[start : start + recipe.batch_size])
            yield (augment(faces[rows]),), targets[rows]

    torch.manual_seed(recipe.seed)
    network = start or FaceNetwork()
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    return training_loop.fit(
        network,
        batches,
        len(faces) // recipe.batch_size,
        recipe,
        loss=training_loop.balanced_loss(labels, BALANCE, recipe.label_smoothing),
        checkpoint=checkpoint,
        score=accuracy if watch else None,
    )


@torch.inference_mode()
def logits(network: nn.Module, faces: Tensor) -> np.ndarray:
    """(n, 7) for standardised faces (n, 1, 48, 48)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training_loop.fast_bfloat16()):
        return torch.cat([network(part).float() for part in faces.split(256)]).numpy()
