"""Who asks, whether they are still there, and their turn."""

import contextlib
import datetime
import logging
import math
from collections.abc import Iterator

import gradio as gr
from gradio.context import LocalContext

from emotion.analyzer import Analyzer, Progress
from emotion.messages import Message
from emotion.page.inputs import Guarded
from emotion.serving.lanes import Visitor, lane_of

log = logging.getLogger(__name__)

CLOSED_S = 120.0  # after which a closed page is forgotten: a connection that only broke off is back by then
UNREAD_S = 300.0  # after which an answer that nobody fetched is


class LeftError(Exception):
    """Nobody waits for this answer any more."""


def visitor(request: gr.Request) -> Visitor:
    """The address that a request comes from, and the visit: an open page, or a call of a program."""
    return (request.client.host if request.client else "", request.session_hash or "")


def watched(report: Progress = lambda share, stage: None) -> Progress:
    """``report``, which raises LeftError once the visitor whose event this thread answers has left.

    Gradio's queue knows when the connection that waits for an answer breaks off.
    """
    demo, number = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    event = demo.line.event_ids_to_events.get(number) if isinstance(demo, Guarded) and number is not None else None

    def watching(share: float, stage: Message) -> None:
        if event is not None and not event.alive:
            raise LeftError
        report(share, stage)

    return watching


def forget(demo: Guarded) -> None:
    """Drops what Gradio keeps of those who have gone, which may be a megabyte each: their page and answers nobody fetched.

    By itself it keeps the last 200 pages and the last 2,000 queues of answers, however long ago that was.
    """
    kept, queue, now = demo.app.state_holder, demo.line, datetime.datetime.now()

    def unused_s(session: str) -> float:
        """Seconds since the session was last used."""
        last = kept.time_last_used.get(session)
        return math.inf if last is None else (now - last).total_seconds()

    for session, state in list(kept.session_data.items()):
        if state.is_closed and unused_s(session) > CLOSED_S:
            kept.session_data.pop(session, None)
            kept.time_last_used.pop(session, None)
    for session in list(queue.pending_messages_per_session):
        at_work = queue.pending_event_ids_session.get(session, set()) & queue.event_ids_to_events.keys()
        if not at_work and unused_s(session) > UNREAD_S:
            queue.pending_messages_per_session.pop(session, None)
            queue.pending_event_ids_session.pop(session, None)


@contextlib.contextmanager
def turn(analyzer: Analyzer, request: gr.Request, lane: str, report: Progress) -> Iterator[None]:
    """The visitor's turn in a lane; until then ``report`` says how long that is. Raises InputError where the lane is full."""

    def waits(seconds: float) -> None:
        report(0.0, Message("turn_comes", {"seconds": max(1, round(seconds))}))

    with analyzer.lanes.turn(lane, visitor(request), waits):
        yield


@contextlib.contextmanager
def in_lane(analyzer: Analyzer, request: gr.Request, **files: str | None) -> Iterator[Progress]:
    """A program's turn in the lane that its files belong to. Gives a progress that ends what nobody waits for."""
    report = watched()
    with turn(analyzer, request, lane_of(analyzer.probe, **files), report):
        yield report
