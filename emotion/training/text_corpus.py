"""All labelled texts together, the tenth that is held out, and nothing in training that a held-out or dev part has too.

``python -m emotion.training.text_corpus sizes|near`` works from EMOTION_DATA. ``sizes`` prints how many texts of each set are
learnt from and held out; ``near`` the training text that is nearest to each of the spoken sentences.
"""

import dataclasses
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emotion.text.recogniser import normalise
from emotion.training import datasets, export, phrases, spoken_sentences, text, training_loop
from emotion.training.datasets import Example
from emotion.training.experiments import run

# CARER is not among them: its tweets were labelled by their hashtags, and most say the emotion by name.
LEARNT = ("empathetic", "dailydialog", "emorynlp", "xed")
SHORT = 4  # words: a text of fewer ("oh my god") stands in many places and gives nothing away


UNLABELLED = "carer"  # read for its texts alone


def corpus(folder: Path, unlabelled: bool = False) -> tuple[list[Example], list[Example]]:
    """What a text model learns from, and the held-out tenth of every set, chosen by a hash of the group.

    A text of SHORT words or more that is held out, in a dev part or among the spoken sentences is left out of training wherever
    else it stands. Of EmoryNLP the whole scene is left out, because MELD has many of the same scenes from another transcript.

    Parameters
    ----------
    folder
        Where the files of the text data sets lie.
    unlabelled
        Whether to add texts of which nothing is known, for a teacher to read.

    Returns
    -------
    chosen, held
        Rows of one label, of several, or of none but a rated valence; ``chosen`` with the sentences of ``phrases``.

    Raises
    ------
    InputError
        When a data set is missing.
    """
    source = datasets.Source(folder)
    rows = list(datasets.goemotions_rows(source, "train"))
    rows += [e for name in ("meld", "isear", "emobank") for e in datasets.load("text", name, folder, "train")]
    rows += [e for name in LEARNT for e in datasets.table_rows(source, name, "train")]
    chosen, held = training_loop.split(rows)
    held = [e for e in held if is_known(e)]
    if unlabelled:
        chosen += [dataclasses.replace(e, label=-1) for e in datasets.table_rows(source, UNLABELLED, "train")]
    else:
        chosen = [e for e in chosen if is_known(e)]
    dev = list(datasets.goemotions_rows(source, "dev"))
    dev += [e for name in ("meld", "emobank") for e in datasets.load("text", name, folder, "dev")]
    kept = [e.item for e in [*held, *dev]] + [sentence.text for sentence in spoken_sentences.sentences()]
    return apart(chosen, kept) + phrases.examples(), held


def is_known(example: Example) -> bool:
    """Whether anything is known of what a text shows."""
    return example.label >= 0 or bool(example.emotions or example.labels) or example.valence is not None


def apart(chosen: list[Example], kept: Iterable[str]) -> list[Example]:
    """Those of ``chosen`` whose text is not in ``kept``, where short texts may be. No scene of EmoryNLP that is partly in it."""
    said = {plain for one in kept if len((plain := words(one)).split()) >= SHORT}
    twice = [words(e.item) in said for e in chosen]
    scenes = {e.group for e, again in zip(chosen, twice, strict=True) if again and e.group.startswith("emorynlp-")}
    return [e for e, again in zip(chosen, twice, strict=True) if not again and e.group not in scenes]


def words(said: str) -> str:
    """A text as its letters and digits alone, to find it again in another spelling."""
    return " ".join(re.findall(r"[a-z0-9]+", normalise(said).replace("'", "")))


def nearest(asked: list[str], texts: Iterable[str]) -> list[tuple[float, str]]:
    """Of each text asked for, the one of ``texts`` that shares most words with it, and how many: 0 none, 1 all (Dice 1945)."""
    others = sorted({words(one) for one in texts})
    sets, where = [set(one.split()) for one in others], defaultdict(list)
    for number, one in enumerate(sets):
        for word in one:
            where[word].append(number)
    found = []
    for own in (set(words(one).split()) for one in asked):
        shared = Counter(number for word in own for number in where[word])
        best = max(shared, key=lambda number: 2 * shared[number] / (len(own) + len(sets[number])), default=None)
        found.append((0.0, "") if best is None else (2 * shared[best] / (len(own) + len(sets[best])), others[best]))
    return found


def sizes() -> list[dict[str, Any]]:
    """How many texts of each set are learnt from, and how many are held out."""
    chosen, held = corpus(export.data_file("text"))
    learnt, kept = (Counter(map(_set_of, part)) for part in (chosen, held))
    return [{"set": name, "learnt from": learnt[name], "held out": kept[name]} for name in learnt]


def _set_of(example: Example) -> str:
    if example.group == "phrases":
        return "sentences from parts"
    rated = example.group == example.id and not example.emotions  # each sentence of EmoBank is its own group
    return "emobank" if rated else text.set_of(example)


def near() -> list[dict[str, Any]]:
    """The spoken sentences with the training text that is nearest to each, the nearest first."""
    chosen, _ = corpus(export.data_file("text"), unlabelled=True)
    asked = [sentence.text for sentence in spoken_sentences.sentences()]
    pairs = zip(asked, nearest(asked, [e.item for e in chosen]), strict=True)
    ordered = sorted(pairs, key=lambda pair: -pair[1][0])
    return [{"sentence": sentence, "shared words": f"{share:.2f}", "nearest": other} for sentence, (share, other) in ordered]


def main(argv: list[str] | None = None) -> int:
    return run(__doc__, {"sizes": sizes, "near": near}, argv)


if __name__ == "__main__":
    sys.exit(main())
