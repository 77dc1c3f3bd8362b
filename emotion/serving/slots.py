"""Which model serves each role: all are fetched and loaded at once, and a better one takes over between two requests.

Where a model of the Hub is wanted and not here, the bundled one answers; what could not be had, and why, is in a role's ``status``.
"""

import enum
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from emotion.checkpoint import Choice
from emotion.face.detection import Detector
from emotion.messages import InputError, Message
from emotion.serving import hub
from emotion.serving.roles import FaceModel, SpeechModel, TextModel
from emotion.serving.weights import OFFLINE
from emotion.serving.workers import WorkerError, Workers

log = logging.getLogger(__name__)
Model = TypeVar("Model")

DEADLINE_S = 120.0  # for all downloads of a start together; EMOTION_HUB_DEADLINE sets another
MAX_FETCHERS = 5


class State(enum.StrEnum):
    """Of a role. READY, BUNDLED and REMOTE: a model serves; the wanted one, one of this machine in its place, one that others run."""

    WAITING = "waiting"
    LOADING = "loading"
    DOWNLOADING = "downloading"
    READY = "ready"
    BUNDLED = "bundled"
    REMOTE = "remote"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """How a role stands. ``share`` of a download, 0 to 1, None where its size is unknown; ``reason``: why no better model serves.

    ``model`` is the name of what came of it, None until then.
    """

    state: State
    share: float | None = None
    reason: tuple[Message, ...] = ()
    model: str | None = None

    @property
    def passing(self) -> bool:
        """Whether it will change by itself."""
        return self.state in (State.WAITING, State.LOADING, State.DOWNLOADING)


@dataclass(frozen=True)
class Serving(Generic[Model]):
    """A loaded model, and the choice that it is."""

    choice: Choice
    model: Model


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
        """The folder of a Hub choice: from the cache, without a connection, else fetched. Raises InputError."""
        try:
            here = hub.cached(choice)
        except InputError as e:
            log.warning("%s in the cache: %s; it is fetched again", choice.name, e)
            here = None
        return here or self._fetched(choice)

    def _fetched(self, choice: Choice) -> Path:
        with self._lock:
            self._end = self._end or time.monotonic() + self.deadline_s
            left = self._end - time.monotonic()
            if left <= 0:
                raise self._too_late()
            self._workers = self._workers or Workers(MAX_FETCHERS)
            self._running += 1
            future = self._workers.submit(hub.fetch, choice, timeout=left)
        try:
            return future.result(left)
        except TimeoutError:
            future.cancel()
            raise self._too_late() from None
        except WorkerError as e:
            raise InputError("hub_stopped") from e
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

    def _too_late(self) -> InputError:
        return InputError("hub_too_late", limit=self.deadline_s)


