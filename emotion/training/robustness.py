"""Robustness, to what must not decide: another microphone, room or level for the voice; a name, an emoji or the length for a
text; a modality that says nothing for the fused answer. And sentences whose mood everybody knows.

``python -m emotion.training.robustness speech|text|sentences|fusion`` prints a Markdown table; all but sentences need
EMOTION_DATA.
"""

import dataclasses
import itertools
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import soxr
from scipy.signal import fftconvolve
from scipy.stats import binomtest

import emotion
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.mood import moods
from emotion.readings import Frame, Reading
from emotion.sound import SAMPLE_RATE
from emotion.training import acoustics, datasets, evaluation, export, fusion, metrics, speech
from emotion.training.experiments import run
from emotion.training.transcript import SENTENCES as SPOKEN

SNR_DB = 10.0
TELEPHONE_HZ = (300, 3400)
REVERBERATION_S, DIRECT_DB = 0.5, 3.0  # to -60 dB; the direct sound over the tail
QUIETER_DB = 20.0


# --- voice: every condition through the networks of the fold that has not heard the speaker ------------------------------


def _noisy(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return acoustics.noisy(samples, rng.standard_normal(len(samples)), SNR_DB)


def _telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return acoustics.band_limited(samples, *TELEPHONE_HZ)


def _room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    white = rng.standard_normal(int(REVERBERATION_S * SAMPLE_RATE))
    response = acoustics.reverberation(white, REVERBERATION_S, DIRECT_DB)
    response[0] = 1.0
    reverberant: np.ndarray = fftconvolve(samples, response)
    return reverberant


def _through_rate(hertz: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda samples, rng: soxr.resample(soxr.resample(samples, SAMPLE_RATE, hertz), hertz, SAMPLE_RATE)


# Name to what is done to a recording, and whether its steady noise is then taken out as the product does.
CONDITIONS: dict[str, tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], bool]] = {
    "as recorded": (lambda samples, rng: samples, True),
    f"white noise, {SNR_DB:.0f} dB under the recording": (_noisy, True),
    "the same, with the noise left in": (_noisy, False),
    f"telephone band, {TELEPHONE_HZ[0]} to {TELEPHONE_HZ[1]} Hz": (_telephone, True),
    f"room, {REVERBERATION_S} s of reverberation": (_room, True),
    f"{QUIETER_DB:.0f} dB quieter": (lambda samples, rng: samples * 10 ** (-QUIETER_DB / 20), True),
    "from 8 kHz": (_through_rate(8_000), True),
    "from 48 kHz": (_through_rate(48_000), True),
}


def speech_robustness() -> list[dict[str, Any]]:
    """UAR on RAVDESS actors 1-20, out of fold, under each condition; and of each of the two sentences."""
    examples, encoder = speech.corpus(), speech.pretrained_encoder()
    clips, labels = speech.prepare(examples, speech.VARIANTS, encoder), np.array([e.label for e in examples])
    folds, actors = speech.folds_of(examples), np.array([e.group for e in examples])
    members = {}
    for fold in range(speech.FOLDS):  # these go on from the checkpoints of train speech
        inside = np.flatnonzero(folds != fold)
        members[fold] = speech.fit_members(clips.only(inside), labels[inside], speech.RECIPE, f"speech{{}}-fold{fold}")
    tested = np.flatnonzero(folds >= 0)
    rows: list[dict[str, Any]] = []
    before: np.ndarray | None = None
    for name, (condition, cleaned) in CONDITIONS.items():
        recordings = (condition(examples[i].item, np.random.default_rng(n)) for n, i in enumerate(tested))
        heard = speech.heard(recordings, encoder, cleaned)
        logits = np.zeros((len(tested), len(LABELS)), np.float32)
        for fold, ensemble in members.items():
            chosen = np.flatnonzero(folds[tested] == fold)
            logits[chosen] = speech.logits(ensemble, heard.only(chosen))
        guess, every = logits.argmax(axis=1), np.ones(len(tested), bool)
        rows.append(voice_row(name, guess, every, before, labels[tested], actors[tested]))
        if before is None:
            before = guess
            fields = (datasets.ravdess_clip(examples[i].id) for i in tested)
            sentence = np.array([clip["sentence"] for clip in fields if clip])
            rows += [
                voice_row(f"sentence {which} alone", guess, sentence == which, before, labels[tested], actors[tested])
                for which in (1, 2)
            ]
    return rows


def voice_row(
    name: str, guess: np.ndarray, chosen: np.ndarray, before: np.ndarray | None, labels: np.ndarray, actors: np.ndarray
) -> dict[str, Any]:
    """UAR of the guesses at the ``chosen`` clips, and its difference from the guesses ``before`` at all; each of them (n,)."""
    everything = np.arange(len(labels))

    def uar(rows: np.ndarray) -> float:
        some = rows[chosen[rows]]
        return metrics.uar(guess[some], labels[some])

    def difference(earlier: np.ndarray) -> str:
        def gained(rows: np.ndarray) -> float:
            return uar(rows) - metrics.uar(earlier[rows], labels[rows])

        return export.difference(gained(everything), metrics.interval(gained, actors))

    recalls = {LABELS[i]: float((guess[chosen & (labels == i)] == i).mean()) for i in np.unique(labels[chosen])}
    lowest = min(recalls, key=lambda label: recalls[label])
    return {
        "voice": name,
        "n": int(chosen.sum()),
        "UAR": export.with_interval(uar(everything), metrics.interval(uar, actors)),
        "difference": "" if before is None else difference(before),
        "lowest recall": f"{lowest} {recalls[lowest]:.2f}",
    }


