"""For streams without end: a sound and a list of which only the end is kept, and a thread that reads what is newest."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotion.messages import InputError

log = logging.getLogger(__name__)

REST = 0.5  # of the time that a call took: two thirds of a core at most
LONGEST_REST_S = 1.0


@dataclass(frozen=True)
class Part:
    """Items in order of time. ``first``: number of the first one, counted from the beginning of the list."""

    first: int
    items: tuple


class Ring:
    """The last ``size`` samples of a sound. Samples are numbered from its beginning; ``total`` were received."""

    def __init__(self, size: int):
        self._samples, self.total = np.zeros(size, np.float32), 0

    def add(self, samples: np.ndarray) -> None:
        size = len(self._samples)
        kept = samples[-size:]
        at = (self.total + len(samples) - len(kept) + np.arange(len(kept))) % size
        self._samples[at] = kept
        self.total += len(samples)

    def since(self, start: int) -> np.ndarray:
        """A copy of the samples from ``start`` on, as far as they are kept."""
        size = len(self._samples)
        return self._samples[np.arange(max(start, self.total - size, 0), self.total) % size]


class Tail:
    """The last ``size`` items of a list without end."""

    def __init__(self, size: int):
        self.items: deque = deque(maxlen=size)
        self._count = 0

    @property
    def last(self) -> Any:
        return self.items[-1] if self.items else None

    def add(self, item: Any) -> None:
        self.items.append(item)
        self._count += 1

    def since(self, number: int) -> Part:
        first = min(max(number, self._count - len(self.items)), self._count)
        return Part(first, tuple(self.items)[len(self.items) - (self._count - first) :])


class Latest:
    """A thread that calls ``read`` once for all news since its last call.

    Calls begin at least ``every`` seconds apart. After a long one the thread rests, so that a slow model leaves the machine to
    others now and then. Of calls that fail in a row the first is logged, and the next call follows. The thread starts with the
    first news.
    """

    def __init__(self, name: str, read: Callable[[], None], every: float):
        self._name, self._read, self._every = name, read, every
        self._news, self._closed = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def tell(self) -> None:
        self._news.set()
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, daemon=True, name=f"live {self._name}")
                self._thread.start()

    def close(self) -> None:
        """Ends the thread, after the call that it is in."""
        self._closed.set()
        self._news.set()

    def _run(self) -> None:
        failing = False
        while True:
            self._news.wait()
            if self._closed.is_set():
                return
            self._news.clear()
            start = time.monotonic()
            try:
                self._read()
                failing = False
            except Exception as e:
                if not failing:
                    log.warning("live, %s: %s: %s", self._name, type(e).__name__, e, exc_info=not isinstance(e, InputError))
                failing = True
            took = time.monotonic() - start
            self._closed.wait(max(self._every - took, min(took * REST, LONGEST_REST_S)))
