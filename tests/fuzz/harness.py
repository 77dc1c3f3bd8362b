"""Gives generated files to the decoders, or to the running app, and counts what comes of them."""

import contextlib
import math
import os
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from emotion import media
from emotion.media import sandbox
from emotion.messages import InputError
from emotion.serving.workers import Workers
from tests.fuzz import containers
from tests.page.calls import call, upload
from tests.running import App

DECODERS = (media.probe, media.decode_audio, media.decode_frames, media.decode_image)
HUNG_S = 40.0  # after which a worker is ended
ENDPOINTS = ("analyze_audio", "analyze_video", "analyze_image")


@dataclass
class Outcome:
    """``counts``: of each answer; ``faults``: what must not be, with the seed that makes it again.

    ``longest_s``: an answer that takes longer is a fault.
    """

    longest_s: float = math.inf
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, seed: int, made_of: str, answer: str, seconds: float) -> None:
        self.counts[answer] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if answer.startswith("FAULT") or seconds > self.longest_s:
            self.faults.append(f"seed {seed} ({made_of}): {answer}, {seconds:.1f} s")


Report = Callable[[int, Outcome], None]  # told of each file's seed, and of what came of all so far


def nothing(seed: int, outcome: Outcome) -> None:
    """A report that says nothing."""


@dataclass
class Bait:
    """A file and an address that generated files name. ``touched``: whether anybody came."""

    file: Path
    address: str
    visits: list[object] = field(default_factory=list)

    @property
    def touched(self) -> bool:
        return bool(self.visits) or os.stat(self.file).st_atime_ns > 0


@contextlib.contextmanager
def bait(folder: Path) -> Iterator[Bait]:
    """Whoever reads the file leaves a time of access, and whoever asks the address is counted."""
    file = folder / "bait.wav"
    file.write_bytes(containers.seeds()["WAV"])
    os.utime(file, ns=(0, file.stat().st_mtime_ns))
    with socket.create_server(("127.0.0.1", 0)) as server:
        laid = Bait(file, f"http://127.0.0.1:{server.getsockname()[1]}/bait.wav")

        def count() -> None:
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    laid.visits.append(server.accept()[1])

        threading.Thread(target=count, daemon=True).start()
        yield laid


def decode(seeds: Iterable[int], report: Report = nothing, longest_s: float = math.inf) -> Outcome:
    """Each file to each decoder, in workers as the app has them."""

    def answers(workers: Workers, path: Path) -> Iterator[tuple[str, float]]:
        for function in DECODERS:
            try:
                yield workers.submit(attempt, function, path, timeout=HUNG_S).result()
            except Exception as e:  # the worker's: it hung or died
                yield f"FAULT: {type(e).__name__}: {e} of {function.__name__}", 0.0

    with Workers(max_workers=1) as workers:
        return _tried(seeds, lambda path: answers(workers, path), report, longest_s)


def attempt(function: Callable, path: Path) -> tuple[str, float]:
    """In a worker: what comes of a file, and how many seconds it took."""
    start = time.monotonic()
    try:
        sandbox.decoded(function, path)
        answer = "decoded"
    except InputError as e:
        answer = e.code if e.code != "decoder_failed" else f"{e.code} by {function.__name__}"
        if "\n" in str(e) or "Traceback" in str(e):
            answer = f"FAULT: it says {e}"
    except Exception as e:
        answer = f"FAULT: {type(e).__name__}: {e} of {function.__name__}"
    return answer, time.monotonic() - start


def ask(app: App, seeds: Iterable[int], report: Report = nothing, longest_s: float = math.inf) -> Outcome:
    """Each file to each endpoint of the running app."""

    def answers(path: Path) -> Iterator[tuple[str, float]]:
        for endpoint in ENDPOINTS:
            start = time.monotonic()
            try:
                kind, said = call(app, endpoint, upload(app, path), *([""] if endpoint != "analyze_image" else []))
                answer = "answered" if kind == "complete" else "refused"
                if "Traceback" in str(said) or "unexpected" in str(said).lower():
                    answer = f"FAULT: {endpoint} says {said}"
            except Exception as e:
                answer = f"FAULT: {endpoint}: {type(e).__name__}: {e}"
            yield answer, time.monotonic() - start
        if app.process is not None and app.process.poll() is not None:
            yield "FAULT: the app is gone", 0.0

    return _tried(seeds, answers, report, longest_s)


def _tried(
    seeds: Iterable[int], answers: Callable[[Path], Iterator[tuple[str, float]]], report: Report, longest_s: float
) -> Outcome:
    outcome, originals = Outcome(longest_s), containers.seeds()
    with tempfile.TemporaryDirectory() as folder, bait(Path(folder)) as laid:
        path = Path(folder, "generated")
        for seed in seeds:
            made_of, content = containers.case(seed, originals, (laid.address, str(laid.file), f"file://{laid.file}")[seed % 3])
            path.write_bytes(content)
            for answer, seconds in answers(path):
                outcome.add(seed, made_of, answer, seconds)
            if laid.touched:
                outcome.faults.append(f"seed {seed} ({made_of}): another file or an address was opened")
                break
            report(seed, outcome)
    return outcome