# --- text ----------------------------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[str], str]] = {
    "a name before it": lambda text: f"Fatima, {text}",
    "another name before it": lambda text: f"John, {text}",
    "an emoji after it": lambda text: text + " \N{LOUDLY CRYING FACE}",
    "in capitals": str.upper,
    "without punctuation": lambda text: re.sub(r"[^\w\s']", " ", text),
    "a plain sentence after it": lambda text: f"{text} That is what I wanted to say.",
}


def text_robustness() -> list[dict[str, Any]]:
    """Share of GoEmotions dev rows (one label) whose reading stays the same under each change, and what the macro-F1 becomes."""
    examples = datasets.load("text", "goemotions", export.data_file("text"), "dev")
    model, labels = emotion.load("bundled").text, np.array([e.label for e in examples])
    rows, before = [], None
    for name, change in ({"as written": str} | CHANGES).items():
        found = evaluation.predict(model, [dataclasses.replace(e, item=change(e.item)) for e in examples])
        guess = found.argmax(axis=1)
        same = "" if before is None else share(int((guess == before).sum()), len(examples))
        before = guess if before is None else before
        figure = export.cell("macro_f1", found, labels, [e.group for e in examples])
        rows.append({"text": name, "n": len(examples), "same label": same, "macro-F1": figure})
    return rows


# Texts as one would say them, and the moods between which they belong.
SENTENCES: dict[str, tuple[str, float, float]] = {
    "i am not happy with this at all": ("negation", 1.0, 2.5),
    "i don't feel good today": ("negation", 1.0, 2.5),
    "nothing went right today": ("negation", 1.0, 2.5),
    "i'm not angry with you": ("negation", 2.5, 4.5),
    "that was not bad": ("negation", 3.0, 5.0),
    "not bad at all": ("negation", 3.0, 5.0),
    "i couldn't be happier": ("negation", 4.0, 5.0),
    "i have never felt better": ("negation", 4.0, 5.0),
    "i love my job but the hours are killing me": ("mixed feelings", 2.0, 4.0),
    "i'm proud of her and i miss her terribly": ("mixed feelings", 2.0, 4.0),
    "the food was great but the service was awful": ("mixed feelings", 2.0, 4.0),
    "i am happy for them and a little sad for myself": ("mixed feelings", 2.0, 4.0),
    "i went to work and had lunch at my desk": ("an ordinary day", 2.5, 3.5),
    "today i did some laundry and watched television": ("an ordinary day", 2.5, 3.5),
    "the meeting starts at ten and ends at eleven": ("an ordinary day", 2.5, 3.5),
    "i took the bus home and made dinner": ("an ordinary day", 2.5, 3.5),
    "it was an average day nothing special": ("an ordinary day", 2.5, 3.5),
    "this is the best day of my life": ("plainly said", 4.0, 5.0),
    "i am so grateful for my friends": ("plainly said", 4.0, 5.0),
    "i feel so alone since he died": ("plainly said", 1.0, 2.0),
    "i am scared of losing my job": ("plainly said", 1.0, 2.5),
    "how dare you speak to me like that": ("plainly said", 1.0, 2.5),
}


def sentences_robustness() -> list[dict[str, Any]]:
    """The mood of each of SENTENCES, and whether it lies where it belongs."""
    model = emotion.load("bundled").text
    probabilities = model.predict(list(SENTENCES))
    rows = []
    for (sentence, (kind, low, high)), p in zip(SENTENCES.items(), probabilities, strict=True):
        found = moods(p)
        rows.append(
            {
                "sentence": sentence,
                "kind": kind,
                "belongs": f"{low:g} to {high:g}",
                "mood": f"{found:.2f}",
                "label": f"{LABELS[int(p.argmax())]} {p.max():.2f}",
                "there": "yes" if low <= found <= high else "no",
            }
        )
    return rows


# --- fusion --------------------------------------------------------------------------------------------------------------

NOISES = 100  # noisy inputs of a kind
CONFLICTS = 1000


