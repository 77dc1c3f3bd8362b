"""Uploads and recordings go within 15 minutes, whoever lost sight of them."""

import contextlib
import errno
import logging
import os
import tempfile
import threading
import time
from pathlib import Path

import gradio as gr
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from emotion.messages import Message
from emotion.page import texts

log = logging.getLogger(__name__)

CHECK_S = 10  # also how long visitors may have more than MAX_KEPT_BYTES
MAX_AGE_S = 13 * 60  # with CHECK_S and a minute of reserve, less than 15 minutes
MAX_KEPT_BYTES = 2**30  # of all visitors together, 1 GB: ten of the largest files, or a thousand voices
STALLED_S = 60  # since an upload grew, after which it has broken off: a full disk has room again before long
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def folder() -> Path:
    """Where Gradio keeps what it is sent, by its own GRADIO_TEMP_DIR."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")


def sweep(place: Path, max_age_s: float = MAX_AGE_S) -> int:
    """Delete files in ``place`` that are older than ``max_age_s``, and folders left empty. Returns how many files went.

    Uploads that are not whole lie in ``place`` itself, and go after STALLED_S. Whole ones have a folder each.

    Gradio's own ``delete_cache`` knows only whole uploads of its own process: an upload that broke off stays, and so does
    everything when the process is killed.
    """
    gone = 0
    now = time.time()
    for parent, folders, names in os.walk(place, topdown=False):
        oldest = now - (min(max_age_s, STALLED_S) if Path(parent) == place else max_age_s)
        for name in names:
            path = os.path.join(parent, name)
            try:
                if os.lstat(path).st_mtime < oldest:
                    os.remove(path)
                    gone += 1
            except FileNotFoundError:
                continue
            except OSError:
                log.exception("%s could not be deleted", path)
        for name in folders:
            _remove_empty(os.path.join(parent, name), oldest)
    return gone


def kept(place: Path) -> list[tuple[float, int, Path]]:
    """The files in ``place``, the oldest first: when each was written, its bytes, and its path."""
    found = []
    for parent, _, names in os.walk(place):  # which passes over folders that vanish meanwhile
        for path in (Path(parent, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                found.append((status.st_mtime, status.st_size, path))
    return sorted(found)


def make_room(place: Path, most_bytes: int = MAX_KEPT_BYTES) -> int:
    """Delete the oldest files in ``place`` until the others have at most ``most_bytes``. Returns how many files went."""
    files = kept(place)
    total, gone = sum(size for _, size, _ in files), 0
    for _, size, path in files:
        if total <= most_bytes:
            break
        try:
            path.unlink(missing_ok=True)
        except OSError:
            log.exception("%s could not be deleted", path)
            continue
        total, gone = total - size, gone + 1
    return gone


def keep_sweeping(place: Path) -> threading.Thread:
    """Sweep and make room now and every CHECK_S seconds, in the background, for as long as the process lives."""

    def work() -> None:
        while True:
            gone = sweep(place) + make_room(place)
            if gone:
                log.info("%d old uploads deleted", gone)
            time.sleep(CHECK_S)

    thread = threading.Thread(target=work, daemon=True, name="sweeper")
    thread.start()
    return thread


def _remove_empty(path: str, oldest: float) -> None:
    try:
        if os.lstat(path).st_mtime < oldest:
            os.rmdir(path)
    except OSError:
        pass  # not empty, or gone


async def refuse(request: Request, error: OSError) -> PlainTextResponse:
    """What whoever uploads is told where there is no room. Raises any other error again."""
    if error.errno not in NO_ROOM:
        raise error
    log.error("an upload could not be kept: %s", error.strerror)
    return PlainTextResponse(Message("no_room").say(texts.of(gr.Request(request)).language), 507)  # Insufficient Storage
