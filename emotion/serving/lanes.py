"""Lanes by cost: what takes a moment never waits behind what takes seconds, and nobody's requests stand before another's first.

Each lane lets a few requests run at once and has a bounded number of places to wait. The turn goes by the later of a request's
arrival and the end of its visitor's last one, which is round robin among those who wait (fair queueing, Nagle 1987). Where a
lane is full, whoever holds the most places gives up the latest for a visitor with fewer (longest queue drop, Suter et al. 1998).
Gradio's queue has one order and one bound for all that waits, which is why this is not left to it.
"""

import collections
import contextlib
import math
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emotion.media import Probe
from emotion.messages import InputError

TOLD_EVERY_S = 1.0  # how often a request that waits learns how long it still will
REMEMBERED = 20  # durations of a lane that an estimate is made of
CLIP_S = 30.0  # of sound: more goes with the films, as it takes as long as they do
LEAST_BYTES_A_SECOND = 2_000  # of sound: 16 kbit/s, for a file that does not say how long it is

Visitor = tuple[str, ...]  # from the outside in, such as an address and a session: fair between the first, then the second


@dataclass(frozen=True)
class Lane:
    """How many requests run at once, how many may wait, and how many seconds one takes until some were measured."""

    running: int
    waiting: int
    seconds: float


LANES = {
    "text": Lane(running=2, waiting=24, seconds=0.1),
    "clip": Lane(running=2, waiting=24, seconds=2.0),  # pictures, and sound of up to CLIP_S
    "film": Lane(running=1, waiting=8, seconds=6.0),  # one has three branches: it fills two cores by itself
}
MOST_AT_ONCE = sum(lane.running + lane.waiting for lane in LANES.values())  # each holds a thread


@dataclass(frozen=True)
class State:
    """A lane now.

    Attributes
    ----------
    running, waiting : int
        Requests.
    wait_s : float
        Seconds after which a new request's turn would come, estimated.
    answered, refused : int
        Requests since the start that ended without an error, and that were told to come again.
    """

    running: int
    waiting: int
    wait_s: float
    answered: int
    refused: int


@dataclass(eq=False)
class _Ticket:
    visitor: Visitor
    arrived: float
    began: float | None = None
    refused: bool = False
    decided: threading.Event = field(default_factory=threading.Event)  # it runs, or it is refused


class _Queue:
    """A lane's requests. Whoever calls holds the lock of ``Lanes``."""

    def __init__(self, lane: Lane):
        self.lane = lane
        self.running: list[_Ticket] = []
        self.waiting: list[_Ticket] = []
        self.durations: collections.deque[float] = collections.deque([lane.seconds], maxlen=REMEMBERED)
        self.ended: dict[Visitor, float] = {}  # when the last request of a visitor ended
        self.answered = self.refused = 0

    def turn(self, ticket: _Ticket) -> tuple[float, ...]:
        """What is least goes first: at each level, from the address in, when it was last served, or came if that was later."""
        names = [ticket.visitor[: i + 1] for i in range(len(ticket.visitor))]
        busy = {t.visitor[: len(name)] for t in self.running for name in names}
        now = math.inf
        return (*(now if n in busy else max(ticket.arrived, self.ended.get(n, 0.0)) for n in names), ticket.arrived)

    def wait_s(self, ahead: int, now: float) -> float:
        """Seconds until the turn of a request that has so many ``ahead`` of it among those that wait."""
        if len(self.running) < self.lane.running and not ahead:
            return 0.0
        usual = statistics.fmean(self.durations)
        remaining = sum(max(0.0, usual - (now - t.began)) for t in self.running if t.began is not None)
        return (ahead * usual + remaining) / self.lane.running

    def places(self, visitor: Visitor) -> tuple[int, ...]:
        """How many places a visitor has at each level, from the address in."""
        depths = range(1, len(visitor) + 1)
        return tuple(sum(t.visitor[:depth] == visitor[:depth] for t in self.waiting) for depth in depths)


