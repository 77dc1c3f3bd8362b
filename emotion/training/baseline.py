"""What a personal baseline is worth: the figures with and without one, how it was chosen, and which recordings it refuses.

The voice is read from the out-of-fold probabilities that training stores beside the weights: no data and no model are needed. Two
neutral clips of each speaker set the baseline and the speaker's other clips are tested; DRAWS pairs are drawn and their answers
counted together. Form, strength, floor and refusal of a fold are those that do best on the speakers of the other folds. So is the
reference, what plain voices are read as: no clip of a tested speaker is in it.

``python -m emotion.training.baseline speech|choice|refusal|unheard|face`` prints a Markdown table. ``unheard``, a language
that the voice never heard, and ``face`` need EMOTION_DATA.
"""

import functools
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import emotion
from emotion import baseline
from emotion.baseline import NEUTRAL, offsets, shifted
from emotion.fusion import softmax
from emotion.labels import LABELS
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.training import datasets, evaluation, export, metrics
from emotion.training.datasets import ravdess_clip
from emotion.training.experiments import run

CLIPS = 2  # that set a baseline: 7 s
DRAWS = 10
FOLD = 4  # speakers
STORED = 1e-5  # the least of a stored probability, which has five decimals
NAMES = {"ravdess": "RAVDESS", "emodb": "EmoDB", "nemo": "nEMO"}
CALM, STRONG = 2, 2  # RAVDESS's numbers of an emotion and an intensity

SHIPPED = "neutral and calm clips"  # whose mean is the reference: training writes it so, as calm counts as neutral
FIXED = "0.8 neutral, the others alike"  # a reference of no clips
STRENGTHS = (0.0, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)
FLOORS = (1e-4, 1e-3, 1e-2)
LEAST = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)  # neutral probabilities below which a baseline is refused
REFUSED = 0.95  # of strongly acted pairs of clips: the smallest of LEAST that refuses so many is taken


@dataclass(frozen=True)
class Setting:
    """How a baseline is measured."""

    form: str = SHIPPED
    strength: float = baseline.STRENGTH
    floor: float = baseline.FLOOR


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips of people who act: probabilities (n, 7); labels, speakers, texts (n,); which are plain, calm or strong (n,)."""

    name: str
    probabilities: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray
    texts: np.ndarray
    plain: np.ndarray
    calm: np.ndarray
    strong: np.ndarray

    def people(self) -> list[str]:
        return [str(name) for name in np.unique(self.speakers)]

    def folds(self) -> Iterable[tuple[list[str], list[str]]]:
        """The speakers of each fold, and all others."""
        people = self.people()
        for first in range(0, len(people), FOLD):
            inside = people[first : first + FOLD]
            yield inside, [name for name in people if name not in inside]

    def pairs(self, name: str, which: np.ndarray) -> np.ndarray:
        """All pairs of a speaker's clips that are ``which`` (n,), (k, CLIPS)."""
        own = np.flatnonzero(which & (self.speakers == name))
        return np.array(list(itertools.combinations(own, CLIPS)), int).reshape(-1, CLIPS)


FORMS: dict[str, Callable[[Corpus], np.ndarray]] = {
    SHIPPED: lambda corpus: corpus.plain | corpus.calm,
    "neutral clips": lambda corpus: corpus.plain,
    "all clips": lambda corpus: np.ones(len(corpus.labels), bool),
}


def corpora() -> list[Corpus]:
    """The sets of which the bundled voice has out-of-fold probabilities."""
    stored = json.loads((bundled("speech", DEFAULT_FILE).local / "oof.json").read_text("utf-8"))["probabilities"]
    of_sets: dict[str, dict[str, Any]] = {}
    for clip, probabilities in stored.items():
        told = datasets.acted(clip)
        if told is not None:
            of_sets.setdefault(told[1].partition("-")[0], {})[clip] = probabilities
    return [corpus_of(NAMES[name], rows) for name, rows in of_sets.items()]


