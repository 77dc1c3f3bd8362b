"""Gives generated files to the decoders, or to the running app, and counts what comes of them."""

import contextlib
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
LONGEST_S = 10.0  # that one file may take one decoder
ENDPOINTS = ("analyze_audio", "analyze_video", "analyze_image")


@dataclass
class Outcome:
    """``counts``: of each answer; ``faults``: what must not be, with the seed that makes it again."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, seed: int, made_of: str, answer: str, seconds: float) -> None:
        self.counts[answer] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if answer.startswith("FAULT") or seconds > LONGEST_S:
            self.faults.append(f"seed {seed} ({made_of}): {answer}, {seconds:.1f} s")


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


def decode(seeds: Iterable[int], report: Callable[[int, Outcome], None] = lambda seed, outcome: None) -> Outcome:
    """Each file to each decoder, in workers as the app has them."""

    def answers(workers: Workers, path: Path) -> Iterator[tuple[str, float]]:
        for function in DECODERS:
            start = time.monotonic()
            try:
                workers.submit(sandbox.decoded, function, path, timeout=4 * LONGEST_S).result()
                answer = "decoded"
            except InputError as e:
                answer = e.code if e.code != "decoder_failed" else f"{e.code} by {function.__name__}"
                if "\n" in str(e) or "Traceback" in str(e):
                    answer = f"FAULT: it says {e}"
            except Exception as e:
                answer = f"FAULT: {type(e).__name__}: {e} of {function.__name__}"
            yield answer, time.monotonic() - start

    with Workers(max_workers=1) as workers:
        workers.submit(sandbox.warm, timeout=60).result()
        return _tried(seeds, lambda path: answers(workers, path), report)


def ask(app: App, seeds: Iterable[int], report: Callable[[int, Outcome], None] = lambda seed, outcome: None) -> Outcome:
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

    return _tried(seeds, answers, report)


def _tried(
    seeds: Iterable[int], answers: Callable[[Path], Iterator[tuple[str, float]]], report: Callable[[int, Outcome], None]
) -> Outcome:
    outcome, originals = Outcome(), containers.seeds()
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
