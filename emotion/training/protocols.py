"""The recipes of the bundled models under other protocols than their own: what other projects report, and what is harder.

``python -m emotion.training.protocols speech|text`` trains what each protocol needs, from EMOTION_DATA, and prints a Markdown
table.
"""

import dataclasses
import statistics
import sys
import zlib
from typing import Any

import numpy as np
import torch

from emotion.fusion import softmax
from emotion.labels import LABELS
from emotion.training import datasets, export, metrics, speech, text, training_loop
from emotion.training.datasets import Example
from emotion.training.experiments import run

FOUR = [LABELS.index(name) for name in ("angry", "happy", "neutral", "sad")]
ISEAR_FOLDS = 5
ISEAR_RECIPE = dataclasses.replace(text.RECIPE, epochs=6)  # of 3,400 texts each, a thirteenth of the bundled model's

# --- voice ---------------------------------------------------------------------------------------------------------------


def speech_protocols() -> list[dict[str, Any]]:
    """RAVDESS clips split at random, which shares the actors; and an ensemble that has heard no German, on EmoDB."""
    examples, encoder = speech.corpus(), speech.pretrained_encoder()
    clips, labels = speech.prepare(examples, speech.VARIANTS, encoder), np.array([e.label for e in examples])
    acted = speech.folds_of(examples) >= 0  # RAVDESS
    shared = acted & training_loop.held_out([e.id for e in examples], 0.2)

    def logits(name: str, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
        chosen, tested = np.flatnonzero(inside), np.flatnonzero(outside)
        members = speech.fit_members(clips.only(chosen), labels[chosen], speech.RECIPE, f"protocol{{}}-{name}")
        return speech.logits(members, speech.heard((examples[i].item for i in tested), encoder))

    speakers = np.array([e.group for e in examples])
    of_shared = logits("random", acted & ~shared, shared)
    of_other, other, others = logits("ravdess", acted, ~acted), labels[~acted], speakers[~acted]
    common = np.isin(other, FOUR)
    return [
        _row("RAVDESS, random 80/20 of the clips: the same actors on both sides", of_shared, labels[shared], speakers[shared]),
        _row("trained on RAVDESS, tested on EmoDB (German), its six labels", of_other, other, others, restrict=True),
        _row("the same, all seven labels to choose from", of_other, other, others),
        _row("the same, angry, happy, neutral and sad alone", of_other[common], other[common], others[common], restrict=True),
    ]


def _row(name: str, logits: np.ndarray, truth: np.ndarray, speakers: np.ndarray, restrict: bool = False) -> dict[str, Any]:
    probabilities = softmax(logits)
    return {
        "voice": name,
        "n": len(truth),
        "UAR": export.cell("uar", probabilities, truth, speakers, restrict),
        "accuracy": export.cell("accuracy", probabilities, truth, speakers, restrict),
        "ECE": f"{metrics.report(probabilities, truth, restrict)['ece']:.3f}",
    }


# --- text ----------------------------------------------------------------------------------------------------------------


def text_protocols() -> list[dict[str, Any]]:
    """ISEAR by five folds of its writers: MiniLM fine-tuned on the other writers' situations and nothing else."""
    examples = datasets.load("text", "isear", export.data_file("text"), "train")
    labels, folds = np.array([e.label for e in examples]), np.array([isear_fold(e) for e in examples])
    logits = np.zeros((len(examples), len(LABELS)), np.float32)
    for fold in range(ISEAR_FOLDS):
        inside = [e for e, where in zip(examples, folds, strict=True) if where != fold]
        outside = [e.item for e, where in zip(examples, folds, strict=True) if where == fold]
        torch.manual_seed(ISEAR_RECIPE.seed)
        network, tokenizer = text.begun(inside)
        checkpoint = training_loop.checkpoint_for(f"protocol-isear-fold{fold}", None, ISEAR_RECIPE)
        network = text.fit_network(network, tokenizer, inside, checkpoint, ISEAR_RECIPE, [])
        logits[folds == fold] = text.logits(network, tokenizer, outside)[0]
    figures = metrics.report(softmax(logits), labels, restrict=True)
    of_folds = [metrics.report(softmax(logits[folds == f]), labels[folds == f], True)["macro_f1"] for f in range(ISEAR_FOLDS)]
    return [
        {
            "text": "ISEAR, 5 folds by writer, its five labels",
            "n": figures["n"],
            "macro-F1 (folds)": f"{figures['macro_f1']:.3f} ({min(of_folds):.3f}-{max(of_folds):.3f})",
            "standard deviation": f"{statistics.pstdev(of_folds):.3f}",
            "accuracy": f"{figures['accuracy']:.3f}",
        }
    ]


def isear_fold(example: Example) -> int:
    """All situations of a writer are in one fold."""
    return zlib.crc32(example.group.encode()) % ISEAR_FOLDS


def main(argv: list[str] | None = None) -> int:
    return run(__doc__, {"speech": speech_protocols, "text": text_protocols}, argv)


if __name__ == "__main__":
    sys.exit(main())
