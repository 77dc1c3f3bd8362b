"""Labelled data sets in the layouts of their official downloads, from a file, a folder or a zip.

Each loader yields ``Example``s: what a recogniser takes, the label, and the group (speaker, writer) that must never stand on both
sides of a split. ``DATASETS`` maps modality and data-set name to its loader.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Generic, Literal, TypeVar, overload

import cv2
import numpy as np
import soundfile

from emotion.labels import GOEMOTIONS_TO_LABEL, LABELS, to_label
from emotion.media import decode_audio, from_samples
from emotion.messages import InputError

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".webm")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
PARTS = ("train", "dev", "validation", "test")


Item = TypeVar("Item", str, np.ndarray)


@dataclass(frozen=True, eq=False)
class Example(Generic[Item]):
    """``item``: a text, samples (n,) at 16 kHz, or a uint8 image; ``label`` an index into LABELS, -1 where there is none.

    ``valence``: where the set has one, a rating from 1 to 5, by people or by what an emotion without a counterpart means.
    ``emotions``: indices into GOEMOTIONS of all that a row was given. ``labels``: those into LABELS where it was given several.
    """

    id: str
    item: Item
    label: int
    group: str
    valence: float | None = None
    emotions: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()


class Source:
    """A folder, a zip or a single file as a list of names with contents."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.exists():
            raise InputError("dataset_not_found", path=self.path)
        self._zip = zipfile.ZipFile(self.path) if zipfile.is_zipfile(self.path) else None

    def names(self) -> list[str]:
        """Sorted names of all files, with forward slashes."""
        if self._zip is not None:
            return sorted(name for name in self._zip.namelist() if not name.endswith("/"))
        if self.path.is_file():
            return [self.path.name]
        return sorted(p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())

    def read(self, name: str) -> bytes:
        """The content of a file. Raises InputError where there is none of that name."""
        try:
            if self._zip is not None:
                return self._zip.read(name)
            return (self.path if self.path.is_file() else self.path / name).read_bytes()
        except (KeyError, OSError) as e:
            raise InputError("dataset_without_file", path=self.path, file=name) from e


@overload
def load(modality: Literal["text"], dataset: str, path: str | Path, split: str | None = None) -> list[Example[str]]: ...


@overload
def load(
    modality: Literal["speech", "face"], dataset: str, path: str | Path, split: str | None = None
) -> list[Example[np.ndarray]]: ...


@overload
def load(modality: str, dataset: str, path: str | Path, split: str | None = None) -> list[Example]: ...


def load(modality: str, dataset: str, path: str | Path, split: str | None = None) -> list[Example]:
    """All examples of a data set that have one of the seven labels (or a rated valence).

    ``split`` names one part ("train", "dev", "validation", "test"), or "all"; without it everything but ``train`` counts.
    Raises InputError when the set is unknown for the modality or holds no usable example.
    """
    try:
        loader = DATASETS[modality][dataset]
    except KeyError:
        known = tuple(DATASETS.get(modality, ()))
        raise InputError("dataset_unknown", modality=modality, dataset=dataset, known=known) from None
    examples = list(loader(Source(path), split))
    if not examples:
        if split:
            raise InputError("dataset_without_part", path=path, dataset=dataset, split=split)
        raise InputError("dataset_without_examples", path=path, dataset=dataset)
    return examples


def _wanted(part: str, split: str | None) -> bool:
    return part != "train" if split is None else split in (part, "all")


# --- voice ---------------------------------------------------------------------------------------------------------------

_RAVDESS_LABELS = dict(
    zip(range(1, 9), "neutral neutral happy sad angry fear disgust surprise".split(), strict=True)
)  # 02 is calm
_EMODB_LABELS = {"W": "angry", "E": "disgust", "A": "fear", "F": "happy", "T": "sad", "N": "neutral"}  # L, boredom, has no label


def ravdess_clip(name: str) -> dict[str, int] | None:
    """The fields of a RAVDESS file name, or None for another file. Modality 03 is sound alone, channel 01 is speech."""
    stem = PurePosixPath(name).stem
    if not re.fullmatch(r"03-01(-\d\d){5}", stem):
        return None
    emotion, intensity, sentence, repetition, actor = (int(field) for field in stem.split("-")[2:])
    return {"emotion": emotion, "intensity": intensity, "sentence": sentence, "repetition": repetition, "actor": actor}


