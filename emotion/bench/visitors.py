"""The app as a process of its own, and visitors who ask it what the page asks: for the commands soak and flood."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import soundfile

from emotion import media
from emotion.bench import film
from emotion.labels import MODALITIES
from emotion.messages import InputError, Message
from emotion.serving.weights import ROOT
from emotion.sound import SAMPLE_RATE

KINDS = {"text": 0.4, "voice": 0.25, "picture": 0.25, "film": 0.1}  # and their shares of all requests
ENDPOINTS = {"text": "analyze_text", "voice": "analyze_audio", "picture": "analyze_image", "film": "analyze_video"}
VARIANTS = {"text": 12, "voice": 6, "picture": 6, "film": 3}  # of each kind: a mixed-up answer is known by its readings
FILM_S, VOICE_S = 10.0, 3.0  # seconds
START_S, ANSWER_S = 120, 120  # after so many seconds without an app, or without an answer, there is none
CLOSE = 0.02  # between two probabilities of the same reading: threads add up in another order
BUSY = Message("busy", {"seconds": 0}).say().partition("0")[0]  # how the sentence begins


@dataclass(frozen=True)
class App:
    """A running app: where it answers, its process, and the folder of what it is sent."""

    url: str
    process: subprocess.Popen
    uploads: Path


@dataclass(frozen=True)
class Item:
    """What is handed in: words, or a file as the app knows it once it is uploaded."""

    kind: str
    data: Any
    name: str


@dataclass(frozen=True)
class Outcome:
    """What became of a request. ``result``: "answered", "busy", "refused" with another sentence, or "lost"."""

    kind: str
    result: str
    seconds: float
    analysis: dict[str, Any] | None = None
    sentence: str = ""


@contextlib.contextmanager
def started(log: Path) -> Iterator[App]:
    """The app of this clone in a process of its own, with the bundled models. Raises InputError where it does not start."""
    if not (ROOT / "app.py").exists():
        raise InputError("file_not_found", file="app.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, log.open("w") as written:
        settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder, "EMOTION_SOURCE": "bundled"}
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=written, stderr=written
        )
        app = App(f"http://127.0.0.1:{port}/", process, Path(folder))
        try:
            _until_it_answers(app)
            yield app
        finally:
            process.terminate()
            process.wait(60)


def _until_it_answers(app: App) -> None:
    end = time.monotonic() + START_S
    while app.process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(app.url + "config", timeout=5):
            return
        time.sleep(0.25)
    raise InputError("app_not_started", seconds=START_S)


class Visitor:
    """Somebody at the page: a session of its own, held open until ``leave`` as a browser's tab holds it."""

    def __init__(self, app: App):
        self._url = app.url + "gradio_api/"
        with urllib.request.urlopen(app.url + "config", timeout=ANSWER_S) as answer:
            events = json.loads(answer.read())["dependencies"]
        self._numbers = {event["api_name"]: event["id"] for event in events}
        self._session = secrets.token_hex(8)
        self._tab = urllib.request.urlopen(f"{self._url}heartbeat/{self._session}", timeout=ANSWER_S)

    def leave(self) -> None:
        self._tab.close()

    def upload(self, path: Path) -> dict[str, Any]:
        """Hands a file in; what the app calls it from then on."""
        head = f'--border\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + b"\r\n--border--\r\n"
        with self._post("upload", body, "multipart/form-data; boundary=border") as answer:
            return {"path": json.loads(answer.read())[0], "meta": {"_type": "gradio.FileData"}}

    def ask(self, item: Item) -> Outcome:
        """Hands something in and waits for what becomes of it."""
        start = time.monotonic()
        try:
            data = [self.upload(item.data) if isinstance(item.data, Path) else item.data]
            data += [""] * (item.kind in ("voice", "film"))  # the words are written down by the app
            found = self._answered(self._numbers[ENDPOINTS[item.kind]], data)
        except urllib.error.HTTPError as e:
            result, found = ("busy" if e.code == 503 else "refused"), {"error": f"HTTP {e.code}"}
        except OSError as e:  # the connection broke, or nothing came in time
            result, found = "lost", {"error": f"{type(e).__name__}: {e}"}
        else:
            sentence = str(found.get("error", ""))
            result = "answered" if "data" in found else "busy" if sentence.startswith(BUSY) else "refused" if found else "lost"
        seconds = time.monotonic() - start
        analysis = found["data"][0] if "data" in found else None
        return Outcome(item.kind, result, seconds, analysis, str(found.get("error", "")))

    def _answered(self, number: int, data: Sequence[Any]) -> dict[str, Any]:
        """What the queue gives back at last: ``data``, or an ``error``; nothing where its stream ends before."""
        event = {"data": data, "fn_index": number, "session_hash": self._session}
        with self._post("queue/join", json.dumps(event).encode(), "application/json"):
            pass
        with urllib.request.urlopen(f"{self._url}queue/data?session_hash={self._session}", timeout=ANSWER_S) as stream:
            for line in stream:
                message = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
                if message.get("msg") == "process_completed":
                    output: dict[str, Any] = message["output"]
                    return output
        return {}

    def _post(self, path: str, body: bytes, kind: str) -> Any:
        return urllib.request.urlopen(urllib.request.Request(self._url + path, body, {"Content-Type": kind}), timeout=ANSWER_S)


