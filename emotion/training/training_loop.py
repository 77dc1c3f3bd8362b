"""The training loop that the three models share: AdamW, cosine schedule, averaged weights, checkpoints that resume."""

import copy
import dataclasses
import hashlib
import logging
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from emotion.fusion import calibrate
from emotion.labels import LABELS
from emotion.training import metrics
from emotion.training.datasets import Example, Item

log = logging.getLogger(__name__)

TEMPERATURES = np.exp(np.linspace(math.log(0.25), math.log(8.0), 400))  # to choose from
Network = TypeVar("Network", bound=nn.Module)
ENOUGH = 100  # held-out examples from which a temperature is worth fitting

Resumable = nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler
Batch = tuple[tuple[Tensor, ...], Any]  # what the network takes, what the loss takes beside the network's output


@dataclass(frozen=True)
class Recipe:
    """How to train. ``ema``: decay per step of the averaged weights that are kept in the end; ``warmup``: share of all steps."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.05
    label_smoothing: float = 0.0
    ema: float = 0.999
    seed: int = 0


def fit(
    network: Network,
    batches: Callable[[int, np.random.Generator], Iterable[Batch]],
    steps_per_epoch: int,
    recipe: Recipe,
    *,
    loss: Callable[[Any, Any], Tensor],
    checkpoint: Path,
    score: Callable[[nn.Module], float] | None = None,
    parameter_groups: list[dict] | None = None,
) -> Network:
    """Train ``network`` and return its averaged copy, in evaluation mode.

    ``batches(epoch, rng)`` yields one epoch. ``loss(output, target)`` is that of a batch. After every epoch the state goes to
    ``checkpoint``, and a later call with the same path goes on from there. ``score`` is only logged: it never picks an epoch.
    """
    total = recipe.epochs * steps_per_epoch
    optimizer = torch.optim.AdamW(
        parameter_groups or network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, total, recipe.warmup))
    averaged = copy.deepcopy(network).requires_grad_(False)
    first, step = _resume(checkpoint, network, averaged, optimizer, schedule)
    for epoch in range(first, recipe.epochs):
        start, losses = time.monotonic(), []
        rng = np.random.default_rng([recipe.seed, epoch])
        torch.manual_seed(recipe.seed * 10_000 + epoch)
        network.train()
        for inputs, target in batches(epoch, rng):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16()):
                output = network(*inputs)
            error = loss(output, target)
            optimizer.zero_grad(set_to_none=True)
            error.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            _average(averaged, network, min(recipe.ema, (1 + step) / (10 + step)))
            losses.append(error.item())
        note = f"  score {score(averaged.eval()):.4f}" if score else ""
        seconds = time.monotonic() - start
        log.info("epoch %d/%d  loss %.4f%s  %.0f s", epoch + 1, recipe.epochs, np.mean(losses), note, seconds)
        _save(checkpoint, epoch + 1, step, network, averaged, optimizer, schedule)
    return averaged.eval()


def balanced_loss(labels: np.ndarray, power: float, smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy of logits (n, 7) against target probabilities (n, 7); a row weighs as its target by balanced_weights."""
    weights = torch.as_tensor(balanced_weights(labels, power), dtype=torch.float32)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        smooth = targets * (1 - smoothing) + smoothing / targets.shape[1]
        per_row = -(smooth * logits.float().log_softmax(dim=1)).sum(dim=1)
        row_weight = targets @ weights
        return (per_row * row_weight).sum() / row_weight.sum().clamp(min=1e-9)

    return loss


def balanced_weights(labels: np.ndarray, power: float) -> np.ndarray:
    """Class weights n_c ** -power, averaging 1 over the examples: 1 balances fully, 0.5 halves the imbalance, 0 leaves it."""
    if not len(labels):
        return np.ones(len(LABELS))
    counts = np.bincount(labels, minlength=len(LABELS)).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0.0)
    balanced: np.ndarray = weights * counts.sum() / (weights * counts).sum()
    return balanced


