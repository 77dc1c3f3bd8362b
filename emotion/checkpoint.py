"""A model that can serve: where it comes from, what is known of it, and the files of its folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.readings import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Labels = dict[str, str | None] | tuple[str, ...]  # by name, or in the order of the outputs
LEAST_BYTES = 1024  # of a model file; the pointer that stands for it in a repository of Git LFS has 130


@dataclass(frozen=True)
class Choice:
    """One model that can serve a role.

    ``path``: its folder, of a bundled one relative to the project, else to weights.yaml, or once it is fetched; None for a package. ``repo``: Hub repository, and for a
    remote one also a URL; ``files``: of it, with the SHA-256 of each, None where it is not known; ``folder``: in it, of our own models.
    ``loader``: what reads it, one of ``emotion.serving.loaders``. ``labels``: its label to one of the seven (None: left out), or the seven in the order of
    its outputs. ``sampling_rate`` in Hz and ``input_size`` in pixels: what it takes. ``megabytes``: about how much there is to fetch.
    ``temperature``: of its calibration, None when it has none. ``fusion_weight``: fitted weight of its readings, >= 0. ``figures``:
    known figures by name. ``unlisted``: patterns of further files, of a model on trial.
    """

    name: str
    source: str
    revision: str
    licence: str
    path: Path | None = None
    temperature: float | None = None
    fusion_weight: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    repo: str | None = None
    files: dict[str, str | None] = field(default_factory=dict)
    folder: str | None = None
    loader: str | None = None
    labels: Labels | None = None
    sampling_rate: int | None = None
    input_size: int | None = None
    megabytes: float | None = None
    unlisted: tuple[str, ...] = ()

    @property
    def local(self) -> Path:
        """The folder of its files. Raises ValueError for a package, and for what was not fetched."""
        if self.path is None:
            raise ValueError(f"{self.name} has no folder here")
        return self.path

    @property
    def repository(self) -> str:
        """Its repository on the Hub. Raises ValueError for what comes from elsewhere."""
        if self.repo is None:
            raise ValueError(f"{self.name} has no repository")
        return self.repo

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(self.source, self.name, self.revision, self.temperature is not None)


def tensors(folder: Path) -> dict[str, "Tensor"]:
    """All tensors of the safetensors files in a folder, floats as float32. Raises InputError when a file is missing or broken."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError("safetensors_missing", folder=folder)
    result: dict[str, Tensor] = {}
    for file in files:
        try:
            result |= load_file(file)
        except SafetensorError as e:
            raise InputError("safetensors_damaged", file=file, reason=e) from e
    return {name: t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for name, t in result.items()}


def fill(network: "Module", state: dict[str, "Tensor"], folder: Path) -> None:
    """Give a network its tensors. Raises InputError when one is missing, is unknown or has another size."""
    own = network.state_dict()
    wrong = [name for name in own if name not in state] + [name for name in state if name not in own]
    wrong += [name for name in own if name in state and own[name].shape != state[name].shape]
    if wrong:
        raise InputError("tensors_do_not_fit", folder=folder, count=len(wrong), tensor=wrong[0])
    network.load_state_dict(state)


def model_file(choice: Choice, suffix: str) -> Path:
    """The one file of a choice's folder with a suffix. Raises InputError where there is none, or several, or a pointer in its place."""
    files = sorted(choice.local.glob(f"*{suffix}"))
    if len(files) != 1:
        raise InputError("model_file_count", model=choice.name, suffix=suffix, found=[file.name for file in files] or 0)
    if files[0].stat().st_size < LEAST_BYTES:
        raise InputError("model_file_pointer", model=choice.name, file=files[0].name, bytes=files[0].stat().st_size)
    return files[0]


def config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder of our own models. Raises InputError when it cannot be read or names other labels."""
    try:
        content: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        labels = tuple(content["labels"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError("config_unreadable", file=folder / "config.json", reason=e) from e
    if labels != LABELS:
        raise InputError("config_labels", file=folder / "config.json", labels=labels, known=LABELS)
    return content
