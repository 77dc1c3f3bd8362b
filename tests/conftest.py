"""What tests of several folders share: their tiers, the running app, and the project's own clips."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile as sf
from scipy.signal import resample_poly

import emotion
from emotion.analyzer import Analyzer
from tests.clips import MEDIA, spoken_video
from tests.running import App, started

HERE = Path(__file__).parent
READING = {"bench", "face", "live", "training", "transcript"}  # folders whose tests load models


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test belongs to a tier: by what it uses, by its folder, or by a mark of its own; without any it is fast.

    Those that use the running app keep to one of the processes that run tests, so that there is one app and one browser.
    """
    for item in items:
        if "launch" in item.fixturenames:
            item.add_marker("browser")
        elif {"app", "analyzer"} & set(item.fixturenames) or item.path.relative_to(HERE).parts[0] in READING:
            item.add_marker("models")
        if not any(item.get_closest_marker(tier) for tier in ("models", "browser", "slow")):
            item.add_marker("fast")
        if {"app", "launch"} & set(item.fixturenames):
            item.add_marker(pytest.mark.xdist_group("app"))


@pytest.fixture(scope="session")
def analyzer() -> Iterator[Analyzer]:
    """With the models that come with the app."""
    with contextlib.closing(emotion.load("bundled")) as with_models:
        yield with_models


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
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photograph, drifting a little, with GLAD as its sound."""
    return spoken_video(tmp_path_factory.mktemp("clips") / "spoken.mp4")


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