def items(folder: Path, kinds: Iterable[str] = KINDS) -> list[Item]:
    """Of each kind VARIANTS that differ in words, sound or place of the face, made of the page's example film."""
    example = str(files("emotion.page") / "examples" / "film.mp4")
    made = {"text": _texts, "voice": _voices, "picture": _pictures, "film": _films}
    return [Item(kind, data, f"{kind} {i}") for kind in kinds for i, data in enumerate(made[kind](folder, example))]


def _texts(folder: Path, example: str) -> list[str]:
    words = ["a lovely day", "a sad loss", "an awful smell", "a great surprise", "a dark cellar", "an unfair bill"]
    return [f"We talk about {words[i % len(words)]}, for the {i + 1}. time." for i in range(VARIANTS["text"])]


def _voices(folder: Path, example: str) -> Iterator[Path]:
    said = media.decode_audio(example)
    said = np.tile(said, 1 + round(2 * VOICE_S * SAMPLE_RATE) // len(said))
    for i in range(VARIANTS["voice"]):
        path, first = folder / f"voice{i}.wav", i * SAMPLE_RATE // 4
        soundfile.write(path, said[first : first + round((VOICE_S + i / 10) * SAMPLE_RATE)], SAMPLE_RATE)
        yield path


def _pictures(folder: Path, example: str) -> Iterator[Path]:
    with av.open(example) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="bgr24")
    for i in range(VARIANTS["picture"]):
        path = folder / f"picture{i}.png"
        cv2.imwrite(str(path), cv2.copyMakeBorder(shown, 8 * i, 0, 16 * i, 0, cv2.BORDER_REPLICATE))
        yield path


def _films(folder: Path, example: str) -> Iterator[Path]:
    for i in range(VARIANTS["film"]):
        path = folder / f"film{i}.mp4"
        film.of_the_example(path, FILM_S + i / 4)
        yield path


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers are readings of the same thing. Words that were heard may differ: speech to text keeps a state."""
    if _typed(one) != _typed(other) or one["duration"] != other["duration"]:
        return False
    names = MODALITIES if _typed(one) else ("speech", "face")
    return all(_alike(*(analysis["modalities"].get(name) for analysis in (one, other))) for name in names)


def _typed(analysis: dict[str, Any]) -> str | None:
    """The words that were handed in."""
    words = analysis["transcript"]
    return words["text"] if words and words["engine"] == "typed" else None


def _alike(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    boxes = [reading.get("frames") and reading["frames"][0]["box"] for reading in (one, other)]
    far = (abs(share - other["probabilities"][label]) for label, share in one["probabilities"].items())
    return boxes[0] == boxes[1] and max(far) <= CLOSE


def answers_alone(visitor: Visitor, wanted: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """By name, the answer to each item when it has the app to itself. Raises InputError where there is none."""
    found = {}
    for item in wanted:
        outcome = visitor.ask(item)
        if outcome.analysis is None:
            raise InputError("app_not_started", seconds=ANSWER_S)
        found[item.name] = outcome.analysis
    return found


def in_background(functions: Sequence[Callable[[], None]]) -> list[threading.Thread]:
    """Each function at work in a thread of its own."""
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads
