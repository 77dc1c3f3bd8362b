"""The app, and in each of its processes a witness: what it opens for writing or renames, and whom it connects to."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.running import App, started

# Python runs a module of this name at its start, in worker processes too.
WITNESS = """
import json, os, sys, time
told = os.open(os.path.join(os.environ["WITNESS"], str(os.getpid())), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
HEARD = {"os.rename", "os.link", "os.symlink", "socket.connect", "socket.getaddrinfo", "sqlite3.connect"}
def hear(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    elif event not in HEARD:
        return
    seen = [os.fsdecode(a) if isinstance(a, bytes) else str(a) for a in arguments]
    try:
        os.write(told, (json.dumps([time.time(), event, *seen]) + "\\n").encode())
    except OSError:
        pass  # a process that took from itself what it needs to write
sys.addaudithook(hear)
"""
# All that is logged, at any level, and a sweeper that looks twice a second.
LOUD = """
import logging, app
quiet = app.configure
def loud():
    quiet()
    logging.getLogger().setLevel(1)
    from emotion.page import temporary
    temporary.CHECK_S = 0.5
app.configure = loud
"""


@dataclass(frozen=True)
class Watched:
    app: App
    folder: Path

    def seen(self, since: float = 0.0) -> list[list[str]]:
        """What the witnesses saw from a time on, each as an event and its arguments."""
        lines = (json.loads(line) for file in (self.folder / "seen").iterdir() for line in file.read_text().splitlines())
        return [seen for when, *seen in lines if when >= since]

    def files(self) -> set[Path]:
        """All files below home and temporary folder but the uploads."""
        return {path for name in ("home", "tmp") for path in (self.folder / name).rglob("*") if path.is_file()}


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """The app with its models loaded."""
    for name in ("seen", "home", "tmp", "witness"):
        (folder / name).mkdir()
    (folder / "witness" / "sitecustomize.py").write_text(WITNESS)
    settings = {
        "HF_HUB_OFFLINE": "1",
        "HOME": str(folder / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(folder / "witness"),
        "TMPDIR": str(folder / "tmp"),
        "WITNESS": str(folder / "seen"),
    }
    with started(folder, LOUD, **settings) as running:
        running.until_loaded()
        yield Watched(running, folder)
