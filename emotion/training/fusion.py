"""Finds the fusion weights on held-out readings, or on a user's own recordings with all modalities."""

import csv
import dataclasses
import json
import logging
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import emotion
from emotion import figures
from emotion.analyzer import Analyzer
from emotion.checkpoint import Choice
from emotion.labels import LABELS, MODALITIES, to_label
from emotion.messages import InputError
from emotion.readings import HEARD
from emotion.serving import weights, weights_editing
from emotion.speech import prosody
from emotion.speech.reader import voice_reliability
from emotion.training import datasets, evaluation, export, metrics, training_loop
from emotion.training.transcript import SENTENCES

log = logging.getLogger(__name__)

STEP = 20  # the simplex is searched in twentieths
DIGITS = 9  # to which recalls and distances are compared: a sum in another order is no difference
PER_LABEL = 400  # triples drawn for each label
MAX_LOSS = 0.03  # of unweighted average recall, to a modality that says nothing
FOLDS = 5  # of a user's own pairs
COLUMNS = ("text", "audio", "video", "label")
SIMPLEX = "simplex.json"

EQUAL = (1 / 3, 1 / 3, 1 / 3)
VOICE_ALONE = tuple(float(name == "speech") for name in MODALITIES)
GRID = tuple((i / STEP, j / STEP, (STEP - i - j) / STEP) for i in range(STEP + 1) for j in range(STEP + 1 - i))


@dataclass(frozen=True)
class Pairs:
    """Readings of the same moments. ``probabilities`` (n, 3, 7) and ``reliability`` (n, 3), modalities in the order of
    MODALITIES, 0 where one was absent; ``truth`` (n,) indices into LABELS; ``groups`` (n,) the speakers, or (n, 3) where the
    three readings of a row are of different ones."""

    probabilities: np.ndarray
    reliability: np.ndarray
    truth: np.ndarray
    groups: np.ndarray

    def only(self, rows: np.ndarray) -> "Pairs":
        return Pairs(self.probabilities[rows], self.reliability[rows], self.truth[rows], self.groups[rows])

    def fused(self, shares: tuple[float, ...], reliable: bool = True) -> np.ndarray:
        """The weighted mean (n, 7) of each row: ``sum(w r p) / sum(w r)``, without ``reliable`` with r = 1 for what was there."""
        weights = np.array(shares) * (self.reliability if reliable else self.reliability > 0)  # not normalised
        weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, self.reliability > 0)
        total = np.einsum("nm,nml->nl", weights, self.probabilities)
        mean: np.ndarray = total / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        return mean

    def product(self) -> np.ndarray:
        """The product of experts (Hinton 2002), (n, 7)."""
        log_p = np.log(self.probabilities + 1e-9) * (self.reliability > 0)[:, :, None]
        joint = np.exp(log_p.sum(axis=1))
        product: np.ndarray = joint / joint.sum(axis=1, keepdims=True)
        return product

    def uar(self, shares: tuple[float, ...], reliable: bool = True) -> float:
        return metrics.uar(self.fused(shares, reliable).argmax(axis=1), self.truth)


def train(dataset: tuple[str, str] | None, out: Path | None, epochs: int | None) -> dict[str, Any]:
    """Search the weights with which held-out readings are named right most often, and write them to weights.yaml.

    No public set with text, voice and face of the same moments is at hand, so readings of different people with one label are put
    together: texts from the tenth held out of training, faces of FER2013's validation part, voices out of fold. Such triples are
    independent given the label, which flatters every fusion. So only weights count with which a modality that says nothing takes
    at most MAX_LOSS of unweighted average recall from a voice: the plain sentence that RAVDESS's actors say, as speech to text
    would hear it, and random letters. Of weights with the same recall those nearest to equal ones are taken, as nothing speaks
    for more.

    With ``dataset`` ("pairs", a CSV file with the columns of COLUMNS), real pairs decide instead, for the models in use; of
    weights with the same recall those nearest to the ones in use are taken.
    """
    if epochs is not None:
        raise InputError("fusion_epochs")
    if dataset is not None:
        return _train_on(dataset, out or Path("emotion-fusion"))
    analyzer = emotion.load("bundled")
    pairs, voices = label_pairs(analyzer)
    said = empty_words(analyzer)
    grid: list[dict[str, Any]] = [
        {"weights": shares, "uar": pairs.uar(shares), "allowed": _harmless(voices, said, shares)} for shares in GRID
    ]
    best = best_of(grid, EQUAL)
    result = figures_of(pairs, best) | {"taken_from_voice": taken_from(voices, said, best)}
    _write(analyzer, weights.DEFAULT_FILE, out or export.MODELS / "fusion", grid, result, "label-paired held-out readings")
    return result


