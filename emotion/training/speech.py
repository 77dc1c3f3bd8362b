"""Training of the voice model, and its cross-validation by speaker."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.signal import butter, fftconvolve, sosfilt
from torch import Tensor, nn

from emotion.fusion import calibrate
from emotion.labels import LABELS, mood
from emotion.media import SAMPLE_RATE
from emotion.speech import N_MELS, SpeechNetwork, SpeechRecogniser, features, filter_banks
from emotion.training import datasets, export, loop, metrics
from emotion.training.datasets import Example, ravdess_clip

log = logging.getLogger(__name__)

# 1,300 clips of 2.5 s at 0.1 G multiply-adds, three passes each: 0.4 T multiply-adds and 5 s of one core an epoch.
RECIPE = loop.Recipe(epochs=40, batch_size=32, learning_rate=2e-3, weight_decay=0.05, label_smoothing=0.05, ema=0.995)
FOLDS = 5
VARIANTS = 6  # altered copies of each training clip, made once; masking and cutting then differ in every epoch
CLEAN = 0.45  # share of draws in which a clip comes unaltered
CROP = 200  # frames, 4 s
CACHE_VERSION = 3  # raise it when features or alterations change


CARD = export.Card(
    title="Voice: seven emotions from how something is said",
    licence="cc-by-nc-sa-4.0",
    about="""
A convolutional network with four attention heads (0.37 M parameters, 0.1 G multiply-adds for 4 s) over 64 log-mel bands, 20 MFCC,
12 chroma, 7 spectral contrasts, zero-crossing rate, F0, voicing and level, 50 times a second. Every recording is brought to one
level and cut to its voice, and each mel band is taken relative to its mean. Trained from scratch, class-balanced, with altered
copies (speed, pitch, room, band, noise, clipping) and masking. No speaker is on both sides of a fold. Settings were compared on
actors 17-20 with actors 5-16 for training, so the last fold has been seen by whoever chose them; no fold chooses an epoch.""",
    data="""
RAVDESS speech, actors 1-20 (Livingstone & Russo 2018), calm counted as neutral; EmoDB, 8 speakers (Burkhardt et al. 2005), without
boredom. Cross-validation trains on the other 16 actors and EmoDB and tests on 4 actors, fold = (actor - 1) // 4; the shipped weights
are trained on all of them by the same recipe.""",
    limits="""
Actors speak two sentences with emotion on purpose; everyday voices are far less clear. North American English and German only. Two
people in one recording are read as one voice. It says how a voice sounds, not what somebody feels.""",
    licences="RAVDESS is CC BY-NC-SA 4.0 and EmoDB free for research, so these weights are non-commercial.",
    command="python -m emotion train speech",
)


def train(dataset: tuple[str, str] | None, out: Path | None, epochs: int | None) -> dict[str, Any]:
    """Cross-validate and train the bundled model from RAVDESS and EmoDB, or train the model in use on with another data set."""
    if dataset is not None:
        return _train_on(dataset, out or Path("emotion-speech"), epochs)
    examples = [e for name in ("ravdess", "emodb") for e in datasets.load("speech", name, export.data_file(name), "all")]
    clips, labels = prepare(examples, VARIANTS), np.array([e.label for e in examples])
    recipe = loop.adapted(RECIPE, False, epochs, len(clips))
    folds = np.array([fold_of(e) for e in examples])
    raw = np.zeros((len(examples), len(LABELS)), np.float32)
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        network = fit_network(
            [clips[i] for i in inside], labels[inside], loop.checkpoint_for(f"speech-fold{fold}", None, recipe), recipe
        )
        raw[outside] = logits(network, [clips[i][0] for i in outside])
    network = fit_network(clips, labels, loop.checkpoint_for("speech", None, recipe), recipe)

    out = out or export.MODELS / "speech"
    tested = folds >= 0
    temperature = loop.fit_temperature(raw[tested], labels[tested])
    _save(out, network, recipe)
    stored = _out_of_fold(raw, labels, folds)
    protocol = "RAVDESS actors 1-20, fold = (actor - 1) // 4, EmoDB always in training, temperature of a fold from the others"
    rows = {e.id: [round(float(p), 5) for p in row] for e, row, keep in zip(examples, stored, tested, strict=True) if keep}
    export.write_json(out / "oof.json", {"protocol": protocol, "probabilities": rows})
    overall = metrics.report(stored[tested], labels[tested])
    part = export.Figures("RAVDESS, 5 folds of 4 actors, out of fold", overall, "evaluate speech --dataset ravdess PATH --oof")
    return export.report("speech", out, temperature, CARD, [part], _notes(stored, labels, folds))


def _train_on(dataset: tuple[str, str], out: Path, epochs: int | None) -> dict[str, Any]:
    model = SpeechRecogniser(export.bundled("speech"))
    examples = datasets.load("speech", *dataset, "all")
    held = loop.held_out([e.group for e in examples])
    clips, labels = prepare(examples, VARIANTS), np.array([e.label for e in examples])
    inside, watch = np.flatnonzero(~held), np.flatnonzero(held)
    recipe = loop.adapted(RECIPE, True, epochs, len(inside))
    checkpoint = loop.checkpoint_for("speech", dataset, recipe)
    network = fit_network([clips[i] for i in inside], labels[inside], checkpoint, recipe, model.network)
    enough = len(watch) >= loop.ENOUGH
    temperature = loop.fit_temperature(logits(network, [clips[i][0] for i in watch]), labels[watch]) if enough else None
    _save(out, network, recipe)
    tuned = SpeechRecogniser(export.trained("speech", out, temperature))
    parts = [export.Figures.of("held-out tenth", tuned, [examples[i] for i in watch], None)] if len(watch) else []
    return export.report("speech", out, temperature, CARD, parts)


def _save(out: Path, network: nn.Module, recipe: loop.Recipe) -> None:
    banks = {f"banks.{name}": bank for name, bank in filter_banks().items()}
    export.save(out, {**network.state_dict(), **banks}, {"network": {}, "recipe": dataclasses.asdict(recipe)})


def _out_of_fold(raw: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (n, 7) of each fold, by the temperature that the other folds give: none of it was fitted on itself."""
    result = np.zeros_like(raw)
    for fold in range(FOLDS):
        others = (folds >= 0) & (folds != fold)
        result[folds == fold] = calibrate(raw[folds == fold], loop.fit_temperature(raw[others], labels[others]))
    return result


