"""Finds the fusion weights on held-out readings."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

import emotion
from emotion.analyzer import Analyzer
from emotion.labels import LABELS, MODALITIES
from emotion.readings import InputError
from emotion.training import datasets, evaluation, export, loop, metrics
from emotion.weights import DEFAULT_FILE

log = logging.getLogger(__name__)

STEP = 20  # the simplex is searched in twentieths
PER_LABEL = 400  # pairs drawn for each label
MAX_LOSS = 0.03  # of unweighted average recall, to a modality that says nothing
SENTENCES = ("kids are talking by the door", "dogs are sitting by the door")  # RAVDESS's
HEARD = 0.65  # how far speech to text is relied upon where it hears them: 1 less its word error rate on them


def train(dataset: tuple[str, str] | None, out: Path | None, epochs: int | None) -> dict[str, Any]:
    """Search the weights with which held-out readings are named right most often, and write them to weights.yaml.

    No public set with text, voice and face of the same moments is at hand, so readings of different people with one label are put
    together: text and face from the tenth held out of training, voices out of fold. Such triples are independent given the label,
    which flatters every fusion. So only weights count with which a modality that says nothing takes at most MAX_LOSS of unweighted
    average recall from a voice: the plain sentence that RAVDESS's actors say, as speech to text would hear it, and random letters.
    """
    if dataset is not None or out is not None or epochs is not None:
        raise InputError("train fusion takes no --dataset, --out or --epochs: it reads EMOTION_DATA and writes weights.yaml.")
    analyzer = emotion.load("bundled")
    readings = _held_out_readings(analyzer)
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(LABELS)), PER_LABEL)
    drawn = {
        name: probabilities[np.concatenate([rng.choice(np.flatnonzero(labels == i), PER_LABEL) for i in range(len(LABELS))])]
        for name, (probabilities, labels) in readings.items()
    }
    voices, said = readings["speech"], _empty_words(analyzer)
    grid = [(i / STEP, j / STEP, (STEP - i - j) / STEP) for i in range(STEP + 1) for j in range(STEP + 1 - i)]
    allowed = [weights for weights in grid if max(_losses(voices, said, weights).values()) <= MAX_LOSS]
    # By recall, not by likelihood: a weighted mean is never surer than its surest part, so likelihood would give all to one.
    best = max(allowed, key=lambda weights: metrics.report(_fused(drawn, weights), truth)["uar"])
    for name, weight in zip(MODALITIES, best, strict=True):
        export.update_entry(DEFAULT_FILE, name, export.bundled(name).path, {"fusion_weight": weight})
    alone = {f"{name}_uar": metrics.report(p, truth)["uar"] for name, p in drawn.items()}
    others = {"product": np.exp(sum(np.log(p + 1e-9) for p in drawn.values())), "equal": _fused(drawn, (1 / 3, 1 / 3, 1 / 3))}
    return {
        "n": len(truth),
        "weights": dict(zip(MODALITIES, best, strict=True)),
        "taken_from_voice": _losses(voices, said, best),
        **alone,
        **{f"{name}_uar": metrics.report(p / p.sum(axis=1, keepdims=True), truth)["uar"] for name, p in others.items()},
        "loss": _loss(_fused(drawn, best), truth),
        **metrics.report(_fused(drawn, best), truth),
    }


def _empty_words(analyzer: Analyzer) -> dict[str, tuple[np.ndarray, float]]:
    """What the text model says of words that say nothing, and how far it is to be relied upon: probabilities (7,), reliability."""
    heard = {sentence: (sentence, HEARD) for sentence in SENTENCES}
    result = {}
    for name, (text, confidence) in (heard | {"random letters": ("xqzt kfjw plmqz vbn wqrtz", 1.0)}).items():
        reading = analyzer.text.read(text, confidence)
        result[name] = reading.probabilities, reading.reliability
    return result


def _losses(
    voices: tuple[np.ndarray, np.ndarray], said: dict[str, tuple[np.ndarray, float]], weights: tuple[float, ...]
) -> dict[str, float]:
    """How much unweighted average recall each text takes from voices, (n, 7) and their labels."""
    probabilities, labels = voices
    share = dict(zip(MODALITIES, weights, strict=True))
    alone = metrics.report(probabilities, labels)["uar"]
    result = {}
    for name, (words, reliability) in said.items():
        total = share["speech"] + reliability * share["text"]
        fused = (share["speech"] * probabilities + reliability * share["text"] * words) / (total or 1.0)
        result[name] = round(alone - metrics.report(fused, labels)["uar"], 4) if share["speech"] else alone
    return result


def _held_out_readings(analyzer: Analyzer) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Modality to probabilities (n, 7) and labels (n,), none of them seen in training."""
    folder = export.data_file("text")
    text = [e for name in ("goemotions", "meld", "isear") for e in datasets.load("text", name, folder, "train")]
    face = datasets.load("face", "fer2013", export.data_file("fer2013"), "train")
    result = {}
    for name, examples in (("text", text), ("face", face)):
        _, kept = loop.split(examples)
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