class Slot(Generic[Model]):
    """The model of one role.

    ``choices``: what may serve it, best first. ``load``: makes the model of a choice whose ``path`` is there, or raises. Safe to use from many threads; a model is loaded once however many ask.
    """

    def __init__(self, role: str, choices: Sequence[Choice], load: Callable[[Choice], Model], fetch: Callable[[Choice], Path]):
        self.role, self.choices = role, tuple(choices)
        self._spare_choice = next((choice for choice in choices if choice.source in OFFLINE), None)
        self.load, self._fetch = load, fetch
        self._settling, self._loading = threading.Lock(), threading.Lock()
        self._warming = False
        self._serving: Serving[Model] | None = None
        self._spare: Serving[Model] | None = None
        self._fetching: Choice | None = None
        self._settled, self._status = False, Status(State.WAITING)

    @property
    def status(self) -> Status:
        fetching = self._fetching
        return self._status if fetching is None else Status(State.DOWNLOADING, hub.share_fetched(fetching))

    def now(self) -> Serving[Model] | None:
        """What serves at this moment, None while nothing is loaded."""
        return self._serving

    def expected(self) -> Choice:
        """The choice that serves; while nothing is loaded, the one that needs no network, else the best."""
        serving = self._serving
        return serving.choice if serving else self._spare_choice or self.choices[0]

    def get(self) -> Serving[Model]:
        """What serves now; where nothing does, the best that can be had, loaded first. Raises what kept the last from loading."""
        if self._serving is None and self._warming:
            self._serve_spare()
        if self._serving is None:
            self.settle()
        if self._serving is None:
            raise InputError("no_model", role=self.role, why=self._status.reason)
        return self._serving

    def spare(self) -> Serving[Model] | None:
        """The model that needs no network, where there is one: for when a remote one does not answer."""
        return None if self._spare_choice is None else self._loaded_spare(self._spare_choice)

    def _loaded_spare(self, choice: Choice) -> Serving[Model]:
        with self._loading:
            if self._spare is None:
                self._spare = Serving(choice, self.load(choice))
            return self._spare

    def warm(self) -> None:
        """Load the model that needs no network, so that requests are answered, then go for the best. Never raises."""
        if self._spare_choice not in (None, self.choices[0]):
            self._status, self._warming = Status(State.LOADING), True
            self._serve_spare()
        self.settle()

    def settle(self) -> None:
        """Have the best model serve that can be had. Never raises; ``status`` says what came of it."""
        with self._settling:
            if self._settled:
                return
            start = time.monotonic()
            refused: list[Message] = []
            for choice in self.choices:
                try:
                    serving = self._had(choice)
                except Exception as e:
                    known = e.message if isinstance(e, InputError) else None
                    refused.append(known or not_loadable(choice, type(e).__name__))
                    log.warning("%s: %s is left out: %s", self.role, choice.name, e, exc_info=None if known else e)
                    continue
                with self._loading:
                    self._serving = serving
                self._status = Status(_serving_state(choice, refused), reason=tuple(refused), model=choice.name)
                took = time.monotonic() - start
                log.info("%s: %s (%s) ready after %.1f s", self.role, choice.name, choice.source, took, extra={"role": self.role})
                break
            else:
                self._status = Status(State.FAILED, reason=tuple(refused))
                log.error("%s: no model", self.role)
            if self._serving is not None and self._serving.choice.source != "remote":
                self._spare = None  # another serves: let its memory go
            self._settled = self._serving is not None

    def _serve_spare(self) -> None:
        try:
            spare = self.spare()
        except Exception:
            log.exception("%s: the model that needs no network did not load", self.role)
            return
        with self._loading:
            self._serving = self._serving or spare

    def _had(self, choice: Choice) -> Serving[Model]:
        if choice is self._spare_choice:
            self._status = Status(State.LOADING)
            return self._loaded_spare(choice)
        if choice.source == "hub":
            self._fetching = choice
            try:
                choice = replace(choice, path=self._fetch(choice))
            finally:
                self._fetching = None
        self._status = Status(State.LOADING)
        with self._loading:
            return Serving(choice, self.load(choice))


class Slots(dict[str, Slot[Any]]):
    """The slots by their roles."""

    @property
    def text(self) -> Slot[TextModel]:
        return self["text"]

    @property
    def speech(self) -> Slot[SpeechModel]:
        return self["speech"]

    @property
    def face(self) -> Slot[FaceModel]:
        return self["face"]

    @property
    def detector(self) -> Slot[Detector]:
        return self["detector"]

    @property
    def transcript(self) -> Slot[str | None]:
        """Its model is the engine that workers build, as ``emotion.serving.transcription`` names it."""
        return self["transcript"]


def not_loadable(choice: Choice, reason: object) -> Message:
    """What is said of a model that fails to load in an unforeseen way."""
    return Message("model_not_loadable", {"model": choice.name, "reason": reason})


def _serving_state(choice: Choice, refused: Sequence[Message]) -> State:
    if choice.source == "remote":
        return State.REMOTE
    return State.BUNDLED if refused and choice.source in OFFLINE else State.READY


def _deadline() -> float:
    text = os.environ.get("EMOTION_HUB_DEADLINE", "")
    try:
        seconds = float(text) if text else DEADLINE_S
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError("deadline_invalid", value=text)
    return seconds