def one_hot(labels: np.ndarray, classes: int = len(LABELS)) -> Tensor:
    return torch.eye(classes)[torch.as_tensor(labels)]


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that minimises the negative log-likelihood on held-out data (Guo et al. 2017), found on a fine grid."""
    rows = torch.as_tensor(logits, dtype=torch.float64)
    target = torch.as_tensor(truth)
    losses = [nn.functional.cross_entropy(rows / t, target).item() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def fit_temperature_of_sets(logits: np.ndarray, truth: np.ndarray, sets: Sequence[str]) -> float:
    """The temperature that leaves the smallest calibration error in whichever of several data sets it fits worst.

    What a visitor says resembles none of the sets for certain, so the largest must not decide alone (as the worst group does in
    Sagawa et al. 2020).

    Parameters: ``logits`` (n, 7), ``truth`` (n,), and of which set each row is, (n,).
    """
    parts = [np.array(sets) == name for name in sorted(set(sets))]
    worst = [max(metrics.calibration_error(calibrate(logits[p], t), truth[p]) for p in parts) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(worst))])


def held_out(groups: list[str], share: float = 0.1) -> np.ndarray:
    """A fixed part of the training data, (n,) bool, chosen by a hash of the group: the same in every run and for every model."""
    return np.array([zlib.crc32(group.encode()) % 1000 < share * 1000 for group in groups])


def split(examples: list[Example[Item]]) -> tuple[list[Example[Item]], list[Example[Item]]]:
    """What is trained on, and the held-out tenth."""
    held = held_out([e.group for e in examples])
    return [e for e, hold in zip(examples, held, strict=True) if not hold], [
        e for e, hold in zip(examples, held, strict=True) if hold
    ]


def checkpoint_folder() -> Path:
    """Where checkpoints live: EMOTION_CHECKPOINTS, else the user's cache."""
    folder = Path(os.environ.get("EMOTION_CHECKPOINTS") or Path.home() / ".cache" / "emotion" / "checkpoints")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def adapted(recipe: Recipe, goes_on: bool, epochs: int | None, examples: int) -> Recipe:
    """The recipe for fewer epochs, fewer examples than a batch, or a network that is trained already: a tenth of the rate."""
    return dataclasses.replace(
        recipe,
        epochs=epochs or (max(1, recipe.epochs // 4) if goes_on else recipe.epochs),
        batch_size=max(2, min(recipe.batch_size, examples)),
        learning_rate=recipe.learning_rate * (0.1 if goes_on else 1.0),
    )


def checkpoint_for(name: str, dataset: str | None, recipe: Recipe) -> Path:
    """A checkpoint of its own for each model, data set (its fingerprint, None for the bundled model's) and recipe."""
    key = hashlib.sha256(f"{dataset} {recipe}".encode()).hexdigest()[:12]
    return checkpoint_folder() / f"{name}-{key}.ckpt"


def fingerprint(examples: list[Example]) -> str:
    """Of names, labels and contents: another when a clip came, went, changed or got another label."""
    digest = hashlib.sha256()
    for example in examples:
        content = example.item.encode() if isinstance(example.item, str) else np.ascontiguousarray(example.item).tobytes()
        known = f"{example.id} {example.label} {example.valence} {example.emotions}"
        several = f" {example.labels}" if example.labels else ""  # so that rows of one label keep their checkpoints
        digest.update(f"{known}{several}".encode() + content)
    return digest.hexdigest()[:16]


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware."""
    # Without AMX or AVX512-BF16 bfloat16 is emulated and slower than float32.
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _cosine(step: int, total: int, warmup: float) -> float:
    rise = max(1, int(total * warmup))
    return (step + 1) / rise if step < rise else 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _save(checkpoint: Path, epoch: int, step: int, *parts: Resumable) -> None:
    partial = checkpoint.with_suffix(".partial")
    torch.save({"epoch": epoch, "step": step, "parts": [part.state_dict() for part in parts]}, partial)
    partial.replace(checkpoint)


def _resume(checkpoint: Path, *parts: Resumable) -> tuple[int, int]:
    if not checkpoint.exists():
        return 0, 0
    state = torch.load(checkpoint, weights_only=True)
    for part, saved in zip(parts, state["parts"], strict=True):
        part.load_state_dict(saved)
    log.info("resuming %s after epoch %d", checkpoint.name, state["epoch"])
    return state["epoch"], state["step"]
