"""Uploads the bundled models, or the app as a Space, to the Hugging Face Hub."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotion.labels import MODALITIES
from emotion.messages import InputError
from emotion.serving import hub
from emotion.serving.weights import DEFAULT_FILE, REPOSITORY, ROOT, WEIGHTS, bundled, file_in_use, read
from emotion.serving.weights_editing import edited

log = logging.getLogger(__name__)

# What a Space needs, and what its README points to.
APP = (
    "app.py", "requirements.txt", "weights.yaml", "emotion",
    "README.md", "screenshot.png", "docs", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md",
)  # fmt: skip
LEFT_OUT = ("__pycache__", ".pyc")
# What is uploaded under a file's name in its place. A Space installs its requirements.txt alone, which then has exact versions;
# without hashes, since pip would want them for what the Space adds to the command, too.
IN_PLACE = {"requirements.txt": "constraints.txt"}

CARD = """---
license: other
library_name: pytorch
pipeline_tag: text-classification
tags: [emotion-recognition, speech-emotion-recognition, facial-expression-recognition]
---

# Emotion from words, voice and face: the models

{models}

Each folder has its own card with data, figures and how they were obtained, limits and licence. Only safetensors and JSON.
"""


def publish(repo: str, space: bool = False, dry_run: bool = False, private: bool = False) -> dict[str, Any]:
    """Upload the bundled models, or the app, to a repository on the Hub, which is created where it does not exist.

    Published models are entered in the weights file in use, each before the bundled one that it is a copy of.

    Parameters
    ----------
    repo : str
        "owner/name".
    space : bool
        The app as a Space, in place of the models.
    dry_run : bool
        Send and write nothing.
    private : bool
        Whether a new repository is private.

    Returns
    -------
    dict
        ``repo``, ``kind``, ``uploaded``, ``files`` with the bytes of each and ``bytes`` in all. After an upload the
        ``revision``; of models also the ``preload`` line for a Space.

    Raises
    ------
    InputError
        For a name that is none, a missing token, an incomplete clone, a weights file that is not valid, or a Hub that refuses.
    """
    if not REPOSITORY.fullmatch(repo):
        raise InputError("repository_name", repo=repo)
    files = dict(_app() if space else _models())
    result = {
        "repo": repo,
        "kind": "space" if space else "model",
        "uploaded": not dry_run,
        "files": {name: len(content) for name, content in files.items()},
        "bytes": sum(map(len, files.values())),
    }
    if dry_run:
        return result
    if not space:
        read(file_in_use())  # a file that cannot be edited is refused before anything is sent
    commit = _upload(repo, "space" if space else "model", files, private)
    if space:
        return result | {"revision": commit}
    _enter(repo, commit)
    fetched = ",".join(name for name in files if name.endswith((*WEIGHTS, ".json")))
    return result | {"revision": commit, "preload": f"{repo} {fetched} {commit}"}


def _app() -> Iterator[tuple[str, bytes]]:
    missing = [name for name in (*APP, *IN_PLACE.values()) if not (ROOT / name).exists()]
    if missing:
        raise InputError("clone_incomplete", missing=missing)
    for name in APP:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not any(part.endswith(LEFT_OUT) for part in file.parts):
                name = file.relative_to(ROOT).as_posix()
                yield name, (ROOT / IN_PLACE.get(name, name)).read_bytes()


def _models() -> Iterator[tuple[str, bytes]]:
    lines = []
    for role in MODALITIES:
        folder = bundled(role, DEFAULT_FILE).local
        card = (folder / "README.md").read_text("utf-8")
        title = next(line.removeprefix("# ") for line in card.splitlines() if line.startswith("# "))
        lines.append(f"- [{title}]({folder.name}/README.md)")
        for file in sorted(folder.iterdir()):
            yield f"{folder.name}/{file.name}", file.read_bytes()
    yield "README.md", CARD.format(models="\n".join(lines)).encode()


def _upload(repo: str, kind: str, files: dict[str, bytes], private: bool) -> str:
    """The commit that holds the files."""
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not get_token():
        raise InputError("token_missing")
    api = HfApi()
    try:
        api.create_repo(repo, repo_type=kind, space_sdk="gradio" if kind == "space" else None, private=private, exist_ok=True)
        additions = [CommitOperationAdd(name, content) for name, content in files.items()]
        message = f"{'The app' if kind == 'space' else 'The models'}: {len(files)} files"
        return api.create_commit(repo, additions, commit_message=message, repo_type=kind).oid
    except Exception as e:
        raise InputError("not_published", repo=repo, why=hub.refusal(e)) from e


def _enter(repo: str, commit: str) -> None:
    """Enter the published models in the weights file in use, each before the bundled one that it is a copy of."""
    with edited(file_in_use()) as content:
        for role in MODALITIES:
            ours = bundled(role, DEFAULT_FILE)
            folder = ours.local
            entries = content.setdefault(role, [])
            old = next((i for i, e in enumerate(entries) if e["source"] == "hub" and e.get("repo") == repo), None)
            if old is not None:
                del entries[old]
            copied = (i for i, e in enumerate(entries) if e["name"] == ours.name)
            at = old if old is not None else next(copied, len(entries))
            files = {f"{folder.name}/{f.name}": _digest(f) for f in sorted(folder.iterdir()) if f.suffix in (*WEIGHTS, ".json")}
            size = sum(f.stat().st_size for f in folder.iterdir())
            entries.insert(
                at,
                {
                    "name": ours.name,
                    "source": "hub",
                    "repo": repo,
                    "revision": commit,
                    "folder": folder.name,
                    "files": files,
                    "megabytes": round(size / 1e6, 1),
                    "licence": ours.licence,
                    "temperature": ours.temperature,
                    "fusion_weight": ours.fusion_weight,
                    "figures": ours.figures,
                },
            )


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
