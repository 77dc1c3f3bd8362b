"""Files as they come: untrusted, opened by descriptor, named without their folder."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av
import cv2
import numpy as np

from emotion.media import limits
from emotion.messages import InputError, Message


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """An open regular file, neither empty nor too large. What the libraries raise while it is open becomes an ``InputError``."""
    name = name_of(path)
    if not os.path.exists(path):
        raise InputError("file_not_found", file=name)
    if not os.path.isfile(path):  # a folder, a device, or a pipe that would block
        raise InputError("file_not_regular", file=name)
    if os.path.getsize(path) == 0:
        raise InputError("file_empty", file=name)
    if os.path.getsize(path) > limits.MAX_FILE_BYTES:
        size, most = (math.ceil(bytes / 2**20) for bytes in (os.path.getsize(path), limits.MAX_FILE_BYTES))
        raise InputError("file_too_large", file=name, megabytes=size, limit=most, seconds=limits.MAX_DURATION_S)
    try:
        # By descriptor, so that the file object has no name in which libav would see an extension to trust or an address to read.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb") as file:
            yield file
    except InputError:
        raise
    except (av.FFmpegError, OSError, cv2.error, MemoryError, ValueError, RuntimeError) as e:
        raise InputError("file_unreadable", file=name, reason=getattr(e, "strerror", None) or str(e) or type(e).__name__) from e


def name_of(path: str | os.PathLike) -> str:
    """How messages call a file: without its folder, which does not concern whoever uploaded it."""
    try:
        return os.path.basename(os.path.normpath(os.fsdecode(path))) or os.sep
    except TypeError as e:
        raise InputError("file_not_path", type=type(path).__name__) from e


def array_of(values: object, what: Message) -> np.ndarray:
    """Values as an array. Raises InputError, which names ``what`` they are, for a ragged list."""
    try:
        return np.asarray(values)
    except ValueError as e:  # a ragged list
        raise InputError("array_ragged", what=what, type=type(values).__name__) from e
