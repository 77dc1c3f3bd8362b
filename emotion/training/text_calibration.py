"""How well the text model does, and how far its confidence can be believed, on what was held out of each data set.

``python -m emotion.training.text_calibration`` prints a Markdown table, from EMOTION_DATA: of the tenth of each set that is held
out by a hash of its groups, and of the official dev parts. ``--source`` chooses the model as in ``emotion analyze``.

Where a model's temperature was fitted on held-out rows (the bundled model's on those of GoEmotions, MELD and ISEAR, a student's
on all) the ECE of these rows is in-sample. That of the dev parts is not.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

import emotion
from emotion.environment import SOURCES
from emotion.messages import InputError
from emotion.training import datasets, evaluation, export, metrics, spoken_sentences
from emotion.training.datasets import Example
from emotion.training.experiments import table

SETS = ("goemotions", "meld", "isear", "dailydialog", "empathetic", "emorynlp", "xed")
DEVELOPED = ("goemotions", "meld")  # have an official dev part
COLUMNS = ("accuracy", "macro_f1", "weighted_f1", "ece")
NOTE = (
    "ECE is in-sample on the held-out rows that a model's temperature was fitted on: GoEmotions, MELD and ISEAR for the bundled "
    "model, all for a student. It is not on the dev parts."
)


def parts(folder: Path) -> dict[str, list[Example]]:
    """The held-out tenth of each set, and the dev parts: rows of one label."""
    held = {f"{name}, held out": evaluation.held_out(datasets.load("text", name, folder, "train")) for name in SETS}
    return held | {f"{name}, dev": datasets.load("text", name, folder, "dev") for name in DEVELOPED}


def calibration(recogniser: evaluation.Predicts, sets: dict[str, list[Example]]) -> list[dict[str, Any]]:
    """Figures of each set and their intervals."""
    rows = []
    for name, examples in sets.items():
        probabilities, truth = evaluation.predict(recogniser, examples), np.array([e.label for e in examples])
        groups = [e.group for e in examples]

        def ece(rows: np.ndarray, probabilities: np.ndarray = probabilities, truth: np.ndarray = truth) -> float:
            return metrics.calibration_error(probabilities[rows], truth[rows])

        figures, bounds = metrics.report(probabilities, truth), metrics.intervals(probabilities, truth, groups)
        bounds["ece"] = metrics.interval(ece, groups).tolist()
        cells = {column: export.with_interval(figures[column], bounds[column]) for column in COLUMNS}
        rows.append({"part": name, "n": len(examples)} | cells)
    return rows


def figures(recogniser: Any) -> str:
    """Markdown of a text recogniser: the spoken sentences by category, its misses among them, ``calibration``, and NOTE."""
    answered = spoken_sentences.answers(recogniser, spoken_sentences.sentences())
    rows = [spoken_sentences.by_category(answered), spoken_sentences.misses(answered)]
    return "\n\n".join([*map(table, [*rows, calibration(recogniser, parts(export.data_file("text")))]), NOTE])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=SOURCES, default="bundled", help="where the model comes from (default: %(default)s)")
    arguments = parser.parse_args(argv)
    try:
        rows = calibration(emotion.load(arguments.source).text, parts(export.data_file("text")))
    except InputError as e:
        print(e, file=sys.stderr)
        return 1
    print(table(rows), "", NOTE, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