def corpus_of(name: str, probabilities: Mapping[str, Any]) -> Corpus:
    """Of one set: by clip what it is read as, (7,). Where a set does not say how strongly a clip is acted, each is strong."""
    rows = []
    for clip, row in probabilities.items():
        label, speaker = datasets.acted(clip) or (-1, "")
        fields = ravdess_clip(clip)
        text = str(fields["sentence"]) if fields else clip[2:5] if clip[0].isdigit() else clip[-2:]
        calm = fields is not None and fields["emotion"] == CALM
        strong = label != NEUTRAL and (fields is None or fields["intensity"] == STRONG)
        rows.append((row, label, speaker, text, label == NEUTRAL and not calm, calm, strong))
    return Corpus(name, *(np.array(column) for column in zip(*rows, strict=True)))


def joined(probabilities: np.ndarray) -> np.ndarray:
    """What clips (..., k, 7) say together, (..., 7): as the windows of a recording do, by their mean logits."""
    return softmax(np.log(np.maximum(probabilities, STORED)).mean(axis=-2))


def reference(corpus: Corpus, people: Sequence[str], setting: Setting) -> np.ndarray:
    """What a person's plain reading is compared with, by some people's clips: the geometric mean of their probabilities."""
    if setting.form == FIXED:
        return np.where(np.arange(len(LABELS)) == NEUTRAL, 0.8, 0.2 / (len(LABELS) - 1))
    which = FORMS[setting.form](corpus) & np.isin(corpus.speakers, people)
    return metrics.geometric_mean(corpus.probabilities[which], setting.floor)


@functools.cache
def draws(corpus: Corpus, clips: int = CLIPS) -> list[dict[str, np.ndarray]]:
    """DRAWS times, which clips set the baseline of each speaker."""
    rng = np.random.default_rng(0)
    own = {name: np.flatnonzero(corpus.plain & (corpus.speakers == name)) for name in corpus.people()}
    return [{name: rng.choice(rows, clips, replace=False) for name, rows in own.items()} for _ in range(DRAWS)]


