"""Which model serves each role: all are fetched and loaded at once, and a better one takes over between two requests.

Where a model of the Hub is wanted and not here, the bundled one answers; what could not be had, and why, is a role's ``state``.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotion.checkpoint import Choice
from emotion.readings import InputError
from emotion.serving import hub
from emotion.serving.hub import HubError
from emotion.serving.weights import OFFLINE
from emotion.serving.workers import WorkerError, Workers

log = logging.getLogger(__name__)

DEADLINE_S = 120.0  # for all downloads of a start together; EMOTION_HUB_DEADLINE sets another
MAX_FETCHERS = 5

WAITING, LOADING, READY = "waiting", "loading", "ready"


@dataclass(frozen=True)
class Serving:
    """A loaded model, and the choice that it is."""

    choice: Choice
    model: Any


class Fetcher:
    """Fetches from the Hub in processes of their own, those that run side by side under one deadline: no stalled download outlives it.

    Files that are whole by then stay in the cache for the next start.
    """

    def __init__(self, deadline_s: float | None = None):
        self.deadline_s = _deadline() if deadline_s is None else deadline_s
        self._lock = threading.Lock()
        self._end: float | None = None
        self._running = 0
        self._workers: Workers | None = None

    def __call__(self, choice: Choice) -> Path:
        """The folder of a Hub choice: from the cache, without a connection, else fetched. Raises HubError."""
        try:
            here = hub.cached(choice)
        except HubError as e:
            log.warning("%s in the cache: %s; it is fetched again", choice.name, e)
            here = None
        return here or self._fetched(choice)

    def _fetched(self, choice: Choice) -> Path:
        with self._lock:
            self._end = self._end or time.monotonic() + self.deadline_s
            left = self._end - time.monotonic()
            if left <= 0:
                raise HubError(self._too_late())
            self._workers = self._workers or Workers(MAX_FETCHERS)
            self._running += 1
            future = self._workers.submit(hub.fetch, choice, timeout=left)
        try:
            return future.result(left)
        except TimeoutError:
            future.cancel()
            raise HubError(self._too_late()) from None
        except WorkerError as e:
            raise HubError(f"the download was stopped ({e})") from e
        finally:
            with self._lock:
                self._running -= 1
                idle = None if self._running else self._workers
                if not self._running:
                    self._workers = self._end = None
            if idle is not None:
                idle.close()

    def close(self) -> None:
        """Stop all downloads."""
        with self._lock:
            workers = self._workers
        if workers is not None:
            workers.close()

    def _too_late(self) -> str:
        return f"not all of it came within {self.deadline_s:g} s"


class Slot:
    """The model of one role.

    ``choices``: what may serve it, best first. ``load``: makes the model of a choice whose ``path`` is there, or raises. Safe to use from many threads; a model is loaded once however many ask.
    """

    def __init__(self, role: str, choices: Sequence[Choice], load: Callable[[Choice], Any], fetch: Callable[[Choice], Path]):
        self.role, self.choices = role, tuple(choices)
        self._spare_choice = next((choice for choice in choices if choice.source in OFFLINE), None)
        self.load, self._fetch = load, fetch
        self._settling, self._loading = threading.Lock(), threading.Lock()
        self._warming = False
        self._serving: Serving | None = None
        self._spare: Serving | None = None
        self._fetching: Choice | None = None
        self._settled, self._state = False, WAITING

    @property
    def state(self) -> str:
        """One of "waiting", "loading", "downloading 43%", "ready", "remote: name", "bundled: why" and "failed: why"."""
        fetching = self._fetching
        if fetching is None:
            return self._state
        share = hub.share_fetched(fetching)
        return "downloading" if share is None else f"downloading {share:.0%}"

    def now(self) -> Serving | None:
        """What serves at this moment, None while nothing is loaded."""
        return self._serving

    def expected(self) -> Choice:
        """The choice that serves; while nothing is loaded, the one that needs no network, else the best."""
        serving = self._serving
        return serving.choice if serving else self._spare_choice or self.choices[0]

    def get(self) -> Serving:
        """What serves now; where nothing does, the best that can be had, loaded first. Raises what kept the last from loading."""
        if self._serving is None and self._warming:
            self._serve_spare()
        if self._serving is None:
            self.settle()
        if self._serving is None:
            raise InputError(f"There is no model for {self.role}: {self._state.removeprefix('failed: ')}.")
        return self._serving

    def spare(self) -> Serving | None:
        """The model that needs no network, where there is one: for when a remote one does not answer."""
        if self._spare_choice is None:
            return None
        with self._loading:
            if self._spare is None:
                self._spare = Serving(self._spare_choice, self.load(self._spare_choice))
            return self._spare

    def warm(self) -> None:
        """Load the model that needs no network, so that requests are answered, then go for the best. Never raises."""
        if self._spare_choice not in (None, self.choices[0]):
            self._state, self._warming = LOADING, True
            self._serve_spare()
        self.settle()

    def settle(self) -> None:
        """Have the best model serve that can be had. Never raises; ``state`` says what came of it."""
        with self._settling:
            if self._settled:
                return
            start, refused = time.monotonic(), []
            for choice in self.choices:
                try:
                    serving = self._had(choice)
                except Exception as e:
                    known = isinstance(e, (HubError, InputError))
                    refused.append(str(e).rstrip(".") if known else f"{choice.name} did not load ({type(e).__name__})")
                    log.warning("%s: %s is left out: %s", self.role, choice.name, refused[-1], exc_info=None if known else e)
                    continue
                with self._loading:
                    self._serving = serving
                self._state = self._said(choice, refused)
                log.info("%s: %s (%s) ready after %.1f s", self.role, choice.name, choice.source, time.monotonic() - start)
                break
            else:
                self._state = f"failed: {'; '.join(refused)}"
                log.error("%s: no model: %s", self.role, "; ".join(refused))
            if self._serving is not None and self._serving.choice.source != "remote":
                self._spare = None  # another serves: let its memory go
            self._settled = self._serving is not None

    def _serve_spare(self) -> None:
        try:
            spare = self.spare()
        except Exception:
            log.exception("%s: %s did not load", self.role, self._spare_choice.name)
            return
        with self._loading:
            self._serving = self._serving or spare

    def _had(self, choice: Choice) -> Serving:
        if choice is self._spare_choice:
            self._state = LOADING
            return self.spare()
        if choice.source == "hub":
            self._fetching = choice
            try:
                choice = replace(choice, path=self._fetch(choice))
            finally:
                self._fetching = None
        self._state = LOADING
        with self._loading:
            return Serving(choice, self.load(choice))

    def _said(self, choice: Choice, refused: list[str]) -> str:
        if choice.source == "remote":
            return f"remote: {choice.name}"
        if not refused:
            return READY
        return f"{'bundled' if choice.source in OFFLINE else READY}: {'; '.join(refused)}"


def _deadline() -> float:
    text = os.environ.get("EMOTION_HUB_DEADLINE", "")
    try:
        seconds = float(text) if text else DEADLINE_S
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"EMOTION_HUB_DEADLINE is {text!r}; it must be a number of seconds above 0.")
    return seconds