def _train_on(dataset: tuple[str, str], out: Path) -> dict[str, Any]:
    name, path = dataset
    if name != "pairs":
        raise InputError("fusion_dataset", dataset=name, known=COLUMNS)
    analyzer = emotion.load()
    pairs = own_pairs(analyzer, Path(path))
    usual = tuple(analyzer.weights[name] for name in MODALITIES)

    folds = np.array([zlib.crc32(group.encode()) % FOLDS for group in pairs.groups])
    tested = np.zeros((len(pairs.truth), len(LABELS)))
    for fold in np.unique(folds):
        inside, outside = pairs.only(folds != fold), pairs.only(folds == fold)
        tested[folds == fold] = outside.fused(best_of(_all_allowed(inside), usual) if len(inside.truth) else usual)
    grid = _all_allowed(pairs)
    result = figures_of(pairs, best_of(grid, usual)) | {
        "uar_cross_validated": metrics.report(tested, pairs.truth)["uar"],
        "uar_before": pairs.uar(usual),
    }
    _write(analyzer, weights.file_in_use(), out, grid, result, Path(path).name)
    analyzer.close()
    simplex = figures.weight_simplex(grid, result["weights"])
    simplex.write_html(out / "simplex.html", include_plotlyjs=True)
    return result


def _all_allowed(pairs: Pairs) -> list[dict[str, Any]]:
    return [{"weights": shares, "uar": pairs.uar(shares), "allowed": True} for shares in GRID]


def best_of(grid: list[dict[str, Any]], near: tuple[float, ...]) -> tuple[float, ...]:
    """The allowed weights with the highest recall; of those alike the nearest to ``near``, of these the first in the grid.

    By recall, not by likelihood: a weighted mean is never surer than its surest part, so likelihood would give all to one.
    """

    def worth(point: dict[str, Any]) -> tuple[float, float]:
        return round(point["uar"], DIGITS), -round(math.dist(point["weights"], near), DIGITS)

    best: tuple[float, ...] = max((point for point in grid if point["allowed"]), key=worth)["weights"]
    return best


def figures_of(pairs: Pairs, best: tuple[float, ...]) -> dict[str, Any]:
    """The figures of the chosen weights, and of what else could be done with the same readings."""
    fused = pairs.fused(best)
    ways = {f"uar_{name}": pairs.fused(tuple(float(name == other) for other in MODALITIES)) for name in MODALITIES} | {
        "uar_equal": pairs.fused(EQUAL),
        "uar_product": pairs.product(),
        "uar_without_reliability": pairs.fused(best, reliable=False),
    }
    bounds = metrics.intervals(fused, pairs.truth, pairs.groups)
    bounds |= {name: metrics.intervals(p, pairs.truth, pairs.groups)["uar"] for name, p in ways.items()}
    return {
        "n": len(pairs.truth),
        "weights": dict(zip(MODALITIES, best, strict=True)),
        **{name: metrics.uar(p.argmax(axis=1), pairs.truth) for name, p in ways.items()},
        **metrics.report(fused, pairs.truth),
        "intervals": bounds,
    }


