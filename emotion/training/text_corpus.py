"""All labelled texts together, the tenth that is held out, and nothing in training that a held-out or dev part has too."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from emotion.text.recogniser import normalise
from emotion.training import datasets, phrases, training_loop
from emotion.training.datasets import Example

# CARER is not among them: its tweets were labelled by their hashtags, and most say the emotion by name.
TABLES = ("empathetic", "dailydialog", "emorynlp", "xed")
SHORT = 4  # words: a text of fewer ("oh my god") stands in many places and gives nothing away


UNLABELLED = "carer"  # read for its texts alone


def corpus(folder: Path, unlabelled: bool = False) -> tuple[list[Example], list[Example]]:
    """What a text model learns from, and the held-out tenth of every set, chosen by a hash of the group.

    A text of SHORT words or more that is held out, or in a dev part, is left out of training wherever else it stands; of EmoryNLP the
    whole scene, because MELD has many of the same scenes from another transcript.

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
    rows += [e for name in TABLES for e in datasets.table_rows(source, name, "train")]
    chosen, held = training_loop.split(rows)
    held = [e for e in held if is_known(e)]
    if unlabelled:
        chosen += [dataclasses.replace(e, label=-1) for e in datasets.table_rows(source, UNLABELLED, "train")]
    else:
        chosen = [e for e in chosen if is_known(e)]
    dev = list(datasets.goemotions_rows(source, "dev"))
    dev += [e for name in ("meld", "emobank") for e in datasets.load("text", name, folder, "dev")]
    return apart(chosen, [*held, *dev]) + phrases.examples(), held


def is_known(example: Example) -> bool:
    """Whether anything is known of what a text shows."""
    return example.label >= 0 or bool(example.emotions or example.labels) or example.valence is not None


def apart(chosen: list[Example], kept: Iterable[Example]) -> list[Example]:
    """Those of ``chosen`` that say nothing that is in ``kept``, but for short texts; and no scene of EmoryNLP that is partly there."""
    said = {plain for e in kept if len((plain := words(e.item)).split()) >= SHORT}
    twice = [words(e.item) in said for e in chosen]
    scenes = {e.group for e, again in zip(chosen, twice, strict=True) if again and e.group.startswith("emorynlp-")}
    return [e for e, again in zip(chosen, twice, strict=True) if not again and e.group not in scenes]


def words(text: str) -> str:
    """A text as its letters and digits alone, to find it again in another spelling."""
    return " ".join(re.findall(r"[a-z0-9]+", normalise(text).replace("'", "")))