def fusion_robustness() -> list[dict[str, Any]]:
    """UAR of held-out voices beside words that say nothing; how often noise is read; readings that contradict each other."""
    analyzer = emotion.load("bundled")
    shares = tuple(analyzer.weights[name] for name in MODALITIES)
    voices, said = fusion.voices_alone(*fusion.out_of_fold_voices()), fusion.empty_words(analyzer)
    rows = []
    for name, words in said.items():
        taken = [fusion.taken_from(voices, {name: words}, shares, reliable)[name] for reliable in (True, False)]
        low, high = fusion.taken_interval(voices, words, shares)
        part = fusion.share_of_words(voices, words, shares)
        result = (
            f"UAR {export.difference(-taken[0], (-high, -low))}, {-taken[1]:+.3f} without reliability; words count {part:.2f}"
        )
        rows.append({"what": f'voices and "{name}"', "n": len(voices.truth), "result": result})
    rng = np.random.default_rng(0)
    heard = sum(analyzer.speech.read(_random_sound(rng)) is not None for _ in range(NOISES))
    detector = analyzer.serving("detector").model
    noise = (Frame(0.0, rng.integers(0, 256, (240, 320, 3), np.uint8)) for _ in range(NOISES))
    seen = sum(analyzer.face.read([frame], detector) is not None for frame in noise)
    rows += [
        {"what": "white or pink noise read as a voice", "n": NOISES, "result": share(heard, NOISES)},
        {"what": "random pixels read as a face", "n": NOISES, "result": share(seen, NOISES)},
    ]
    pairs, _ = fusion.label_pairs(analyzer)
    rows += _conflicts(analyzer.weights, pairs) + _ways(fusion.figures_of(pairs, shares))
    most = _heard_at_most(voices, [words for name, words in said.items() if name in SPOKEN.values()], shares)
    return [
        *rows,
        {
            "what": "reliability of heard words, at most, by the first half of the actors",
            "n": len(SPOKEN),
            "result": f"{most:.2f}",
        },
    ]


def _ways(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """What the readings of label-paired triples come to by the weights in use, in other ways, and one modality alone."""
    uars = {name: value for name, value in figures.items() if name.startswith("uar")}
    return [
        {
            "what": f"label-paired readings, {name.replace('uar_', '').replace('uar', 'fused as shipped').replace('_', ' ')}",
            "n": figures["n"],
            "result": f"UAR {export.with_interval(value, figures['intervals'].get(name))}",
        }
        for name, value in uars.items()
    ]


def _heard_at_most(voices: fusion.Pairs, said: list[tuple[np.ndarray, float]], shares: tuple[float, ...]) -> float:
    """The highest reliability, in twentieths, with which no sentence takes more than MAX_LOSS from half of the actors' voices."""
    actors = np.unique(voices.groups)
    half = voices.only(np.isin(voices.groups, actors[: len(actors) // 2]))
    reliabilities = (i / fusion.STEP for i in range(fusion.STEP + 1))
    return max(
        reliability
        for reliability in reliabilities
        if all(fusion.taken_from(half, {"": (p, reliability)}, shares)[""] <= fusion.MAX_LOSS for p, _ in said)
    )


def _random_sound(rng: np.random.Generator) -> np.ndarray:
    """Three seconds of white or pink noise."""
    return (0.1 * acoustics.coloured(rng.standard_normal(3 * SAMPLE_RATE), rng.choice([0.0, 0.5]))).astype(np.float32)


def _conflicts(weights: dict[str, float], pairs: fusion.Pairs) -> list[dict[str, Any]]:
    """Happy readings of one modality beside sad or angry ones of another, each of them named right by its model."""
    rng, rows = np.random.default_rng(0), []
    right = pairs.probabilities.argmax(axis=2) == pairs.truth[:, None]
    low = np.isin(pairs.truth, [LABELS.index("sad"), LABELS.index("angry")])
    for one, other in itertools.permutations(range(len(MODALITIES)), 2):
        glad = rng.choice(np.flatnonzero(right[:, one] & (pairs.truth == LABELS.index("happy"))), CONFLICTS)
        down = rng.choice(np.flatnonzero(right[:, other] & low), CONFLICTS)
        fused = [
            fuse({MODALITIES[m]: Reading(pairs.probabilities[i, m], float(pairs.reliability[i, m])) for i, m in pair}, weights)
            for pair in zip(zip(glad, itertools.repeat(one)), zip(down, itertools.repeat(other)), strict=False)
        ]
        felt, mixed = np.array([f.mood for f in fused]), np.mean([f.mixed for f in fused])
        outer = np.sort(moods(np.stack([pairs.probabilities[glad, one], pairs.probabilities[down, other]], axis=1)), axis=1)
        between = ((felt >= outer[:, 0] - 1e-9) & (felt <= outer[:, 1] + 1e-9)).mean()
        rows.append(
            {
                "what": f"happy {MODALITIES[one]}, sad or angry {MODALITIES[other]}",
                "n": CONFLICTS,
                "result": f"{mixed:.1%} mixed, {between:.0%} between, median mood {np.median(felt):.2f}",
            }
        )
    return rows


def share(count: int, n: int) -> str:
    """As tables write a share of ``n``, with the 95 % interval of Clopper & Pearson 1934."""
    found = binomtest(count, n).proportion_ci(metrics.COVERED)
    return export.with_interval(count / n, (found.low, found.high))


def main(argv: list[str] | None = None) -> int:
    tables = {
        "speech": speech_robustness,
        "text": text_robustness,
        "sentences": sentences_robustness,
        "fusion": fusion_robustness,
    }
    return run(__doc__, tables, argv)


if __name__ == "__main__":
    sys.exit(main())
