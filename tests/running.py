"""The app as a process of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from emotion.serving.weights import ROLES, ROOT

# The app, which also writes down the role of each model that is ready: an attribute of the log's record, whatever its words are.
# It heeds Ctrl-C: a shell makes what it starts in the background deaf to it, and all that those processes start.
STARTED = """
import logging, signal, sys, app
signal.signal(signal.SIGINT, signal.default_int_handler)
class Ready(logging.Handler):
    def emit(self, record):
        with open(sys.argv[1], "a") as file:
            print(*{record.__dict__.get("role")} - {None}, file=file)
logging.getLogger("emotion.serving.slots").addHandler(Ready())
app.main()
"""
START_S = 300  # until page and models are there, on a busy machine that compiles everything for the first time


@dataclass(frozen=True)
class App:
    """The app as a process of its own: where it answers, what it logs, which models are ready, where it keeps uploads."""

    url: str
    log: Path
    ready: Path
    uploads: Path
    process: subprocess.Popen | None = None

    def until_loaded(self) -> None:
        """Waits for a model in every role."""
        until(lambda: set(self.ready.read_text("utf-8").split()) == set(ROLES), self.process, self.log)

    def answers(self) -> int:
        """How many analyses and edits it has answered."""
        return self.log.read_text("utf-8").count("answered in")


def until(happened: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    """Waits for something that ``process`` does; fails with its log when it ends or START_S are over."""
    end = time.monotonic() + START_S
    while not happened():
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < end, log.read_text("utf-8")
        time.sleep(0.25)


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url + "config", timeout=5).status == 200
    except OSError:
        return False


@contextlib.contextmanager
def started(folder: Path, before: str = "", **environment: str) -> Iterator[App]:
    """The app in a process of its own, its page answering. ``before``: what runs there first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = App(f"http://127.0.0.1:{port}/", folder / "log.txt", folder / "ready.txt", folder / "uploads")
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(running.uploads),
        "PYTHONUNBUFFERED": "1",
    }
    running.ready.touch()
    with running.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", before + STARTED, str(running.ready)],
            cwd=ROOT,
            env={**os.environ, **settings, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: answers(running.url), process, running.log)
        yield replace(running, process=process)
    finally:
        process.terminate()
        process.wait(60)
    assert not [path for path in running.uploads.rglob("*") if path.is_file()]  # what visitors handed in goes with the app