def acted(stem: str) -> tuple[int, str] | None:
    """Label and speaker of a clip of RAVDESS, EmoDB or nEMO, which its name tells; None for another name, and for boredom."""
    clip = ravdess_clip(stem)
    if clip:
        return LABELS.index(_RAVDESS_LABELS[clip["emotion"]]), f"ravdess-{clip['actor']:02d}"
    if re.fullmatch(r"\d\d[ab]\d\d[A-Z][a-z]", stem) and stem[5] in _EMODB_LABELS:
        return LABELS.index(_EMODB_LABELS[stem[5]]), f"emodb-{stem[:2]}"
    nemo = re.fullmatch(r"([A-Z]+\d)_([a-z]+)_\d+", stem)
    label = to_label(nemo[2]) if nemo else None
    return (LABELS.index(label), f"nemo-{nemo[1]}") if nemo and label else None


def _acted(corpus: str) -> Callable[[Source, str | None], Iterator[Example]]:
    def loader(source: Source, split: str | None) -> Iterator[Example]:
        for name in source.names():
            path = PurePosixPath(name)
            told = acted(path.stem)
            if told and told[1].startswith(corpus) and path.suffix in AUDIO_SUFFIXES:
                yield Example(path.stem, _sound(source.read(name)), *told)

    return loader


def _sound(data: bytes) -> np.ndarray:
    return from_samples(*soundfile.read(io.BytesIO(data), dtype="float32"))


# --- face ----------------------------------------------------------------------------------------------------------------


def _fer2013(source: Source, split: str | None) -> Iterator[Example]:
    for name in source.names():
        path = PurePosixPath(name)
        label = to_label(path.parent.name)
        part = path.parent.parent.name
        if label and path.suffix in IMAGE_SUFFIXES and _wanted(part, split):
            yield Example(name, _grey(source.read(name)), LABELS.index(label), name)


def _ferplus(source: Source, split: str | None) -> Iterator[Example]:
    """FER2013 in its official pixels, with the set's own label. Faces that could not be paired with one are left out."""
    for row in csv.DictReader(io.StringIO(source.read("labels.csv").decode("utf-8"))):
        label = to_label(row["fer2013"])
        if label and _wanted(PurePosixPath(row["file"]).parent.name, split):
            yield Example(row["file"], _grey(source.read(row["file"])), LABELS.index(label), row["file"])


def ferplus_votes(source: Source) -> dict[str, list[int]]:
    """Of each file how many of ten people voted for each of LABELS; those for something else are left out."""
    rows = csv.DictReader(io.StringIO(source.read("labels.csv").decode("utf-8")))
    columns = {to_label(name): name for name in rows.fieldnames or () if name != "fer2013"}
    return {row["file"]: [int(row[columns[label]]) for label in LABELS] for row in rows}


