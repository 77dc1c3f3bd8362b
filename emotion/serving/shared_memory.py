"""Large arrays from a worker process to its caller, through memory that both have open, copied once on either side.

A pipe takes 64 kB at a time, and what goes through it is pickled twice: for the frames of 10 s of video (46 MB) that took longer
than decoding them. The memory is a file without a name (``memfd_create``, Linux). It belongs to the caller and ends with it, so
that a worker that dies leaves nothing behind. Where it cannot be had, as on other systems, everything goes through the pipe.
"""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PIPE_BYTES = 2**16  # of an array: what a pipe on Linux holds at once


@dataclass(frozen=True)
class Place:
    """Where another process finds the memory, and the device and inode by which it knows that the path still leads there."""

    path: str
    identity: tuple[int, int]


class SharedMemory:
    """Memory that the caller owns and one worker may fill. ``place`` is None where there is none to be had."""

    def __init__(self) -> None:
        self.place: Place | None = None
        try:
            self._file = os.fdopen(os.memfd_create("result"), "rb")
        except (AttributeError, OSError):  # another system, or no file may be opened any more
            return
        descriptor = self._file.fileno()
        self.place = Place(f"/proc/{os.getpid()}/fd/{descriptor}", _identity(descriptor))

    def loads(self, data: bytes, sizes: Sequence[int]) -> Any:
        """What ``dumps`` made ``data`` and ``sizes`` of. Raises what ``pickle`` raises, and ``EOFError``."""
        buffers = [np.empty(size, np.uint8) for size in sizes]
        for buffer in buffers:
            if self._file.readinto(buffer.data) != len(buffer):
                raise EOFError("the shared memory ends early")
        return pickle.loads(data, buffers=buffers)

    def close(self) -> None:
        if self.place is not None:
            self._file.close()


def dumps(value: Any, place: Place | None) -> tuple[bytes, tuple[int, ...]]:
    """A value pickled but for its large arrays, and the sizes in bytes of these, which are written to ``place`` in that order.

    Raises what ``pickle`` raises.
    """
    large: list[memoryview] = []

    def stays(buffer: pickle.PickleBuffer) -> bool:
        content = buffer.raw()
        if content.nbytes > PIPE_BYTES:
            large.append(content)
        return content.nbytes <= PIPE_BYTES

    if place is not None:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=stays)
        try:
            if large:
                _write(large, place)
            return data, tuple(content.nbytes for content in large)
        except OSError:  # no memory is left, or the place is closed to this process
            pass
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL), ()


def _write(contents: Sequence[memoryview], place: Place) -> None:
    with open(place.path, "r+b") as file:
        if _identity(file.fileno()) != place.identity:
            raise FileNotFoundError("the caller has closed the shared memory")
        for content in contents:
            file.write(content)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
