"""Which model serves each role. Roles are loaded side by side, and a better model takes over between two requests.

Where a model of the Hub is wanted and cannot be had, the bundled one answers, and the role's ``status`` says why.
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
    """Of a role.

    READY: a wanted model serves; reasons, if any, say why not a better one. BUNDLED: one of this machine serves in its place.
    REMOTE: a server's. While LOADING or DOWNLOADING the fallback may serve already.
    """

    WAITING = "waiting"
    LOADING = "loading"
    DOWNLOADING = "downloading"
    READY = "ready"
    BUNDLED = "bundled"
    REMOTE = "remote"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """How a role stands.

    Attributes
    ----------
    state : State
    share : float or None
        How much of a download is here, 0 to 1; None where its size is unknown, and in other states.
    reason : tuple of Message
        Why each better model does not serve, best first.
    model : str or None
        Name of the model that was settled on, None until then.
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
    """A loaded model, and the choice that it was made from."""

    choice: Choice
    model: Model


class Fetcher:
    """Fetches from the Hub, each choice in a process of its own.

    Downloads that run side by side share one deadline, which ends those that stall. Files that are complete by then stay in the
    cache for the next start.
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
            folder = hub.cached(choice)
        except InputError as e:
            log.warning("%s in the cache: %s; it is fetched again", choice.name, e)
            folder = None
        return folder or self._fetched(choice)

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
    """The model of one role. Thread-safe: a model is loaded once, however many threads ask.

    Parameters
    ----------
    role : str
        One of ``emotion.serving.weights.ROLES``.
    choices : sequence of Choice
        What may serve the role, best first; at least one. The first that needs no network is the fallback.
    load : callable
        From a choice whose files are here to its model; raises where that cannot serve.
    fetch : callable
        From a choice of the Hub to the folder of its files, as ``Fetcher``.
    """

    def __init__(self, role: str, choices: Sequence[Choice], load: Callable[[Choice], Model], fetch: Callable[[Choice], Path]):
        self.role, self.choices = role, tuple(choices)
        self._fallback_choice = next((choice for choice in choices if choice.source in OFFLINE), None)
        self.load, self._fetch = load, fetch
        self._settling, self._loading = threading.Lock(), threading.Lock()
        self._warming = False
        self._serving: Serving[Model] | None = None
        self._fallback: Serving[Model] | None = None
        self._fetching: Choice | None = None
        self._settled, self._status = False, Status(State.WAITING)

    @property
    def status(self) -> Status:
        """How the role stands at this moment; of a download, how far it is."""
        fetching = self._fetching
        return self._status if fetching is None else Status(State.DOWNLOADING, hub.share_fetched(fetching))

    def now(self) -> Serving[Model] | None:
        """What serves at this moment, None while nothing is loaded."""
        return self._serving

    def expected(self) -> Choice:
        """The choice that serves; while nothing is loaded, the fallback's, else the best."""
        serving = self._serving
        return serving.choice if serving else self._fallback_choice or self.choices[0]

    def get(self) -> Serving[Model]:
        """What serves now; where nothing does, the best that can be had, loaded first.

        Returns
        -------
        Serving

        Raises
        ------
        InputError
            Where no choice can serve, with the reason of each.
        """
        if self._serving is None and self._warming:
            self._serve_fallback()
        if self._serving is None:
            refused = self.settle()
            if self._serving is None:
                raise InputError("no_model", role=self.role, why=refused)
        return self._serving

    def fallback(self) -> Serving[Model] | None:
        """The best model that needs no network, loaded, for when a remote one does not answer; None where there is none.

        Raises what its loading raises.
        """
        return None if self._fallback_choice is None else self._loaded_fallback(self._fallback_choice)

    def _loaded_fallback(self, choice: Choice) -> Serving[Model]:
        with self._loading:
            self._fallback = self._fallback or Serving(choice, self.load(choice))
            return self._fallback

    def warm(self) -> None:
        """Load the fallback, so that requests are answered, then the best model that can be had. Never raises."""
        if self._fallback_choice not in (None, self.choices[0]):
            with self._loading:
                if self._serving is None:
                    self._status, self._warming = Status(State.LOADING), True
            self._serve_fallback()
        self.settle()

    def settle(self) -> tuple[Message, ...]:
        """Load the best model that can be had, and let it serve. Never raises; ``status`` says what came of it.

        Returns
        -------
        tuple of Message
            Why each choice that was tried does not serve, best first.
        """
        with self._settling:
            if self._settled:
                return ()
            start = time.monotonic()
            refused: list[Message] = []
            for choice in self.choices:
                try:
                    serving = self._loaded(choice)
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
            with self._loading:
                if self._serving is not None and self._serving.choice.source != "remote":
                    self._fallback = None  # only a remote model needs one: let its memory go
            self._settled = self._serving is not None
            return tuple(refused)

    def _serve_fallback(self) -> None:
        """Unless something serves by then: what was settled on has no need of it."""
        with self._loading:
            if self._serving is not None or self._fallback_choice is None:
                return
            try:
                self._fallback = self._fallback or Serving(self._fallback_choice, self.load(self._fallback_choice))
            except Exception:
                log.exception("%s: the model that needs no network did not load", self.role)
            self._serving = self._fallback

    def _loaded(self, choice: Choice) -> Serving[Model]:
        """A choice's model, its files fetched first where they come from the Hub."""
        if choice is self._fallback_choice:
            self._status = Status(State.LOADING)
            return self._loaded_fallback(choice)
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
