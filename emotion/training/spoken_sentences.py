"""Sentences as people say them: whether the text model's mood and label are what anybody would accept.

They stand in spoken_sentences.csv, written for this project. Each has its category, and the moods (1 to 5) and labels that are
accepted. They were written before any model was run on them. No template makes them, and nothing is trained on them.

``python -m emotion.training.spoken_sentences`` prints the figures by category, every miss, and how many wrong labels had a
probability of over 0.7. ``--source`` chooses the model as in ``emotion analyze``.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import emotion
from emotion.environment import SOURCES
from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.mood import mood
from emotion.training.experiments import table
from emotion.training.robustness import SENTENCES, share

FILE = Path(__file__).with_suffix(".csv")
CONFIDENT = 0.7  # a probability over this is an answer given for certain
EARLIER = "the 22 of `robustness sentences` (templates like them are trained on)"


@dataclass(frozen=True)
class Sentence:
    """``low`` and ``high``: the least and the greatest mood accepted, 1 to 5. ``labels``: those accepted; none where any is."""

    category: str
    text: str
    low: float
    high: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says to a sentence: ``probabilities`` (7,)."""

    sentence: Sentence
    probabilities: np.ndarray

    @property
    def mood(self) -> float:
        return float(mood(self.probabilities))

    @property
    def label(self) -> str:
        return LABELS[int(self.probabilities.argmax())]

    @property
    def in_range(self) -> bool:
        return self.sentence.low <= self.mood <= self.sentence.high

    @property
    def accepted(self) -> bool:
        return self.label in self.sentence.labels

    @property
    def wrong_for_certain(self) -> bool:
        return not self.accepted and float(self.probabilities.max()) > CONFIDENT


def sentences() -> list[Sentence]:
    """All of them, in the order of the file."""
    with FILE.open(encoding="utf-8", newline="") as stream:
        return [
            Sentence(row["category"], row["sentence"], float(row["low"]), float(row["high"]), tuple(row["labels"].split()))
            for row in csv.DictReader(stream)
        ]


def answers(recogniser: Any, asked: Sequence[Sentence]) -> list[Answer]:
    """What a text recogniser says to each sentence."""
    probabilities = recogniser.predict([sentence.text for sentence in asked])
    return [Answer(sentence, row) for sentence, row in zip(asked, probabilities, strict=True)]


def by_category(answered: Sequence[Answer]) -> list[dict[str, Any]]:
    """A row of figures for each category and one for all: n, mood in range, label accepted, wrong with over CONFIDENT."""
    names = list(dict.fromkeys(answer.sentence.category for answer in answered))
    parts = [(name, [a for a in answered if a.sentence.category == name]) for name in names] + [("all", list(answered))]
    return [
        {
            "category": name,
            "n": len(part),
            "mood in range": share(sum(a.in_range for a in part), len(part)),
            "label accepted": share(sum(a.accepted for a in part), len(part)),
            f"wrong label over {CONFIDENT}": sum(a.wrong_for_certain for a in part),
        }
        for name, part in parts
    ]


def misses(answered: Sequence[Answer]) -> list[dict[str, Any]]:
    """A row for each sentence whose mood or label is not accepted."""
    return [
        {
            "category": a.sentence.category,
            "sentence": a.sentence.text,
            "mood": f"{a.mood:.1f}" + (f" (not {a.sentence.low:g} to {a.sentence.high:g})" if not a.in_range else ""),
            "label": f"{a.label} {a.probabilities.max():.2f}"
            + (f" (not {', '.join(a.sentence.labels)})" if not a.accepted else ""),
            "": "for certain" if a.wrong_for_certain else "",
        }
        for a in answered
        if not (a.in_range and a.accepted)
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=SOURCES, default="bundled", help="where the model comes from (default: %(default)s)")
    arguments = parser.parse_args(argv)
    try:
        recogniser = emotion.load(arguments.source).text
        answered = answers(recogniser, sentences())
        earlier = answers(recogniser, [Sentence(EARLIER, text, low, high) for text, (_, low, high) in SENTENCES.items()])
    except InputError as e:
        print(e, file=sys.stderr)
        return 1
    row = by_category(earlier)[0] | {"label accepted": "", f"wrong label over {CONFIDENT}": ""}
    print(table([*by_category(answered), row]), "", table(misses(answered)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