def _grey(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise InputError("dataset_picture_damaged")
    return image


# --- text ----------------------------------------------------------------------------------------------------------------


def goemotions_rows(source: Source, split: str | None) -> Iterator[Example]:
    """Every row, with all its ``emotions``; ``label`` is -1 where they are not of exactly one of the seven."""
    for name in _text_files(source, "goemotions", ".tsv", split):
        for line in source.read(name).decode("utf-8").splitlines():
            text, ids, row_id = line.split("\t")
            emotions = tuple(int(i) for i in ids.split(","))
            labels = {GOEMOTIONS_TO_LABEL[i] for i in emotions}
            yield Example(row_id, text, labels.pop() if len(labels) == 1 else -1, row_id, emotions=emotions)


def labels_shown(rows: Sequence[Example]) -> np.ndarray:
    """Which of the seven labels the emotions of each row belong to, bool (n, 7)."""
    shown = np.zeros((len(rows), len(LABELS)), bool)
    for row, example in zip(shown, rows, strict=True):
        row[[GOEMOTIONS_TO_LABEL[i] for i in example.emotions]] = True
    return shown


def _goemotions(source: Source, split: str | None) -> Iterator[Example]:
    return (example for example in goemotions_rows(source, split) if example.label >= 0)


def _meld(source: Source, split: str | None) -> Iterator[Example]:
    for name in _text_files(source, "meld", ".csv", split):
        for row in csv.DictReader(io.StringIO(source.read(name).decode("utf-8"))):
            label = to_label(row["Emotion"])
            if label:
                row_id = f"{row['Dialogue_ID']}-{row['Utterance_ID']}"
                yield Example(row_id, row["Utterance"], LABELS.index(label), f"meld-{row['Dialogue_ID']}")


def _isear(source: Source, split: str | None) -> Iterator[Example]:
    for name in _text_files(source, "isear", ".csv", split):
        for number, row in enumerate(csv.DictReader(io.StringIO(source.read(name).decode("utf-8")))):
            label = to_label(row["emotion"])
            if label:
                yield Example(f"{row['id']}-{number}", row["text"], LABELS.index(label), f"isear-{row['id']}")


def _emobank(source: Source, split: str | None) -> Iterator[Example]:
    for name in _text_files(source, "emobank", ".csv", None, whole_file=True):
        for row in csv.DictReader(io.StringIO(source.read(name).decode("utf-8"))):
            if _wanted(row["split"], split):
                yield Example(row["id"], row["text"], -1, row["id"], valence=float(row["V"]))


# Sets of one table each, whose columns are: id, text, emotion, label (of the seven, or none), valence, speaker_or_dialogue,
# source.
TABLES = ("empathetic", "dailydialog", "emorynlp", "xed", "carer")


def table_rows(source: Source, name: str, split: str | None) -> Iterator[Example]:
    """Every row of one of TABLES; those without a label have -1, and the ``labels`` or the ``valence`` of their emotion.

    A file without a part in its name, or in that of its folder, belongs to every part.
    """
    for file in _table_files(source, name, split):
        for row in csv.DictReader(io.StringIO(source.read(file).decode("utf-8"))):
            label, group = to_label(row["label"]), f"{name}-{row['speaker_or_dialogue']}"
            named = filter(None, map(to_label, row["emotion"].split(",")))
            several = () if label else tuple(sorted(LABELS.index(one) for one in named))
            rated = float(row["valence"]) if row["valence"] and not label and not several else None
            yield Example(row["id"], row["text"], LABELS.index(label) if label else -1, group, rated, labels=several)


def _table_files(source: Source, name: str, split: str | None) -> list[str]:
    if source.path.is_file() and not zipfile.is_zipfile(source.path):
        return source.names()
    chosen = []
    for file in source.names():
        path = PurePosixPath(file)
        first, _, part = path.stem.partition("_")
        part = part.partition("_")[0] or path.parent.name
        if first == name and path.suffix == ".csv" and (part not in PARTS or _wanted(part, split)):
            chosen.append(file)
    return chosen


def _table(name: str) -> Callable[[Source, str | None], Iterator[Example]]:
    return lambda source, split: (example for example in table_rows(source, name, split) if example.label >= 0)


def _text_files(source: Source, prefix: str, suffix: str, split: str | None, whole_file: bool = False) -> list[str]:
    """A file named outright is taken as it is; in a folder the part stands in the name: ``meld_dev_sent_emo.csv``."""
    if source.path.is_file() and not zipfile.is_zipfile(source.path):
        return source.names()
    names = [n for n in source.names() if PurePosixPath(n).name.startswith(prefix + "_") and n.endswith(suffix)]
    return names if whole_file else [n for n in names if _wanted(PurePosixPath(n).stem.split("_")[1], split)]


# --- a user's own --------------------------------------------------------------------------------------------------------


def _folder(
    suffixes: Sequence[str], read: Callable[[Source, str], Item]
) -> Callable[[Source, str | None], Iterator[Example[Item]]]:
    """One folder per label, any depth above it; a folder ``train`` or the like above the labels is a part."""

    def loader(source: Source, split: str | None) -> Iterator[Example[Item]]:
        for name in source.names():
            path = PurePosixPath(name)
            label = to_label(path.parent.name)
            if label and path.suffix.lower() in suffixes and _wanted(path.parent.parent.name, split):
                yield Example(name, read(source, name), LABELS.index(label), name)

    return loader


def _any_sound(source: Source, name: str) -> np.ndarray:
    return _sound(source.read(name)) if source.path.suffix == ".zip" else decode_audio(source.path / name)


DATASETS: dict[str, dict[str, Callable[[Source, str | None], Iterator[Example]]]] = {
    "text": {
        "goemotions": _goemotions,
        "meld": _meld,
        "isear": _isear,
        "emobank": _emobank,
        **{name: _table(name) for name in TABLES},
        "folder": _folder((".txt",), lambda source, name: source.read(name).decode("utf-8").strip()),
    },
    "speech": {
        "ravdess": _acted("ravdess"),
        "emodb": _acted("emodb"),
        "nemo": _acted("nemo"),
        "folder": _folder(AUDIO_SUFFIXES, _any_sound),
    },
    "face": {
        "ferplus": _ferplus,
        "fer2013": _fer2013,
        "folder": _folder(IMAGE_SUFFIXES, lambda source, name: _grey(source.read(name))),
    },
}
