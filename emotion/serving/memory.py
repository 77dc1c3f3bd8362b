"""Memory that comes back. glibc keeps what a program frees, in case it asks again: after a crowd that was a gigabyte."""

import contextlib
import ctypes
import gc
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.serving.lanes import Lanes

log = logging.getLogger(__name__)

M_ARENA_MAX, ARENAS = -8, 2  # of glibc's malloc.h
CHECK_S = 5.0  # between two looks whether anything was answered since


def share_heaps() -> None:
    """Has all threads share two heaps. By default glibc makes eight for each core, and each keeps what it once held."""
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError, TypeError):  # another C library, Windows
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Gives what was freed back to the system. Takes some hundredths of a second."""
    with contextlib.suppress(AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_giving_back(lanes: "Lanes", forget: Callable[[], None]) -> threading.Thread:
    """Calls ``forget`` and then, after requests were answered, gives memory back: in the background, while the process lives.

    What only Python's collector finds goes first, when nobody waits: it stops all else for some tenths of a second.
    """

    def work() -> None:
        before = 0
        while True:
            time.sleep(CHECK_S)
            try:
                forget()
            except Exception:
                log.exception("what visitors left could not be forgotten")
            states = lanes.states().values()
            if (answered := sum(state.answered for state in states)) != before:
                before = answered
                if not any(state.running or state.waiting for state in states):
                    gc.collect()
                give_back()

    thread = threading.Thread(target=work, daemon=True, name="memory")
    thread.start()
    return thread