def _notes(stored: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> str:
    uars = [metrics.report(stored[folds == fold], labels[folds == fold])["uar"] for fold in range(FOLDS)]
    moods = {name: np.median(mood(stored[(folds >= 0) & (labels == i)])) for i, name in enumerate(LABELS)}
    spread = f"UAR of the folds {', '.join(f'{u:.3f}' for u in uars)}; mean {np.mean(uars):.3f}, standard deviation {np.std(uars):.3f}."
    return f"{spread} Median mood, out of fold: " + ", ".join(f"{name} {value:.2f}" for name, value in moods.items()) + "."


def fold_of(example: Example) -> int:
    """RAVDESS folds of four actors: (actor - 1) // 4; -1 for a clip of another set, which is never tested on."""
    clip = ravdess_clip(example.id)
    return (clip["actor"] - 1) // 4 if clip else -1


def alter(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same words as another speaker, microphone or room might have given them: speed, pitch, room, band, noise, clipping."""
    import librosa
    import soxr

    if rng.random() < 0.5:
        samples = soxr.resample(samples, SAMPLE_RATE * rng.uniform(0.87, 1.15), SAMPLE_RATE)
    if rng.random() < 0.4:
        samples = librosa.effects.pitch_shift(samples, sr=SAMPLE_RATE, n_steps=rng.uniform(-2.5, 2.5))
    if rng.random() < 0.4:
        samples = _in_room(samples, rng)
    if rng.random() < 0.35:
        samples = _through_band(samples, rng)
    if rng.random() < 0.6:
        samples = samples + _noise(len(samples), rng) * _level(samples) * 10 ** (-rng.uniform(5, 30) / 20)
    if rng.random() < 0.1:
        limit = np.quantile(np.abs(samples), rng.uniform(0.97, 0.999))
        samples = np.clip(samples, -limit, limit)
    return samples.astype(np.float32)


def _in_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reverberation by a decaying noise tail: 0.15 to 0.7 s to -60 dB, the direct sound 0 to 12 dB over it."""
    seconds = rng.uniform(0.15, 0.7)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / seconds)
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.linalg.norm(tail)
    tail[0] += 1.0
    return fftconvolve(samples, tail)[: len(samples) + SAMPLE_RATE // 5]


def _through_band(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A telephone, an 8 kHz recording or a thin loudspeaker."""
    low, high = rng.uniform(80, 350), rng.uniform(3000, 4500)
    return sosfilt(butter(4, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), samples)


def _noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power, its spectrum falling by 0 to 6 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.maximum(np.arange(len(spectrum)), 10) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, n)
    return noise / (_level(noise) + 1e-12)


def _level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)) + 1e-12))


def prepare(examples: list[Example], variants: int, seed: int = 0) -> list[list[Tensor]]:
    """Features of each clip (the clip itself, then its altered copies), kept in the checkpoint folder for the next run."""
    banks = filter_banks()
    key = hashlib.sha256(f"{CACHE_VERSION} {variants} {seed} {[e.id for e in examples]}".encode()).hexdigest()[:16]
    cached = loop.checkpoint_folder() / f"speech-features-{key}.ckpt"
    if cached.exists():
        return [[t.float() for t in clip] for clip in torch.load(cached, weights_only=True)]
    result = []
    for number, example in enumerate(examples):
        rng = np.random.default_rng([seed, number])
        copies = [example.item, *(alter(example.item, rng) for _ in range(variants))]
        result.append([features(copy, banks).half() for copy in copies])
        if number % 100 == 99:
            log.info("features of %d of %d clips", number + 1, len(examples))
    torch.save(result, cached)
    return [[t.float() for t in clip] for clip in result]


def fit_network(
    clips: list[list[Tensor]], labels: np.ndarray, checkpoint: Path, recipe: loop.Recipe, start: SpeechNetwork | None = None
) -> nn.Module:
    """Train a SpeechNetwork on prepared clips, a new one or from ``start``."""
    torch.manual_seed(recipe.seed)
    network = start or _new_network(clips)
    targets = loop.one_hot(labels)

    def batches(epoch: int, rng: np.random.Generator) -> Iterator[loop.Batch]:
        order = rng.permutation(len(clips))
        for start in range(0, len(order) - recipe.batch_size + 1, recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            x, lengths = stack([_cut(_drawn(clips[i], rng), CROP, rng) for i in rows])
            yield (mask(x, lengths, network.mean, rng), lengths), targets[torch.as_tensor(rows)]

    return loop.fit(
        network,
        batches,
        len(clips) // recipe.batch_size,
        recipe,
        class_weights=loop.balanced_weights(labels, 1.0),
        checkpoint=checkpoint,
    )


def _new_network(clips: list[list[Tensor]]) -> SpeechNetwork:
    network = SpeechNetwork()
    frames = torch.cat([clip[0] for clip in clips])
    network.mean.copy_(frames.mean(dim=0))
    network.scale.copy_(frames.std(dim=0).clamp(min=1e-3))
    return network


def stack(clips: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Clips (t, 107) as one array (n, longest, 107), zeros beyond their ends, and their lengths (n,)."""
    return nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])


def _drawn(copies: list[Tensor], rng: np.random.Generator) -> Tensor:
    """The clip itself, the first of its copies, or one of the altered ones."""
    return copies[0] if len(copies) == 1 or rng.random() < CLEAN else copies[rng.integers(1, len(copies))]


def _cut(clip: Tensor, length: int, rng: np.random.Generator) -> Tensor:
    """A random stretch of at most ``length`` frames, and at least four fifths of a shorter clip."""
    length = min(length, int(len(clip) * rng.uniform(0.8, 1.0)))
    start = rng.integers(len(clip) - length + 1)
    return clip[start : start + length]


def mask(x: Tensor, lengths: Tensor, mean: Tensor, rng: np.random.Generator) -> Tensor:
    """Hide random mel bands and moments (SpecAugment, Park et al. 2019) and now and then all other features, behind their mean."""
    for clip, length in zip(x, lengths.tolist(), strict=True):
        for _ in range(2):
            width = rng.integers(0, 13)
            low = rng.integers(0, N_MELS - width + 1)
            clip[:, low : low + width] = mean[low : low + width]
            span = rng.integers(0, max(1, length // 6) + 1)
            start = rng.integers(0, length - span + 1)
            clip[start : start + span] = mean
        if rng.random() < 0.15:
            clip[:, N_MELS:] = mean[N_MELS:]
    return x


@torch.inference_mode()
def logits(network: nn.Module, clips: list[Tensor]) -> np.ndarray:
    """(n, 7) for prepared clips."""
    return np.concatenate([network(*stack(clips[i : i + 32])).float().numpy() for i in range(0, len(clips), 32)])