def _write(analyzer: Analyzer, file: Path, out: Path, grid: list[dict], result: dict[str, Any], data: str) -> None:
    """The weights into the entries of the models in use, the figures that justify them beside, the whole simplex into ``out``."""
    for name, weight in result["weights"].items():
        used = analyzer.serving(name).choice

        def is_it(entry: dict[str, Any], used: Choice = used) -> bool:
            return (entry["name"], entry["source"]) == (used.name, used.source)

        if not weights_editing.update_entry(file, name, is_it, {"fusion_weight": weight}):
            log.warning("%s has no entry for %s: its weight is %.2f", file, used.name, weight)
    kept = {key: round(value, 4) for key, value in result.items() if key.startswith("uar")}
    taken = {"taken_from_voice": result["taken_from_voice"]} if "taken_from_voice" in result else {}
    weights_editing.update_fusion(file, {"data": data, "n": result["n"], **kept, **taken})
    out.mkdir(parents=True, exist_ok=True)
    rows = [[*map(round, point["weights"], (2, 2, 2)), round(point["uar"], 4), point["allowed"]] for point in grid]
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    columns = json.dumps([*MODALITIES, "uar", "allowed"])
    head = json.dumps({"data": data, "n": result["n"], "weights": result["weights"]})[1:-1]
    (out / SIMPLEX).write_text(f'{{{head},\n "columns": {columns},\n "rows": [\n  {lines}]}}\n', "utf-8")


# --- pairs by label ------------------------------------------------------------------------------------------------------


def label_pairs(analyzer: Analyzer) -> tuple[Pairs, Pairs]:
    """PER_LABEL triples of each label, drawn from held-out readings; and all voices, out of fold, with their own reliability."""
    readings = _held_out_readings(analyzer)
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(LABELS)), PER_LABEL)
    columns = []
    for name in MODALITIES:
        probabilities, reliability, labels, groups = readings[name]
        drawn = np.concatenate([rng.choice(np.flatnonzero(labels == i), PER_LABEL) for i in range(len(LABELS))])
        columns.append((probabilities[drawn], reliability[drawn], groups[drawn]))
    probabilities, reliability, groups = (np.stack(kind, axis=1) for kind in zip(*columns, strict=True))
    return Pairs(probabilities, reliability, truth, groups), voices_alone(*readings["speech"])


def _held_out_readings(analyzer: Analyzer) -> dict[str, tuple[np.ndarray, ...]]:
    """Modality to probabilities (n, 7), reliability (n,), labels (n,) and groups (n,) of what was not seen in training.

    The pictures are faces cut out already, so of them no reliability can be measured: 1.
    """
    folder = export.data_file("text")
    text = [e for name in ("goemotions", "meld", "isear") for e in datasets.load("text", name, folder, "train")]
    _, held = training_loop.split(text)
    # Of the faces the validation part: which of train's were held out of today's weights cannot be told (see the card).
    result, faces = {}, datasets.load("face", "ferplus", export.data_file("ferplus"), "validation")
    known = np.array([analyzer.text.known(e.item) for e in held])
    for name, kept, reliability in (("text", held, known), ("face", faces, np.ones(len(faces)))):
        log.info("reading %d held-out examples of %s", len(kept), name)
        truth, groups = np.array([e.label for e in kept]), np.array([e.group for e in kept])
        result[name] = evaluation.predict(getattr(analyzer, name), kept), reliability, truth, groups
    return result | {"speech": out_of_fold_voices()}