def lane_of(
    probe: Callable[[Any], Probe], audio: Any = None, video: Any = None, image: Any = None, text: str | None = None
) -> str:
    """The lane of an analysis, by what it costs.

    Parameters
    ----------
    probe : callable
        What a file holds, as ``media.probe``.
    audio, video, image, text
        Of ``Analyzer.analyze``, as paths.

    Raises
    ------
    InputError
        As ``probe`` does.
    """
    if audio is None and video is None:
        return "text" if image is None else "clip"
    found = probe(audio if video is None else video)
    seconds = (
        found.duration
        if found.duration is not None
        else os.path.getsize(audio if video is None else video) / LEAST_BYTES_A_SECOND
    )
    return "film" if found.has_video or seconds > CLIP_S else "clip"


class Lanes:
    """The lanes of all visitors. Thread-safe.

    Parameters
    ----------
    lanes : dict from str to Lane
        By name.
    clock : callable
        Seconds, for estimates and turns.
    """

    def __init__(self, lanes: dict[str, Lane] | None = None, clock: Callable[[], float] = time.monotonic):
        self._queues = {name: _Queue(lane) for name, lane in (lanes or LANES).items()}
        self._clock, self._lock = clock, threading.Lock()

    @contextlib.contextmanager
    def turn(self, name: str, visitor: Visitor, waits: Callable[[float], None] = lambda seconds: None) -> Iterator[None]:
        """Waits for a visitor's turn in a lane, which lasts as long as the context.

        Parameters
        ----------
        name : str
            Of the lane.
        visitor : tuple of str
            Who asks.
        waits : callable
            Called every TOLD_EVERY_S while the request waits, with the seconds until its turn, estimated. What it raises ends
            the wait: so leaves whoever has gone.

        Raises
        ------
        InputError
            ``busy``, with the ``seconds`` after which to try again, where the lane is full.
        """
        queue = self._queues[name]
        ticket = self._join(queue, visitor)
        well = False
        try:
            while not ticket.decided.wait(TOLD_EVERY_S):
                waits(self._remaining(queue, ticket))
            if ticket.refused:
                raise self._busy(queue)
            yield
            well = True
        finally:
            self._leave(queue, ticket, well)

    def states(self) -> dict[str, State]:
        """Each lane now, by name."""
        with self._lock:
            now = self._clock()
            return {
                name: State(len(q.running), len(q.waiting), q.wait_s(len(q.waiting), now), q.answered, q.refused)
                for name, q in self._queues.items()
            }

    def _join(self, queue: _Queue, visitor: Visitor) -> _Ticket:
        with self._lock:
            ticket = _Ticket(visitor, self._clock())
            queue.waiting.append(ticket)
            self._begin(queue)
            if len(queue.waiting) > queue.lane.waiting:
                last = max(queue.waiting, key=lambda t: (queue.places(t.visitor), t.arrived, t is ticket))
                queue.waiting.remove(last)
                last.refused = True
                last.decided.set()
            return ticket

    def _leave(self, queue: _Queue, ticket: _Ticket, well: bool) -> None:
        with self._lock:
            now = self._clock()
            if ticket.refused:
                queue.refused += 1
            elif ticket.began is None:
                queue.waiting.remove(ticket)
            else:
                queue.running.remove(ticket)
                depths = range(1, len(ticket.visitor) + 1)
                queue.ended |= {ticket.visitor[:depth]: now for depth in depths}
                if well:
                    queue.answered += 1
                    queue.durations.append(now - ticket.began)
            self._begin(queue)

    def _begin(self, queue: _Queue) -> None:
        """Gives free turns to those who wait. The lock is held."""
        while queue.waiting and len(queue.running) < queue.lane.running:
            ticket = min(queue.waiting, key=queue.turn)
            queue.waiting.remove(ticket)
            queue.running.append(ticket)
            ticket.began = self._clock()
            ticket.decided.set()
        oldest = min((ticket.arrived for ticket in queue.waiting), default=math.inf)
        queue.ended = {visitor: end for visitor, end in queue.ended.items() if end > oldest}  # older ones decide nothing

    def _remaining(self, queue: _Queue, ticket: _Ticket) -> float:
        with self._lock:
            mine = queue.turn(ticket)
            return queue.wait_s(sum(queue.turn(other) < mine for other in queue.waiting), self._clock())

    def _busy(self, queue: _Queue) -> InputError:
        with self._lock:
            return InputError("busy", seconds=max(1, round(queue.wait_s(len(queue.waiting), self._clock()))))
