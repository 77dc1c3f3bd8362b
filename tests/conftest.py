"""The running app, and a browser with a fake microphone and camera, for the tests of page and HTTP."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile as sf
from scipy.signal import resample_poly

from emotion.serving.weights import ROLES

ROOT = Path(__file__).resolve().parent.parent
MEDIA = Path(__file__).resolve().parent / "data"
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
START_S = 300  # until page and models are there, on a busy machine that compiles everything for the first time


@dataclass(frozen=True)
class App:
    """The app as a process of its own: where it answers, what it logs, where it keeps uploads."""

    url: str
    log: Path
    uploads: Path
    process: subprocess.Popen | None = None

    def until_loaded(self) -> None:
        """Waits for a model in every role."""
        until(lambda: self.log.read_text("utf-8").count(" ready after ") == len(ROLES), self.process, self.log)

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
def started(folder: Path, **environment: str) -> Iterator[App]:
    """The app in a process of its own, its page answering."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = App(f"http://127.0.0.1:{port}/", folder / "log.txt", folder / "uploads")
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(running.uploads),
        "PYTHONUNBUFFERED": "1",
    }
    with running.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **settings, **environment}, stdout=log, stderr=log
        )
    try:
        until(lambda: answers(running.url), process, running.log)
        yield replace(running, process=process)
    finally:
        process.terminate()
        process.wait(60)
    assert not [path for path in running.uploads.rglob("*") if path.is_file()]  # what visitors handed in goes with the app


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with started(tmp_path_factory.mktemp("app"), HF_HUB_OFFLINE="1") as running:
        running.until_loaded()
        yield running


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """A face, uint8 RGB."""
    return cv2.cvtColor(cv2.imread(str(MEDIA / "astronaut.jpg")), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="session")
def glad() -> np.ndarray:
    """The project's own synthetic speech, float32 at 16 kHz."""
    return sf.read(MEDIA / "glad.flac", dtype="float32")[0]


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own synthetic speech at several speeds, so that no moment comes twice, as the fake microphone takes it."""
    samples, rate = sf.read(MEDIA / "glad.flac")
    said = [resample_poly(samples, 100, percent) for percent in (100, 93, 107, 87)]
    path = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    sf.write(path, np.concatenate(said).clip(-1, 1), rate, subtype="PCM_16")  # 24 bits would play as silence
    return path


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that moves a little, as the mjpeg that the fake camera takes: JPEG pictures in a row, 20 a second."""
    picture = cv2.imread(str(MEDIA / "astronaut.jpg"))
    size = min(picture.shape[:2])
    path = tmp_path_factory.mktemp("camera") / "filmed.mjpeg"
    with path.open("wb") as file:
        for step in range(40):
            shift = round(6 * np.sin(step / 40 * 2 * np.pi))
            view = np.roll(picture[: size * 3 // 4, :size], shift, axis=1)
            file.write(cv2.imencode(".jpg", cv2.resize(view, (640, 480)))[1].tobytes())
    return path
