"""Files as they come: untrusted, opened by descriptor, named without their folder."""

import math
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

import av
import cv2
import numpy as np

from emotion.media import limits
from emotion.messages import InputError, Message

UNSHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories: control, format, lone surrogate, end of line and of paragraph


@dataclass(frozen=True)
class OpenFile:
    """An open regular file: what a process may read that may open nothing."""

    descriptor: int
    name: str  # for messages


Source = str | os.PathLike | OpenFile


@contextmanager
def open_file(path: str | os.PathLike) -> Iterator[OpenFile]:
    """A regular file, opened, neither empty nor too large. Raises InputError for anything else."""
    name = name_of(path)
    if not os.path.exists(path):
        raise InputError("file_not_found", file=name)
    if not os.path.isfile(path):  # a folder, a device, or a pipe that would block
        raise InputError("file_not_regular", file=name)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as e:
        raise InputError("file_unreadable", file=name, reason=e.strerror or str(e)) from e
    try:
        size = os.fstat(descriptor).st_size
        if size == 0:
            raise InputError("file_empty", file=name)
        if size > limits.MAX_FILE_BYTES:
            megabytes, most = (math.ceil(bytes / 2**20) for bytes in (size, limits.MAX_FILE_BYTES))
            raise InputError("file_too_large", file=name, megabytes=megabytes, limit=most, seconds=limits.MAX_DURATION_S)
        yield OpenFile(descriptor, name)
    finally:
        os.close(descriptor)


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The content of a file. What the libraries raise while it is open becomes an ``InputError``."""
    with nullcontext(source) if isinstance(source, OpenFile) else open_file(source) as file:
        try:
            # By descriptor: the file object has no name in which libav would see an extension to trust or an address to read.
            with open(file.descriptor, "rb", closefd=False) as content:
                yield content
        except InputError:
            raise
        except (av.FFmpegError, OSError, cv2.error, MemoryError, ValueError, RuntimeError) as e:
            why = getattr(e, "strerror", None) or str(e) or type(e).__name__
            raise InputError("file_unreadable", file=file.name, reason=why) from e


def name_of(source: Source) -> str:
    """How messages call a file: without its folder, which does not concern whoever uploaded it.

    What is not shown as it stands, such as line breaks, and marks that turn the direction of writing, becomes a replacement sign.
    """
    if isinstance(source, OpenFile):
        return source.name
    try:
        name = os.path.basename(os.path.normpath(os.fsdecode(source))) or os.sep
        return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in UNSHOWN else c for c in name)
    except TypeError as e:
        raise InputError("file_not_path", type=type(source).__name__) from e


def array_of(values: object, what: Message) -> np.ndarray:
    """Values as an array. Raises InputError, which names ``what`` they are, for a ragged list."""
    try:
        return np.asarray(values)
    except ValueError as e:  # a ragged list
        raise InputError("array_ragged", what=what, type=type(values).__name__) from e
