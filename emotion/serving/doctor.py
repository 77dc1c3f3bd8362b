"""Checks the machine, the network and the models: what would serve each role here, and why."""

import functools
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion.checkpoint import Choice
from emotion.labels import MODALITIES
from emotion.messages import InputError, Message
from emotion.serving import hub, weights
from emotion.serving.loaders import load
from emotion.serving.slots import not_loadable
from emotion.serving.weights import OFFLINE
from emotion.serving.workers import Workers

PACKAGES = ("torch", "transformers", "gradio", "huggingface-hub", "opencv-python-headless", "openai-whisper", "moonshine-voice")
NETWORK_TIMEOUT_S = 5.0


def examine(source: str | None = None) -> dict[str, Any]:
    """What would serve each role on this machine, and why. Fetches no model; loads those that are here.

    Parameters
    ----------
    source : str, optional
        "auto", "hub" or "bundled"; by default EMOTION_SOURCE, or "auto".

    Returns
    -------
    dict
        ``machine``, ``network``, and under ``models`` by role: the state of each choice, which ``serves``, and ``why``.

    Raises
    ------
    InputError
        For an unknown source, a weights file that is not valid, or a role for which it has no model of that source.
    """
    choices = weights.read()
    source = source or os.environ.get("EMOTION_SOURCE") or "auto"
    wanted = {role: weights.allowed(choices, role, source) for role in weights.ROLES}
    asked = any(choice.source == "hub" for some in wanted.values() for choice in some)
    network, reachable = _network() if asked else (Message("network_not_needed"), False)
    with Workers() as workers:
        models = {
            role: _role(functools.partial(load, role, workers), some, network if not reachable else None)
            for role, some in wanted.items()
        }
    return {"machine": _machine(), "network": network.say(), "models": models}


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    cache = Path(os.environ.get("HF_HOME") or Path.home())
    while not cache.exists():
        cache = cache.parent
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": memory and round(memory / 1e9, 1),
        "free_disk_gb": round(shutil.disk_usage(cache).free / 1e9, 1),
        "packages": {name: _version(name) for name in PACKAGES},
        "torch_build": _torch_build(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _torch_build() -> str:
    """What this PyTorch was built for: its version number alone does not say so."""
    try:
        from torch import version
    except (ImportError, OSError):  # missing, or one of its libraries
        return "missing"
    if version.cuda or version.hip:
        return f"{f'CUDA {version.cuda}' if version.cuda else f'ROCm {version.hip}'}, which this app never uses"
    return "CPU only"


def _network() -> tuple[Message, bool]:
    """What the Hub answers, and whether models could be fetched from it."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return Message("hub_off"), False
    try:
        start = time.perf_counter()
        status = get_session().get(f"{constants.ENDPOINT}/api/models?limit=1", timeout=NETWORK_TIMEOUT_S).status_code
    except Exception as e:
        return hub.refusal(e).message, False
    if status == 429 or status >= 500:
        return Message("hub_answers", {"status": status}), False
    return Message("hub_answers_after", {"seconds": round(time.perf_counter() - start, 2)}), True


def _role(load_choice: Callable[[Choice], Any], choices: Sequence[Choice], trouble: Message | None) -> dict[str, Any]:
    found, serves, why = [], None, []
    for choice in choices:
        message, usable = _choice(load_choice, choice, trouble)
        state = message.say().removesuffix(".")
        known = {"source": choice.source, "revision": choice.revision, "calibrated": choice.info.calibrated}
        found.append({"name": choice.name, **known, "state": state})
        if usable:
            serves = choice.name
            break
        why.append(f"{choice.name}: {state}")
    return {"choices": found, "serves": serves, "why": "; ".join(why) or "the first choice"}


def _choice(load_choice: Callable[[Choice], Any], choice: Choice, trouble: Message | None) -> tuple[Message, bool]:
    """The state of a choice, and whether it could serve. ``trouble``: why the network cannot be used, None where it can."""
    start = time.perf_counter()
    try:
        if choice.source == "hub":
            try:
                folder = hub.cached(choice)
            except InputError:  # not what it should be: it is fetched again
                folder = None
            if folder is None:
                return _to_fetch(choice, trouble)
            load_choice(replace(choice, path=folder))
        elif choice.source in OFFLINE:
            load_choice(choice)
        else:
            return Message("choice_asked"), True
    except Exception as e:
        return e.message if isinstance(e, InputError) else not_loadable(choice, e), False
    return Message("choice_loads", {"seconds": round(time.perf_counter() - start, 1)}), True


def _to_fetch(choice: Choice, trouble: Message | None) -> tuple[Message, bool]:
    from huggingface_hub import HfApi

    if trouble is not None:
        return Message("choice_not_cached", {"why": trouble}), False
    try:
        found = HfApi().model_info(choice.repository, revision=choice.revision, timeout=NETWORK_TIMEOUT_S)
        there = {file.rfilename for file in found.siblings or ()}
    except Exception as e:
        return hub.refusal(e).message, False
    missing = sorted(set(choice.files) - there)
    if missing:
        return Message("hub_file_missing", {"file": missing[0]}), False
    if choice.megabytes:
        return Message("choice_to_fetch_megabytes", {"megabytes": choice.megabytes}), True
    return Message("choice_to_fetch"), True


def _short(revision: str) -> str:
    return revision[:7] if weights.COMMIT.fullmatch(revision) else revision


def show(findings: dict[str, Any]) -> str:
    """The findings of ``examine`` as text."""
    machine = findings["machine"]
    lines = [
        f"machine     {machine['cores']} cores, {machine['memory_gb']} GB, {machine['free_disk_gb']} GB of disk free, "
        f"{machine['system']}, Python {machine['python']}",
        "packages    " + ", ".join(f"{name} {version}" for name, version in machine["packages"].items()),
        f"torch       {machine['torch_build']}",
        f"network     {findings['network']}",
    ]
    for role, model in findings["models"].items():
        for i, choice in enumerate(model["choices"]):
            origin = f"{choice['source']}, {_short(choice['revision'])}"
            if role in MODALITIES and not choice["calibrated"]:
                origin += ", not calibrated"
            lines.append(f"{role if i == 0 else '':12}{choice['name']} ({origin}): {choice['state']}")
        lines.append(f"{'':12}-> {model['serves'] or 'nothing'} would answer")
    return "\n".join(lines)
