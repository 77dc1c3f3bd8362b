"""What must not decide: another microphone, room or level for the voice; a name, an emoji or the length for a text.

``python -m emotion.training.checks speech|text`` prints a Markdown table, from EMOTION_DATA.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import soxr
import torch
from scipy.signal import butter, fftconvolve, sosfilt

import emotion
from emotion.labels import LABELS
from emotion.media import SAMPLE_RATE
from emotion.speech import encoder_input, features, filter_banks
from emotion.training import datasets, evaluation, export, metrics, speech
from emotion.training.experiments import run

SNR_DB = 10.0
TELEPHONE_HZ = (300, 3400)
REVERBERATION_S, DIRECT_DB = 0.5, 3.0  # to -60 dB; the direct sound over the tail
QUIETER_DB = 20.0


# --- voice: every condition through the networks of the fold that has not heard the speaker -------------------------------------------


def _noisy(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return samples + rng.standard_normal(len(samples)) * samples.std() * 10 ** (-SNR_DB / 20)


def _telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return sosfilt(butter(4, TELEPHONE_HZ, "bandpass", fs=SAMPLE_RATE, output="sos"), samples)


def _room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tail = rng.standard_normal(int(REVERBERATION_S * SAMPLE_RATE))
    tail *= 10 ** (-3 * np.arange(len(tail)) / len(tail))
    tail *= 10 ** (-DIRECT_DB / 20) / np.linalg.norm(tail)
    tail[0] = 1.0
    return fftconvolve(samples, tail)


def _through_rate(hertz: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda samples, rng: soxr.resample(soxr.resample(samples, SAMPLE_RATE, hertz), hertz, SAMPLE_RATE)


CONDITIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "as recorded": lambda samples, rng: samples,
    f"white noise, {SNR_DB:.0f} dB under the recording": _noisy,
    f"telephone band, {TELEPHONE_HZ[0]} to {TELEPHONE_HZ[1]} Hz": _telephone,
    f"room, {REVERBERATION_S} s of reverberation": _room,
    f"{QUIETER_DB:.0f} dB quieter": lambda samples, rng: samples * 10 ** (-QUIETER_DB / 20),
    "from 8 kHz": _through_rate(8_000),
    "from 48 kHz": _through_rate(48_000),
}


def check_speech() -> list[dict[str, Any]]:
    """UAR on RAVDESS actors 1-20, out of fold, under each condition; and of each of the two sentences."""
    examples, encoder = speech.corpus(), speech.pretrained_encoder()
    clips, labels = speech.prepare(examples, speech.VARIANTS, encoder), np.array([e.label for e in examples])
    folds = speech.folds_of(examples)
    members = {}
    for fold in range(speech.FOLDS):  # these go on from the checkpoints of train speech
        inside = np.flatnonzero(folds != fold)
        members[fold] = speech.fit_members(clips.only(inside), labels[inside], speech.RECIPE, f"speech{{}}-fold{fold}")
    tested = np.flatnonzero(folds >= 0)
    rows, before = [], None
    for name, condition in CONDITIONS.items():
        heard = _heard([examples[i].item for i in tested], condition, encoder)
        logits = np.zeros((len(tested), len(LABELS)), np.float32)
        for fold, committee in members.items():
            chosen = np.flatnonzero(folds[tested] == fold)
            logits[chosen] = speech.logits(committee, heard.only(chosen))
        rows.append(_voice_row(name, logits, labels[tested], before))
        if before is None:
            before = metrics.report(logits, labels[tested])["uar"]
            sentence = np.array([datasets.ravdess_clip(examples[i].id)["sentence"] for i in tested])
            rows += [
                _voice_row(f"sentence {which} alone", logits[sentence == which], labels[tested][sentence == which], before)
                for which in (1, 2)
            ]
    return rows


def _voice_row(name: str, logits: np.ndarray, labels: np.ndarray, before: float | None) -> dict[str, Any]:
    figures = metrics.report(logits, labels)
    recalls = [row[i] / sum(row) for i, row in enumerate(figures["confusion"])]
    lowest = int(np.argmin(recalls))
    return {
        "voice": name,
        "n": len(labels),
        "UAR": f"{figures['uar']:.3f}",
        "difference": "" if before is None else f"{figures['uar'] - before:+.3f}",
        "lowest recall": f"{LABELS[lowest]} {recalls[lowest]:.2f}",
    }


@torch.inference_mode()
def _heard(recordings: list[np.ndarray], condition: Callable, encoder: speech.SpeakerEncoder) -> speech.Clips:
    banks, frames, states = filter_banks(), [], []
    for number, samples in enumerate(recordings):
        sound = condition(samples, np.random.default_rng(number)).astype(np.float32)
        frames.append([features(sound, banks)])
        states.append([encoder(encoder_input(sound, banks)[None])[0]])
    return speech.Clips(frames, states)


# --- text ----------------------------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[str], str]] = {
    "a name before it": lambda text: f"Fatima, {text}",
    "another name before it": lambda text: f"John, {text}",
    "an emoji after it": lambda text: text + " \N{LOUDLY CRYING FACE}",
    "in capitals": str.upper,
    "without punctuation": lambda text: re.sub(r"[^\w\s']", " ", text),
    "a plain sentence after it": lambda text: f"{text} That is what I wanted to say.",
}


def check_text() -> list[dict[str, Any]]:
    """Share of GoEmotions dev rows (one label) whose reading stays the same under each change, and what the macro-F1 becomes."""
    examples = datasets.load("text", "goemotions", export.data_file("text"), "dev")
    model, labels = emotion.load("bundled").text, np.array([e.label for e in examples])
    before = evaluation.predict(model, examples)
    rows = [
        {
            "text": "as written",
            "n": len(examples),
            "same label": "",
            "macro-F1": f"{metrics.report(before, labels)['macro_f1']:.3f}",
        }
    ]
    for name, change in CHANGES.items():
        after = np.concatenate(
            [model.predict([change(e.item) for e in examples[i : i + 64]]) for i in range(0, len(examples), 64)]
        )
        same = (before.argmax(axis=1) == after.argmax(axis=1)).mean()
        figure = metrics.report(after, labels)["macro_f1"]
        rows.append({"text": name, "n": len(examples), "same label": f"{same:.3f}", "macro-F1": f"{figure:.3f}"})
    return rows


def main(argv: list[str] | None = None) -> int:
    return run(__doc__, {"speech": check_speech, "text": check_text}, argv)


if __name__ == "__main__":
    sys.exit(main())
