"""Files of a Hub repository: from the cache without any connection, else fetched. Their hashes are checked either way."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from emotion.checkpoint import Choice
from emotion.messages import InputError

ANSWER_TIMEOUT_S = 8.0
STALE_S = 600.0  # since its last byte, after which a partial download is taken to be abandoned
CHUNK = 2**20  # bytes that are hashed at once


def cached(choice: Choice) -> Path | None:
    """The folder of a choice whose files are all in the cache. No connection is made.

    Parameters
    ----------
    choice : Choice
        Of the source "hub".

    Returns
    -------
    Path or None
        None where a file is missing.

    Raises
    ------
    InputError
        When a file does not have its SHA-256; it is removed, so that it is fetched again.
    """
    from huggingface_hub import try_to_load_from_cache

    found = {name: try_to_load_from_cache(choice.repository, name, revision=choice.revision) for name in choice.files}
    here = {name: file for name, file in found.items() if isinstance(file, str)}
    if len(here) < len(found):
        return None
    name, file = next(iter(here.items()))
    snapshot = Path(file).parents[len(PurePosixPath(name).parts) - 1]
    if choice.unlisted and not any(any(snapshot.glob(pattern)) for pattern in choice.unlisted):
        return None  # another program fetched the weights alone
    return _checked(choice, snapshot)


def fetch(choice: Choice) -> Path:
    """The folder of a choice, its missing files fetched.

    To be called in a process that can be ended: some of the client's requests wait for ever where the Hub falls silent.

    Parameters
    ----------
    choice : Choice
        Of the source "hub".

    Returns
    -------
    Path

    Raises
    ------
    InputError
        Where the Hub cannot be reached or refuses, as ``refusal`` says, and when a file is missing or does not have its SHA-256.
    """
    from huggingface_hub import HfApi, snapshot_download

    for file in _blobs(choice).glob("*.incomplete"):  # of a process that was ended; the client begins files anew
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > STALE_S:
                file.unlink()

    wanted = [*choice.files, *choice.unlisted]
    try:
        # Asked first, as this fails at once: where there is no Hub, the download would be retried for half a minute.
        HfApi().model_info(choice.repository, revision=choice.revision, timeout=ANSWER_TIMEOUT_S)
        folder = snapshot_download(
            choice.repository, revision=choice.revision, allow_patterns=wanted, etag_timeout=ANSWER_TIMEOUT_S, max_workers=2
        )
    except Exception as e:
        # Not raised from e: the error goes to another process, and the text of e may name hosts and headers.
        raise refusal(e) from None
    return _checked(choice, Path(folder))


def share_fetched(choice: Choice) -> float | None:
    """How much of a choice is here, 0 to 0.99; None where its size is unknown."""
    if not choice.megabytes:
        return None
    size = 0
    for file in _blobs(choice).glob("*"):
        with contextlib.suppress(OSError):  # it has just got its final name
            size += file.stat().st_size
    return min(0.99, size / (choice.megabytes * 1e6))


def _blobs(choice: Choice) -> Path:
    """Where the client puts what it fetches of the choice's repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=choice.repository, repo_type="model") / "blobs"


def refusal(error: BaseException) -> InputError:
    """What went wrong with the Hub, as an InputError without addresses."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    causes = list(_causes(error))
    for kind, meaning in (
        (OfflineModeIsEnabled, InputError("hub_off")),
        (GatedRepoError, InputError("hub_gated")),
        (RevisionNotFoundError, InputError("hub_no_revision")),
        (RepositoryNotFoundError, InputError("hub_no_repository")),
    ):
        if any(isinstance(cause, kind) for cause in causes):
            return meaning
    status = next((_status(cause) for cause in causes if isinstance(cause, HfHubHTTPError) and _status(cause)), None)
    if status == 429:
        return InputError("hub_busy")
    if status is not None:
        return InputError("hub_answers", status=status)
    if any("timed out" in str(cause).lower() or "timeout" in type(cause).__name__.lower() for cause in causes):
        return InputError("hub_slow")
    if any(isinstance(cause, OSError) or "connect" in type(cause).__name__.lower() for cause in causes):
        return InputError("hub_unreachable")
    return InputError("hub_failed", error=type(error).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: Any) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _checked(choice: Choice, snapshot: Path) -> Path:
    for name, digest in choice.files.items():
        file = snapshot / name
        if not file.is_file():
            raise InputError("hub_file_missing", file=name)
        if digest is not None and _sha256(file) != digest:
            with contextlib.suppress(OSError):
                file.resolve().unlink()  # the blob too, so that it is fetched again
                file.unlink(missing_ok=True)
            raise InputError("hub_file_changed", file=name)
    return snapshot / choice.folder if choice.folder else snapshot


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while part := content.read(CHUNK):
            digest.update(part)
    return digest.hexdigest()