def answered(
    corpus: Corpus,
    people: Sequence[str],
    neutral: np.ndarray,
    setting: Setting,
    drawn: dict[str, np.ndarray],
    others: bool = False,
    other_text: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the clips that some people did not set their baseline with, and what they are read as with it, (n, 7).

    With ``others`` each person has the baseline of the next one; with ``other_text`` only clips of another text are read.
    """
    found = []
    for number, name in enumerate(people):
        tested = np.setdiff1d(np.flatnonzero(corpus.speakers == name), drawn[name])
        if other_text:
            tested = tested[~np.isin(corpus.texts[tested], corpus.texts[drawn[name]])]
        owner = people[(number + 1) % len(people)] if others else name
        row = offsets(joined(corpus.probabilities[drawn[owner]]), neutral, setting.strength, setting.floor)
        found.append((tested, shifted(np.maximum(corpus.probabilities[tested], STORED), row)))
    rows, read = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(read)


def uar_of(corpus: Corpus, people: Sequence[str], setting: Setting) -> float:
    """UAR of some people's clips over all draws, with a reference of the same people."""
    neutral = reference(corpus, people, setting)
    parts = [answered(corpus, people, neutral, setting, drawn) for drawn in draws(corpus)]
    rows, read = (np.concatenate(column) for column in zip(*parts, strict=True))
    return metrics.uar(read.argmax(axis=1), corpus.labels[rows])


@functools.cache
def chosen(corpus: Corpus, people: tuple[str, ...]) -> Setting:
    """The setting with the highest UAR on some people; of equal ones the weakest."""
    grid = [Setting(*values) for values in itertools.product((*FORMS, FIXED), STRENGTHS, FLOORS)]
    return max(grid, key=lambda setting: (uar_of(corpus, people, setting), -setting.strength))


# --- figures of the voice ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Result:
    """Answers over all draws: rows of the corpus (n,), and what they are read as (n, 7)."""

    rows: np.ndarray
    read: np.ndarray


def nested(
    corpus: Corpus,
    setting: Setting | None = None,
    *,
    clips: int = CLIPS,
    others: bool = False,
    other_text: bool = False,
    neutral: np.ndarray | None = None,
) -> Result:
    """The answers of each fold, by the setting chosen on the other folds and by their reference, or by those that are given."""
    found = []
    for inside, outside in corpus.folds():
        used = setting or chosen(corpus, tuple(outside))
        plain = reference(corpus, outside, used) if neutral is None else neutral
        people = corpus.people() if others else inside  # of the next person, who may be of another fold
        for drawn in draws(corpus, clips):
            rows, read = answered(corpus, people, plain, used, drawn, others, other_text)
            kept = np.isin(corpus.speakers[rows], inside)
            found.append(Result(rows[kept], read[kept]))
    return Result(np.concatenate([one.rows for one in found]), np.concatenate([one.read for one in found]))


def confusions(corpus: Corpus, result: Result) -> np.ndarray:
    """Of each speaker how often clips of a label (rows) were read as one (columns), (s, 7, 7)."""
    counts = np.zeros((len(corpus.people()), len(LABELS), len(LABELS)))
    speaker = np.searchsorted(corpus.people(), corpus.speakers[result.rows])
    np.add.at(counts, (speaker, corpus.labels[result.rows], result.read.argmax(axis=1)), 1)
    return counts


def recall(confusion: np.ndarray) -> float:
    """UAR of counts (7, 7)."""
    total = confusion.sum(axis=1)
    return float((np.diag(confusion)[total > 0] / total[total > 0]).mean())


def speech_baseline() -> list[dict[str, Any]]:
    """UAR of each corpus without and with a baseline, and with baselines that should do less or harm."""
    return [row for corpus in corpora() for row in _cases(corpus)]


def unheard() -> list[dict[str, Any]]:
    """UAR of the voice as it ships on nEMO: Polish, of which it heard nothing; and what is refused there."""
    examples = datasets.load("speech", "nemo", export.data_file("nemo"), "all")
    read = evaluation.predict(emotion.load("bundled").speech, examples)
    corpus = corpus_of("nEMO", {e.id: row for e, row in zip(examples, read, strict=True)})
    neutral = np.array(list((bundled("speech", DEFAULT_FILE).neutral or {}).values()))
    plain = nested(corpus, Setting(strength=0.0), neutral=neutral)
    read_so = _rows(
        corpus,
        ("without a baseline", plain, plain),
        ("with one, as shipped", nested(corpus, Setting(), neutral=neutral), plain),
        ("with that of the next speaker, as shipped", nested(corpus, Setting(), others=True, neutral=neutral), plain),
    )
    rows = [
        {corpus.name: f"UAR {row['readings']}", "n": row["n"], "figure": row["UAR"], "difference": row["difference"]}
        for row in read_so
    ]
    for kind, which in (("neutral", corpus.plain), ("acted", corpus.strong)):
        pairs, owner = neutral_of_pairs(corpus, corpus.people(), which)
        refused = _share(pairs < baseline.LEAST_NEUTRAL, owner)
        rows.append({corpus.name: f"refused, two {kind} clips", "n": len(pairs), "figure": refused, "difference": ""})
    return rows


def _cases(corpus: Corpus) -> list[dict[str, Any]]:
    none, ours = Setting(strength=0.0), Setting()
    plain = nested(corpus, none)
    single, other = nested(corpus, none, clips=1), nested(corpus, none, clips=1, other_text=True)
    return _rows(
        corpus,
        ("without a baseline", plain, plain),
        ("with one, chosen on the other folds", nested(corpus), plain),
        ("with one, as shipped", nested(corpus, ours), plain),
        ("with one of a single clip, as shipped", nested(corpus, ours, clips=1), single),
        ("the same, only clips of another text", nested(corpus, ours, clips=1, other_text=True), other),
        ("with that of the next speaker, as shipped", nested(corpus, ours, others=True), plain),
    )


def _rows(corpus: Corpus, *cases: tuple[str, Result, Result]) -> list[dict[str, Any]]:
    """Of each case its name, its answers, and those that they are compared with."""
    rows, people = [], corpus.people()
    for name, result, before in cases:
        after, first = confusions(corpus, result), confusions(corpus, before)
        gains = [recall(mine) - recall(theirs) for mine, theirs in zip(after, first, strict=True)]

        def figure(some: np.ndarray, counts: np.ndarray = after) -> float:
            return recall(counts[some].sum(axis=0))

        def gained(some: np.ndarray, counts: np.ndarray = after, without: np.ndarray = first) -> float:
            return recall(counts[some].sum(axis=0)) - recall(without[some].sum(axis=0))

        every = np.arange(len(people))
        same = result is before
        lose = f"{sum(gain < 0 for gain in gains)} of {len(people)} lose"
        spread = f"{np.min(gains):+.3f}, {np.median(gains):+.3f}, {np.max(gains):+.3f}; {lose}"
        rows.append(
            {
                "corpus": corpus.name,
                "readings": name,
                "speakers": len(people),
                "n": len(result.rows) // DRAWS,
                "UAR": export.with_interval(figure(every), metrics.interval(figure, people)),
                "difference": "" if same else export.difference(gained(every), metrics.interval(gained, people)),
                "of single speakers: least, median, most": "" if same else spread,
                "ECE": f"{metrics.calibration_error(result.read, corpus.labels[result.rows]):.3f}",
            }
        )
    return rows


def choice() -> list[dict[str, Any]]:
    """What was chosen without each fold, and on all; and what else there was to choose from, on all speakers."""
    rows: list[dict[str, Any]] = []
    for corpus in corpora():
        people = tuple(corpus.people())
        parts = {f"without {inside[0]} to {inside[-1]}": tuple(outside) for inside, outside in corpus.folds()}
        for name, some in (parts | {"all": people}).items():
            best, least = chosen(corpus, some), least_neutral(corpus, some)
            rows.append(_choice(f"chosen on {corpus.name}, {name}", best, uar_of(corpus, some, best), least))
        for form, strength in itertools.product((*FORMS, FIXED), STRENGTHS):
            setting = Setting(form, strength)
            rows.append(_choice(f"{corpus.name}, all", setting, uar_of(corpus, people, setting), None))
    return rows


def _choice(name: str, setting: Setting, uar: float, least: float | None) -> dict[str, Any]:
    return {
        "speakers": name,
        "compared with": setting.form,
        "strength": f"{setting.strength:g}",
        "floor": f"{setting.floor:g}",
        "UAR": f"{uar:.3f}",
        "refused below a neutral probability of": "" if least is None else f"{least:g}",
    }


# --- what is refused -----------------------------------------------------------------------------------------------------


def neutral_of_pairs(corpus: Corpus, people: Sequence[str], which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neutral probability of all pairs of some people's clips of one label, and whose they are."""
    found, owners = [np.zeros(0)], [np.zeros(0, int)]
    for number, name in enumerate(people):
        for label in np.unique(corpus.labels[which]):
            pairs = corpus.pairs(name, which & (corpus.labels == label))
            found.append(joined(corpus.probabilities[pairs])[:, NEUTRAL])
            owners.append(np.full(len(pairs), number))
    return np.concatenate(found), np.concatenate(owners)


def least_neutral(corpus: Corpus, people: Sequence[str]) -> float:
    """The smallest of LEAST that refuses REFUSED of some people's strongly acted pairs of clips."""
    acted, _ = neutral_of_pairs(corpus, people, corpus.strong)
    return next((least for least in LEAST if (acted < least).mean() >= REFUSED), LEAST[-1])


def refusal() -> list[dict[str, Any]]:
    """Shares of pairs of clips that may not set a baseline: by the bound that the other folds chose, and by the shipped one."""
    rows: list[dict[str, Any]] = []
    for corpus in corpora():
        kinds = {"neutral": corpus.plain, "calm": corpus.calm, "strongly acted": corpus.strong}
        each = np.unique(corpus.labels[corpus.strong])
        kinds |= {f"strongly acted, {LABELS[i]}": corpus.strong & (corpus.labels == i) for i in each}
        people = corpus.people()
        bound = {name: least_neutral(corpus, outside) for inside, outside in corpus.folds() for name in inside}
        for kind, which in kinds.items():
            if not which.any():
                continue
            neutral, owner = neutral_of_pairs(corpus, people, which)
            bounds = np.array([bound[name] for name in people])[owner]
            rows.append(
                {
                    "corpus": corpus.name,
                    "two clips": kind,
                    "n": len(neutral),
                    "refused, chosen on the other folds": _share(neutral < bounds, owner),
                    f"refused, as shipped (below {baseline.LEAST_NEUTRAL:g})": _share(neutral < baseline.LEAST_NEUTRAL, owner),
                }
            )
    return rows


def _share(refused: np.ndarray, owner: np.ndarray) -> str:
    return export.with_interval(float(refused.mean()), metrics.interval(lambda rows: refused[rows].mean(), owner))


# --- the face ------------------------------------------------------------------------------------------------------------

MOST_VOTES = 8  # of ten for one label, from which a face is called strong


def face_baseline() -> list[dict[str, Any]]:
    """What can be measured without knowing who is who: what a stranger's plain face costs, and what is refused."""
    examples = datasets.load("face", "ferplus", export.data_file("ferplus"), "validation")
    read, truth = evaluation.predict(emotion.load("bundled").face, examples), np.array([e.label for e in examples])
    votes = datasets.ferplus_votes(datasets.Source(export.data_file("ferplus")))
    counted = np.array([votes[e.id] for e in examples])
    strong = (counted.max(axis=1) >= MOST_VOTES) & (counted.argmax(axis=1) != NEUTRAL)
    agreed = (truth == NEUTRAL) & (counted.argmax(axis=1) == NEUTRAL)
    groups, rng = np.arange(len(truth)), np.random.default_rng(0)
    neutral = metrics.geometric_mean(read[truth == NEUTRAL], baseline.FLOOR)
    strangers = read[rng.choice(np.flatnonzero((truth == NEUTRAL) & (read[:, NEUTRAL] >= baseline.LEAST_NEUTRAL)), len(truth))]
    rows = []
    for strength in (0.0, 0.25, baseline.STRENGTH, 1.0):
        moved = np.stack([shifted(one, offsets(other, neutral, strength)) for one, other in zip(read, strangers, strict=True)])
        name = f"accuracy with a stranger's baseline, strength {strength:g}" if strength else "accuracy without a baseline"
        rows.append({"face": name, "n": len(truth), "figure": export.cell("accuracy", moved, truth, groups)})
    for name, which in {
        "neutral by FER2013": truth == NEUTRAL,
        "neutral by FER2013 and by most votes": agreed,
        "neutral by most votes": counted.argmax(axis=1) == NEUTRAL,
        f"another label by {MOST_VOTES} votes of ten": strong,
    }.items():
        refused = read[which][:, NEUTRAL] < baseline.LEAST_NEUTRAL
        rows.append({"face": f"refused, {name}", "n": int(which.sum()), "figure": _share(refused, np.arange(len(refused)))})
    return rows


TABLES = {
    "speech": speech_baseline,
    "choice": choice,
    "refusal": refusal,
    "unheard": unheard,
    "face": face_baseline,
}


def main(argv: list[str] | None = None) -> int:
    return run(__doc__, TABLES, argv)


if __name__ == "__main__":
    sys.exit(main())
