"""Writes a trained model: safetensors in half precision, config, card, and its figures into weights.yaml."""

import argparse
import dataclasses
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file

from emotion import baseline
from emotion.checkpoint import Choice
from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.serving.weights import DEFAULT_FILE, ROOT
from emotion.serving.weights_editing import update_entry
from emotion.training import evaluation, metrics
from emotion.training.datasets import Example

log = logging.getLogger(__name__)

MODELS = ROOT / "emotion" / "models"
LEAST_PLAIN = 50  # neutral examples, from which their geometric mean is what a personal baseline is measured from
MAX_FILE_BYTES = 9_900_000  # a Space's git takes no file over 10 MB
DIAGRAM = "reliability.svg"


def save(folder: Path, state: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write ``state`` and ``config`` into ``folder``, in files under 10 MB. Matrices become float16; the rest stays float32.

    Half precision moves probabilities by less than 0.001, while running variances and filter banks need the range.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    halved = {
        name: (t.half() if t.dim() >= 2 and t.is_floating_point() and not name.startswith("banks.") else t).contiguous()
        for name, t in state.items()
    }
    shards = split_torch_state_dict_into_shards(halved, max_shard_size=MAX_FILE_BYTES)
    for file, names in shards.filename_to_tensors.items():
        save_file({name: halved[name] for name in names}, folder / file)
    write_json(folder / "config.json", {"labels": list(LABELS), **config})


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


@dataclass(frozen=True)
class Card:
    """What a model card says beside the figures, as Markdown."""

    title: str
    licence: str  # the Hub's identifier
    about: str
    data: str
    limits: str
    licences: str
    command: str


@dataclass(frozen=True)
class Figures:
    """A report over one part of the data, its ``metrics.intervals`` and its ``metrics.reliability``.

    ``command``: what prints it again after ``python -m emotion``, if anything does. ``neutral``: what neutral examples are read
    as in the geometric mean, by label; None where there are fewer than LEAST_PLAIN.
    """

    part: str
    report: dict[str, Any]
    intervals: dict[str, list[float]]
    bins: list[tuple[float, float, int]]
    command: str | None = None
    neutral: dict[str, float] | None = None

    @classmethod
    def of(
        cls, part: str, model: evaluation.Predicts, examples: list[Example], command: str | None, restrict: bool = False
    ) -> "Figures":
        """Run a recogniser over examples with labels."""
        return cls.from_probabilities(
            part,
            evaluation.predict(model, examples),
            np.array([e.label for e in examples]),
            [e.group for e in examples],
            command,
            restrict,
        )

    @classmethod
    def from_probabilities(
        cls,
        part: str,
        probabilities: np.ndarray,
        truth: np.ndarray,
        groups: list[str],
        command: str | None,
        restrict: bool = False,
    ) -> "Figures":
        """Of probabilities (n, 7), labels (n,) and groups (n,)."""
        report = metrics.report(probabilities, truth, restrict)
        bounds = metrics.intervals(probabilities, truth, groups, restrict)
        neutral = neutral_of(probabilities[truth == baseline.NEUTRAL])
        return cls(part, report, bounds, metrics.reliability(probabilities, truth), command, neutral)


def neutral_of(probabilities: np.ndarray) -> dict[str, float] | None:
    """The ``neutral`` of a model in weights.yaml, by the probabilities (n, 7) of neutral examples."""
    if len(probabilities) < LEAST_PLAIN:
        return None
    mean = metrics.geometric_mean(probabilities, baseline.FLOOR)
    return {label: round(float(p), 4) for label, p in zip(LABELS, mean, strict=True)}


def report(
    role: str, folder: Path, temperature: float | None, card: Card, parts: list[Figures], notes: str = ""
) -> dict[str, Any]:
    """Write the card and the entry of weights.yaml of a model in ``folder``; returns the figures of the last part."""
    main = parts[-1] if parts else None
    if main:
        draw_reliability(folder / DIAGRAM, main)
    _write_card(folder, card, temperature, parts, notes)
    kept = ("accuracy", "uar", "macro_f1", "weighted_f1", "ece")
    figures = {"part": main.part, **{k: main.report[k] for k in kept}} if main else {}
    _enter(role, folder, temperature, figures, main.neutral if main and role in baseline.MODALITIES else None)
    return {"model": str(folder), "part": main.part, **main.report} if main else {"model": str(folder)}


def draw_reliability(file: Path, figures: Figures) -> None:
    """A reliability diagram (DeGroot & Fienberg 1983): how often the top label is right against how sure it is."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    confidence, accuracy, n = (np.array(column) for column in zip(*figures.bins, strict=True))
    ink = "#6b7280"  # readable on white and on black
    inked: Any = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink)
    with plt.rc_context({"svg.hashsalt": "emotion", "svg.fonttype": "none", "font.size": 9, **inked}):
        figure, axes = plt.subplots(figsize=(3.6, 3.2), layout="constrained")
        axes.plot([0, 1], [0, 1], color=ink, linestyle=":", linewidth=1)
        axes.plot(confidence, accuracy, color="#1f6fbf", linewidth=1)
        axes.scatter(confidence, accuracy, s=400 * n / n.max(), color="#1f6fbf", alpha=0.5, linewidths=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the top label", ylabel="share of it that is right")
        axes.set_title(f"{figures.part}\nn = {figures.report['n']:,}, ECE {figures.report['ece']:.3f}", fontsize=8)
        figure.savefig(file, transparent=True, metadata={"Date": None})
        plt.close(figure)


def with_interval(figure: float, bounds: Sequence[float] | np.ndarray | None) -> str:
    """As cards and tables write a figure of 0 to 1."""
    return f"{figure:.3f}" + (f" ({bounds[0]:.3f}-{bounds[1]:.3f})" if bounds is not None else "")


def cell(figure: str, probabilities: np.ndarray, truth: np.ndarray, groups: Sequence | np.ndarray, restrict: bool = False) -> str:
    """A figure of ``metrics.report`` with its interval, as tables write it."""
    bounds = metrics.intervals(probabilities, truth, groups, restrict)
    return with_interval(metrics.report(probabilities, truth, restrict)[figure], bounds[figure])


def difference(figure: float, bounds: Sequence[float] | np.ndarray) -> str:
    """As tables write by how much a figure differs from another one."""
    return f"{figure:+z.3f} ({bounds[0]:+z.3f} to {bounds[1]:+z.3f})"


def _write_card(folder: Path, card: Card, temperature: float | None, parts: list[Figures], notes: str) -> None:
    names = ("accuracy", "uar", "macro_f1", "weighted_f1", "ece")
    lines = [f"| part | n | {' | '.join(names)} | command |", "|" + "---|" * (len(names) + 3)]
    for part in parts:
        values = " | ".join(with_interval(part.report[name], part.intervals.get(name)) for name in names)
        command = f"`python -m emotion {part.command} --source bundled`" if part.command else ""
        lines.append(f"| {part.part} | {part.report['n']:,} | {values} | {command} |")
    recalls = [f"{part.part}: recall " + ", ".join(_recalls(part.report)) for part in parts[-1:]] + (
        [f"\n{notes}"] if notes else []
    )
    calibrated = (
        f"Temperature {temperature:.3f}, fitted on held-out data." if temperature else "Not calibrated: too little held-out data."
    )
    diagram = f"![Reliability diagram]({DIAGRAM})\n\n" if parts else ""
    text = f"""---
license: {card.licence}
library_name: pytorch
tags: [emotion-recognition]
---

# {card.title}
{card.about}

## Figures

{chr(10).join([*lines, "", *recalls])}

{diagram}{calibrated} ECE is that of the top label in 15 equal-width bins; UAR is the mean recall over the labels.
In brackets: the 95 % confidence interval, by resampling the groups of the data (speakers, writers, dialogues; else rows).

## Data
{_block(card.data)}
## Limits
{_block(card.limits)}
## Training again
{_block(f"`{card.command}`, with EMOTION_DATA set to the folder of the data sets.")}
## Licence
{_block(card.licences)}"""
    (folder / "README.md").write_text(text, "utf-8")


def _recalls(report: dict[str, Any]) -> list[str]:
    rows = zip(LABELS, report["confusion"], range(len(LABELS)), strict=True)
    return [f"{label} {row[i] / sum(row):.2f}" for label, row, i in rows if sum(row)]


def _block(text: str) -> str:
    return f"\n{text.strip()}\n"


def trained(role: str, folder: Path, temperature: float | None) -> Choice:
    """A freshly trained model, so that its figures come from the files that were written."""
    return Choice(f"emotion-{role}", "local", "trained here", "that of the data", folder, temperature)


def _enter(role: str, folder: Path, temperature: float | None, figures: dict[str, Any], neutral: dict[str, float] | None) -> None:
    """Write temperature, figures and what neutral examples are read as into weights.yaml where the model has an entry there.

    Else say which entry it needs.
    """
    values = {
        "temperature": temperature and round(temperature, 4),
        "figures": {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()},
    }
    if role in baseline.MODALITIES:
        values["neutral"] = neutral
    if update_entry(DEFAULT_FILE, role, lambda entry: _is_at(entry, folder), values):
        log.info("%s has the new temperature and figures", DEFAULT_FILE.name)
        return
    choice = dataclasses.asdict(trained(role, folder, temperature)) | values | {"path": str(folder.resolve())}
    entry = "\n".join(f"    {key}: {json.dumps(value)}" for key, value in choice.items() if value)
    log.info("to use it, put this first under %s in weights.yaml:\n  - %s", role, entry.lstrip())


def _is_at(entry: dict[str, Any], folder: Path) -> bool:
    return bool(entry.get("path")) and (ROOT / entry["path"]).resolve() == folder.resolve()


def data_file(name: str) -> Path:
    """A data set's file or folder under EMOTION_DATA. Raises InputError when it is not there."""
    root = os.environ.get("EMOTION_DATA")
    if not root:
        raise InputError("data_folder_unset")
    for candidate in (Path(root) / name, Path(root) / f"{name}.zip"):
        if candidate.exists():
            return candidate
    raise InputError("dataset_not_in_folder", dataset=name, folder=root)


def add_path(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """The argument ``path`` of a command over one data set: by default the file ``name`` in EMOTION_DATA, where that is set."""
    data = os.environ.get("EMOTION_DATA")
    parser.add_argument(
        "path",
        nargs="?" if data else None,
        type=Path,
        default=Path(data) / name if data else None,
        help=f"{what}, a folder or a zip (default: {name} in EMOTION_DATA)",
    )