def out_of_fold_voices() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (n, 7), reliability (n,), labels (n,), actors (n,) of RAVDESS, by networks that had not heard them."""
    voices = datasets.load("speech", "ravdess", export.data_file("ravdess"))
    stored = json.loads((weights.bundled("speech", weights.DEFAULT_FILE).local / "oof.json").read_text("utf-8"))["probabilities"]
    relied = np.array([voice_reliability(prosody.measure(e.item)) for e in voices])
    labels, actors = np.array([e.label for e in voices]), np.array([e.group for e in voices])
    return np.array([stored[e.id] for e in voices], np.float32), relied, labels, actors


def voices_alone(probabilities: np.ndarray, reliability: np.ndarray, labels: np.ndarray, actors: np.ndarray) -> Pairs:
    """Voices (n, 7) without words and face."""
    three, relied = np.zeros((len(labels), len(MODALITIES), len(LABELS))), np.zeros((len(labels), len(MODALITIES)))
    speech = MODALITIES.index("speech")
    three[:, speech], relied[:, speech] = probabilities, reliability
    return Pairs(three, relied, labels, actors)


def empty_words(analyzer: Analyzer) -> dict[str, tuple[np.ndarray, float]]:
    """What the text model says of words that say nothing: probabilities (7,) and the reliability."""
    texts = {sentence: (sentence, HEARD) for sentence in SENTENCES.values()} | {
        "random letters": ("xqzt kfjw plmqz vbn wqrtz", 1.0)
    }
    readings = {name: analyzer.text.read(text, confidence) for name, (text, confidence) in texts.items()}
    return {name: (reading.probabilities, reading.reliability) for name, reading in readings.items() if reading}


def taken_from(
    voices: Pairs, said: dict[str, tuple[np.ndarray, float]], shares: tuple[float, ...], reliable: bool = True
) -> dict[str, float]:
    """How much unweighted average recall each text takes from the voices."""
    alone = voices.uar(VOICE_ALONE)
    return {name: round(alone - with_words(voices, *words).uar(shares, reliable), 4) for name, words in said.items()}


def taken_interval(voices: Pairs, words: tuple[np.ndarray, float], shares: tuple[float, ...]) -> list[float]:
    """The ``metrics.interval`` over the speakers of what words take from the voices, as ``taken_from`` has it."""
    alone = voices.fused(VOICE_ALONE).argmax(axis=1)
    beside = with_words(voices, *words).fused(shares).argmax(axis=1)

    def taken(rows: np.ndarray) -> float:
        return metrics.uar(alone[rows], voices.truth[rows]) - metrics.uar(beside[rows], voices.truth[rows])

    ends: list[float] = metrics.interval(taken, voices.groups).tolist()
    return ends


def share_of_words(voices: Pairs, words: tuple[np.ndarray, float], shares: tuple[float, ...]) -> float:
    """The mean share of the answer that the words have beside a voice."""
    unnormalised = np.array(shares) * with_words(voices, *words).reliability
    return float((unnormalised[:, MODALITIES.index("text")] / unnormalised.sum(axis=1)).mean())


def with_words(voices: Pairs, probabilities: np.ndarray, reliability: float) -> Pairs:
    """The same words (7,) said by every voice."""
    three, relied = voices.probabilities.copy(), voices.reliability.copy()
    text = MODALITIES.index("text")
    three[:, text], relied[:, text] = probabilities, reliability
    return dataclasses.replace(voices, probabilities=three, reliability=relied)


def _harmless(voices: Pairs, said: dict[str, tuple[np.ndarray, float]], shares: tuple[float, ...]) -> bool:
    return max(taken_from(voices, said, shares).values()) <= MAX_LOSS


# --- a user's own pairs --------------------------------------------------------------------------------------------------


def own_pairs(analyzer: Analyzer, file: Path) -> Pairs:
    """The readings of a CSV file's rows.

    Columns: ``text``, ``audio``, ``video`` (paths relative to the file; any may be empty), ``label``, and if there is one
    ``speaker``, the group; else every row is its own. A row whose media cannot be read is left out with a warning. Raises
    InputError when the columns are others, a label is none of the seven, or no row can be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise InputError("csv_unreadable", file=file, reason=e) from e
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise InputError("csv_columns", file=file, known=COLUMNS)
    found = []
    for number, row in enumerate(rows, start=2):
        label = to_label(row["label"] or "")
        if label is None:
            raise InputError("csv_label", file=file, line=number, label=row["label"], known=LABELS)
        audio, video = (file.parent / row[kind] if row[kind] else None for kind in ("audio", "video"))
        try:
            readings = analyzer.analyze(row["text"] or None, audio, video).modalities
        except InputError as e:
            log.warning("%s, line %d is left out: %s", file.name, number, e)
            continue
        if not readings:
            log.warning("%s, line %d is left out: nothing in it could be read", file.name, number)
            continue
        probabilities = [readings[m].probabilities if m in readings else np.zeros(len(LABELS)) for m in MODALITIES]
        reliability = [readings[m].reliability if m in readings else 0.0 for m in MODALITIES]
        found.append((probabilities, reliability, LABELS.index(label), row.get("speaker") or str(number)))
        if len(found) % 10 == 0:
            log.info("%d of %d rows read", len(found), len(rows))
    if not found:
        raise InputError("csv_without_rows", file=file)
    return Pairs(*(np.array(column) for column in zip(*found, strict=True)))
