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
LEAST_BYTES = 1024  # of a model file; its pointer, in a repository of Git LFS that was fetched without it, has 130


@dataclass(frozen=True)
class Choice:
    """One model that can serve a role, as weights.yaml describes it.

    Attributes
    ----------
    name, revision, licence : str
    source : str
        "hub", "remote", "bundled", "local" or "pip": see ``emotion.serving.weights``.
    path : Path or None
        Its folder; None for a package, for a remote model, and for one of the Hub until it is fetched.
    temperature : float or None
        By which its logits are divided, at least 0.001; None where it is not calibrated.
    fusion_weight : float or None
        Fitted weight of its readings, >= 0; None where none was fitted.
    neutral : dict from str to float, or None
        By label, what its calibrated readings of plain voices or faces are in the geometric mean, each above 0: what a personal
        baseline is measured from. None where nobody measured it.
    figures : dict
        Known figures, by name.
    repo : str or None
        Hub repository; for a remote model also a URL.
    files : dict from str to str or None
        Files of the repository, with the SHA-256 of each, None where it is not known.
    folder : str or None
        The model's folder within the repository; None for the top.
    loader : str or None
        What reads it, one of ``emotion.serving.loaders``.
    labels : dict or tuple, optional
        From its labels to ours (None: left out), or ours in the order of its outputs.
    sampling_rate : int or None
        Hz of the sound that it takes.
    input_size : int or None
        Side of the picture that it takes, in pixels.
    megabytes : float or None
        About how much there is to fetch.
    unlisted : tuple of str
        Patterns of further files, of a model on trial.
    """

    name: str
    source: str
    revision: str
    licence: str
    path: Path | None = None
    temperature: float | None = None
    fusion_weight: float | None = None
    neutral: dict[str, float] | None = None
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
        """The folder of its files. Raises ValueError for a model that has none here."""
        if self.path is None:
            raise ValueError(f"{self.name} has no folder here")
        return self.path

    @property
    def repository(self) -> str:
        """Its repository. Raises ValueError for a model without one."""
        if self.repo is None:
            raise ValueError(f"{self.name} has no repository")
        return self.repo

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(self.source, self.name, self.revision, self.temperature is not None)


def tensors(folder: Path) -> dict[str, "Tensor"]:
    """All tensors of a folder's safetensors files.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict from str to Tensor
        By name; those of float16 and bfloat16 as float32.

    Raises
    ------
    InputError
        When the folder has no such file, or one is damaged.
    """
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
    """Give a network its tensors.

    Parameters
    ----------
    network : torch.nn.Module
    state : dict from str to Tensor
        By name, as ``tensors`` returns them.
    folder : Path
        Where they come from, for the error.

    Raises
    ------
    InputError
        When a tensor is missing, is unknown or has another shape than the network's.
    """
    own = network.state_dict()
    wrong = [name for name in own if name not in state] + [name for name in state if name not in own]
    wrong += [name for name in own if name in state and own[name].shape != state[name].shape]
    if wrong:
        raise InputError("tensors_do_not_fit", folder=folder, count=len(wrong), tensor=wrong[0])
    network.load_state_dict(state)


def model_file(choice: Choice, suffix: str) -> Path:
    """The one file of a choice's folder with a suffix.

    Parameters
    ----------
    choice : Choice
        With its files here.
    suffix : str
        Such as ".onnx".

    Returns
    -------
    Path

    Raises
    ------
    InputError
        Where there is none, or several, or one of under LEAST_BYTES, which is a pointer of Git LFS.
    """
    files = sorted(choice.local.glob(f"*{suffix}"))
    if len(files) != 1:
        raise InputError("model_file_count", model=choice.name, suffix=suffix, found=[file.name for file in files] or 0)
    if files[0].stat().st_size < LEAST_BYTES:
        raise InputError(
            "model_file_too_small", model=choice.name, file=files[0].name, bytes=files[0].stat().st_size, limit=LEAST_BYTES
        )
    return files[0]


def config(folder: Path) -> dict[str, Any]:
    """The config.json of one of our own models.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict

    Raises
    ------
    InputError
        When it cannot be read, or names other labels than LABELS in their order.
    """
    try:
        content: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        labels = tuple(content["labels"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise InputError("config_unreadable", file=folder / "config.json", reason=e) from e
    if labels != LABELS:
        raise InputError("config_labels", file=folder / "config.json", labels=labels, known=LABELS)
    return content
