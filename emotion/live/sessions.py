"""The live sessions of all visitors: few at once, each known by a secret, and none kept longer than it is used."""

import secrets
import threading
import time
from collections.abc import Callable

from emotion.analyzer import Analyzer
from emotion.live.session import LiveSession
from emotion.media import limits
from emotion.messages import InputError


class Sessions:
    """The sessions of all visitors, each under a token that only its browser knows; those that fall silent are forgotten.

    Gradio's own state would not do: it keeps what belongs to a closed tab for an hour.
    """

    def __init__(self, analyzer: Analyzer, clock: Callable[[], float] = time.monotonic):
        self._analyzer, self._clock = analyzer, clock
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[LiveSession, float]] = {}  # with when it began
        self._used: dict[str, float] = {}
        self._finished: dict[str, tuple[LiveSession, float]] = {}  # with when it was
        self._sweeping = False

    def open(self, language: str = "en") -> str:
        """The token of a new session. Raises InputError where LIVE_SESSIONS are open, none of them silent for LIVE_AWAY_S."""
        self.sweep()
        self._make_room()
        with self._lock:
            if len(self._sessions) >= limits.LIVE_SESSIONS:
                raise InputError("live_busy", people=limits.LIVE_SESSIONS)
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

    def finish(self, token: str) -> LiveSession | None:
        """Frees the session's place and returns it, again for LIVE_RETRY_S; None where it is unknown or forgotten."""
        session = self._take(token)
        with self._lock:
            if session is not None:
                self._finished[token] = session, self._clock()
                while len(self._finished) > limits.LIVE_SESSIONS:
                    del self._finished[next(iter(self._finished))]
            return self._finished[token][0] if token in self._finished else None

    def sweep(self) -> None:
        """Forgets those silent for LIVE_IDLE_S, those older than LIVE_LONGEST_S, and those finished for LIVE_RETRY_S."""
        now = self._clock()
        with self._lock:
            begun = {token: begin for token, (_, begin) in self._sessions.items()}
            old = [
                token
                for token in begun
                if now - self._used[token] > limits.LIVE_IDLE_S or now - begun[token] > limits.LIVE_LONGEST_S
            ]
            self._finished = {token: kept for token, kept in self._finished.items() if now - kept[1] <= limits.LIVE_RETRY_S}
        for token in old:
            self._forget(token)

    def _make_room(self) -> None:
        """Where all places are taken, forgets the session that has been silent the longest, if it has been for LIVE_AWAY_S."""
        with self._lock:
            silent = min(self._used, key=self._used.__getitem__, default=None)
            full = len(self._sessions) >= limits.LIVE_SESSIONS
            away = silent is not None and self._clock() - self._used[silent] > limits.LIVE_AWAY_S
        if full and away and silent is not None:
            self._forget(silent)

    def _take(self, token: str) -> LiveSession | None:
        """The session, which no longer has a place; None where it has none."""
        with self._lock:
            self._used.pop(token, None)
            return self._sessions.pop(token, (None, 0.0))[0]

    def _forget(self, token: str) -> None:
        session = self._take(token)
        if session is not None:
            session.finish()

    def _sweep_later(self) -> None:
        """Sweeps every LIVE_IDLE_S / 2 for as long as there are sessions, finished ones too."""
        with self._lock:
            if self._sweeping or not (self._sessions or self._finished):
                return
            self._sweeping = True
        timer = threading.Timer(limits.LIVE_IDLE_S / 2, self._look_again)
        timer.daemon = True
        timer.start()

    def _look_again(self) -> None:
        self._sweeping = False
        self.sweep()
        self._sweep_later()
