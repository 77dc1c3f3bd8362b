"""The live sessions of all visitors: few at once, each known by a secret, and none kept longer than it is used."""

import secrets
import threading
import time
from collections.abc import Callable

from emotion.analyzer import Analyzer
from emotion.live.session import LiveSession
from emotion.messages import InputError

SESSIONS = 4  # at once: each takes about half a core
IDLE_S = 30.0  # without sound or picture, after which a session is forgotten
LONGEST_S = 1800.0  # of a session, so that a forgotten tab keeps no place


class Sessions:
    """The sessions of all visitors, each under a token that only its browser knows; those that fall silent are forgotten.

    Gradio's own state would not do: it keeps what belongs to a closed tab for an hour.
    """

    def __init__(self, analyzer: Analyzer, clock: Callable[[], float] = time.monotonic):
        self._analyzer, self._clock = analyzer, clock
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[LiveSession, float]] = {}  # with when it began
        self._used: dict[str, float] = {}
        self._sweeping = False

    def open(self, language: str = "en") -> str:
        """The token of a new session. Raises InputError where SESSIONS are open already."""
        self.sweep()
        with self._lock:
            if len(self._sessions) >= SESSIONS:
                raise InputError("live_busy", people=SESSIONS)
            token = secrets.token_urlsafe(16)
            self._sessions[token] = LiveSession(self._analyzer, language), self._clock()
            self._used[token] = self._clock()
        self._sweep_later()
        return token

    def get(self, token: str) -> LiveSession | None:
        """The session, which counts as used now; None where it is unknown, ended or forgotten."""
        with self._lock:
            if token not in self._sessions:
                return None
            self._used[token] = self._clock()
            return self._sessions[token][0]

    def take(self, token: str) -> LiveSession | None:
        """The session, which is no longer kept here; None where it is unknown."""
        with self._lock:
            self._used.pop(token, None)
            return self._sessions.pop(token, (None, 0.0))[0]

    def sweep(self) -> None:
        """Forgets those that nothing came to for IDLE_S, and those older than LONGEST_S."""
        now = self._clock()
        with self._lock:
            begun = {token: begin for token, (_, begin) in self._sessions.items()}
            old = [token for token in begun if now - self._used[token] > IDLE_S or now - begun[token] > LONGEST_S]
        for token in old:
            session = self.take(token)
            if session is not None:
                session.finish()

    def _sweep_later(self) -> None:
        """Sweeps every IDLE_S / 2 for as long as there are sessions."""
        with self._lock:
            if self._sweeping or not self._sessions:
                return
            self._sweeping = True
        timer = threading.Timer(IDLE_S / 2, self._look_again)
        timer.daemon = True
        timer.start()

    def _look_again(self) -> None:
        self._sweeping = False
        self.sweep()
        self._sweep_later()
