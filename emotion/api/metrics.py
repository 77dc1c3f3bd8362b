"""``GET /metrics``: figures for Prometheus about the app as a whole. Nothing of a visitor is among them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.analyzer import Analyzer
from emotion.api.door import OUTSIDE, way_of
from emotion.messages import InputError
from emotion.page.inputs import Guarded
from emotion.readings import Analysis

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # from a short text to the longest that time limits allow


def wanted() -> bool:
    """Whether EMOTION_METRICS asks for them."""
    return os.environ.get("EMOTION_METRICS", "").lower() in ("1", "true", "yes", "on")


class Metrics:
    """Counts what an analyzer and its page do, in a registry of its own."""

    def __init__(self, analyzer: Analyzer, demo: Guarded):
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("emotion_requests", "HTTP requests, by way in and status.", ["way", "status"], registry=registry)
        self.busy = Counter("emotion_busy", "Requests told that too much is going on.", registry=registry)
        self.analyses = Counter("emotion_analyses", "Analyses, by how they ended.", ["outcome"], registry=registry)
        self.stages = Histogram("emotion_stage_seconds", "Of an analysis.", ["stage"], registry=registry, buckets=SECONDS)
        for name, about, now in (
            ("emotion_queue_waiting", "Events that wait.", lambda: demo.at_work()[0]),
            ("emotion_queue_running", "Events at work.", lambda: demo.at_work()[1]),
            (
                "emotion_workers_memory_bytes",
                "Resident memory of the worker processes.",
                lambda: sum(map(_memory, _children("self"))),
            ),
        ):
            Gauge(name, about, registry=registry).set_function(now)
        ProcessCollector(registry=registry)  # memory, processor time, open files and start of this process
        analyzer.observe = self.ended

    def ended(self, outcome: Analysis | Exception) -> None:
        """An analysis ended in ``outcome``."""
        if isinstance(outcome, Analysis):
            self.analyses.labels("answered").inc()
            for stage, ms in outcome.timings_ms.items():
                self.stages.labels(stage).observe(ms / 1000.0)
        else:
            known = {InputError: "refused", TimeoutError: "late"}
            self.analyses.labels(known.get(type(outcome), "failed")).inc()

    def answered(self, way: str, status: int) -> None:
        """A request that came in by ``way`` was answered with an HTTP status."""
        self.requests.labels(way, status).inc()
        if status == 503 and way != OUTSIDE:
            self.busy.inc()

    def answer(self, request: Request) -> Response:
        """The route's function."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class Counted:
    """ASGI middleware that counts requests."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.answered(way_of(scope), message["status"])
            await send(message)

        await self.app(scope, receive, counting)


def _children(process: str) -> Iterator[str]:
    """The ids of all processes that come from this one; nothing where there is no /proc."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            for child in children.read_text().split():
                yield child
                yield from _children(child)


def _memory(process: str) -> int:
    """Resident bytes; none of a process that has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
