"""A small Hub on this machine: tests of downloads, uploads and inference run the real client library against it, and its faults.

    with HubServer() as hub:
        revision = hub.add_model("owner/name", {"config.json": b"{}"})
        hub.fail(Fault(cut_at=1), repo="owner/name", file="config.json")
        subprocess.run([sys.executable, "-c", "..."], env=hub.environment(tmp_path))

A client with ``hf_xet`` installed uploads by Xet, which is not spoken here. ``environment`` sets HF_HUB_DISABLE_XET against that.
"""

import os
import re
import socket
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.hub_answers import Answer, Hub, Refused, Request, route

TICK_S = 0.05  # between the pieces of a slow answer


@dataclass(frozen=True)
class Fault:
    """What goes wrong with an answer; every fault can be set alone or with others.

    Positions are bytes of the whole file, so that a download that is resumed at ``cut_at`` gets nothing more. At 0 nothing at all
    is sent, not even a status. A HEAD, which has no body, meets only ``status`` and positions of 0.
    """

    status: int | None = None  # instead of the answer, and of what the request asks to be done
    error: str = ""  # X-Error-Code beside the status: RepoNotFound, GatedRepo, ...
    message: str = "as the test wants it"  # X-Error-Message beside the status
    retry_after: int | None = None  # seconds, beside the status
    bytes_per_second: float | None = None
    stall_at: int | None = None  # silence from there on, until the fault is lifted or the server stops
    cut_at: int | None = None  # the connection ends there
    shorten_to: int | None = None  # a download ends there in good order, though HEAD and listing name the whole size
    tamper: bool = False  # the middle byte of a download differs, though its ETag names the honest file
    times: int | None = None  # how many answers it spoils before it is over; None: all

    def spoils(self, method: str) -> bool:
        return method != "HEAD" or self.status is not None or self.stall_at == 0 or self.cut_at == 0


class ActiveFault:
    """A fault that is set, how many answers it has still to spoil, and whether it was lifted."""

    def __init__(self, fault: Fault):
        self.fault = fault
        self.left = fault.times
        self.lifted = threading.Event()

    def take(self, method: str) -> bool:
        """Whether it spoils an answer to this method, which counts."""
        if self.left == 0 or not self.fault.spoils(method):
            return False
        if self.left:
            self.left -= 1
        return True


class HubServer(Hub):
    """``with HubServer() as hub:`` serves at ``hub.url``; on leaving all its connections end, those that stall as well."""

    def __init__(self) -> None:
        self._listener = Listener(self)
        port = self._listener.server_port
        super().__init__(f"http://127.0.0.1:{port}", f"http://localhost:{port}")
        self.requests: list[Request] = []
        self.closing = False
        self._faults: dict[tuple[str | None, str | None], ActiveFault] = {}
        self._faults_lock = threading.Lock()

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._listener.serve_forever, args=(TICK_S,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing = True
        self.heal()
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.end_connections()

    @property
    def connections(self) -> int:
        """How many were accepted so far, with those on which nothing was sent."""
        return self._listener.accepted

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """For a process whose client is to use this Hub, with ``home`` as its only cache; ``more`` takes precedence."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_OFF"))}
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return {**kept, **own, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1,localhost", **more}

    def fail(self, fault: Fault, repo: str | None = None, file: str | None = None) -> None:
        """From now on: for all answers, for those about one repository or inference model, or for one file of a repository.

        Of several faults the most special one counts. What was set for the same before is lifted.
        """
        with self._faults_lock:
            before = self._faults.pop((repo, file), None)
            self._faults[repo, file] = ActiveFault(fault)
        if before:
            before.lifted.set()

    def heal(self) -> None:
        """Lifts all faults; what stalled goes on."""
        with self._faults_lock:
            faults, self._faults = self._faults, {}
        for active in faults.values():
            active.lifted.set()

    def take_fault(self, method: str, repo: str | None, file: str | None) -> ActiveFault:
        """The fault for an answer, which counts as spoilt."""
        with self._faults_lock:
            for scope in ((repo, file), (repo, None), (None, None)):
                if (active := self._faults.get(scope)) and active.take(method):
                    return active
        return ActiveFault(Fault())


class Listener(ThreadingHTTPServer):
    """Counts its connections and can end them, at work or idle."""

    block_on_close = False
    request_queue_size = 64  # many clients at once; one too many would wait for a second

    def __init__(self, hub: HubServer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub
        self.accepted = 0
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.accepted += 1
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was quicker
                continue

    def handle_error(self, request: socket.socket, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients that have given up are what faults are for
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """HTTP on one connection: reads a request, has it answered, sends the answer with its fault."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart
    server: Listener

    def answer(self) -> None:
        hub = self.server.hub
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, self._body())
        hub.requests.append(request)
        respond, named = route(request)
        active = hub.take_fault(request.method, named.get("repo"), named.get("file"))
        fault = active.fault
        if 0 in (fault.cut_at, fault.stall_at) and self._ends(active):
            return
        try:
            if fault.status is not None:
                raise Refused(fault.status, fault.error, fault.message)
            answer = respond(hub, request, **named)
        except Refused as refused:
            retry = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            answer = Answer.refusal(*refused.args, **retry)
        self._send(request, answer, active)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, request: Request, answer: Answer, active: ActiveFault) -> None:
        start = 0
        if request.method == "GET" and "ETag" in answer.headers:  # a file
            answer, start = part(spoilt(answer, active.fault), request.headers.get("range", ""))
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if request.method == "HEAD":
            return
        stops = [max(0, position - start) for position in (active.fault.cut_at, active.fault.stall_at) if position]
        stop = min(stops, default=len(answer.body))
        self._write(answer.body[:stop], active)
        if answer.body[stop:] and not self._ends(active):
            self._write(answer.body[stop:], active)

    def _ends(self, active: ActiveFault) -> bool:
        """Whether the connection is over at the place where a fault cuts or stalls, which may take until the fault is lifted."""
        cuts = active.fault.cut_at is not None
        if not cuts:
            active.lifted.wait()
        self.close_connection = cuts or self.server.hub.closing
        return self.close_connection

    def _write(self, content: bytes, active: ActiveFault) -> None:
        rate = active.fault.bytes_per_second
        if rate is None:
            self.wfile.write(content)
            return
        piece = max(1, round(rate * TICK_S))
        for start in range(0, len(content), piece):
            self.wfile.write(content[start : start + piece])
            if active.lifted.wait(piece / rate):
                self.wfile.write(content[start + piece :])
                return

    def log_message(self, *_: object) -> None:
        """Says nothing: ``HubServer.requests`` is the log."""


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """A file with its fault, under its honest ETag."""
    body = answer.body
    if fault.tamper and body:
        middle = len(body) // 2
        body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
    return replace(answer, body=body[: fault.shorten_to])


def part(answer: Answer, wanted: str) -> tuple[Answer, int]:
    """What a Range header asks of a file, and at which byte that begins; without one all of it."""
    ends = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if not ends:
        return answer, 0
    size, start = len(answer.body), int(ends[1])
    body = answer.body[start : int(ends[2]) + 1 if ends[2] else size]
    if not body:
        return Answer(416, headers={"Content-Range": f"bytes */{size}"}), 0
    return Answer(206, body, {**answer.headers, "Content-Range": f"bytes {start}-{start + len(body) - 1}/{size}"}), start
