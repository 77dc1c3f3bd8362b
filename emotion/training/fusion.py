"""Finds the fusion weights on held-out readings."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

import emotion
from emotion.labels import LABELS, MODALITIES
from emotion.readings import InputError
from emotion.training import datasets, evaluation, export, loop, metrics
from emotion.weights import DEFAULT_FILE

log = logging.getLogger(__name__)

STEP = 20  # the simplex is searched in twentieths
PER_LABEL = 400  # pairs drawn for each label


def train(dataset: tuple[str, str] | None, out: Path | None, epochs: int | None) -> dict[str, Any]:
    """Search the weights that give held-out readings of the same label the best likelihood, and write them to weights.yaml.

    No public set with text, voice and face of the same moments is at hand, so readings of different people with one label are put
    together: text and face from the tenth held out of training, voices out of fold. Such triples are independent given the label,
    which flatters every fusion: the figures choose between weights and promise nothing about one person's three modalities.
    """
    if dataset is not None or out is not None or epochs is not None:
        raise InputError("train fusion takes no --dataset, --out or --epochs: it reads EMOTION_DATA and writes weights.yaml.")
    readings = _held_out_readings()
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(LABELS)), PER_LABEL)
    drawn = {
        name: probabilities[np.concatenate([rng.choice(np.flatnonzero(labels == i), PER_LABEL) for i in range(len(LABELS))])]
        for name, (probabilities, labels) in readings.items()
    }
    grid = [(i / STEP, j / STEP, (STEP - i - j) / STEP) for i in range(STEP + 1) for j in range(STEP + 1 - i)]
    losses = [_loss(_fused(drawn, weights), truth) for weights in grid]
    best = grid[int(np.argmin(losses))]
    for name, weight in zip(MODALITIES, best, strict=True):
        export.update_entry(DEFAULT_FILE, name, export.bundled(name).path, {"fusion_weight": weight})
    alone = {f"{name}_uar": metrics.report(p, truth)["uar"] for name, p in drawn.items()}
    return {
        "n": len(truth),
        "weights": dict(zip(MODALITIES, best, strict=True)),
        **alone,
        "loss": min(losses),
        **metrics.report(_fused(drawn, best), truth),
    }


def _held_out_readings() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Modality to probabilities (n, 7) and labels (n,), none of them seen in training."""
    analyzer = emotion.load("bundled")
    folder = export.data_file("text")
    text = [e for name in ("goemotions", "meld", "isear") for e in datasets.load("text", name, folder, "train")]
    face = datasets.load("face", "fer2013", export.data_file("fer2013"), "train")
    result = {}
    for name, examples in (("text", text), ("face", face)):
        held = loop.held_out([e.group for e in examples])
        kept = [e for e, hold in zip(examples, held, strict=True) if hold]
        log.info("reading %d held-out examples of %s", len(kept), name)
        result[name] = evaluation.predict(getattr(analyzer, name), kept), np.array([e.label for e in kept])
    voices = datasets.load("speech", "ravdess", export.data_file("ravdess"))
    stored = json.loads((export.bundled("speech").path / "oof.json").read_text("utf-8"))["probabilities"]
    result["speech"] = np.array([stored[e.id] for e in voices], np.float32), np.array([e.label for e in voices])
    return {name: result[name] for name in MODALITIES}


def _fused(drawn: dict[str, np.ndarray], weights: tuple[float, ...]) -> np.ndarray:
    return sum(weight * drawn[name] for name, weight in zip(MODALITIES, weights, strict=True))


def _loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean negative log-likelihood, nats."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-9)).mean())
