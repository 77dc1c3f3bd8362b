"""Files as they come: untrusted, opened by descriptor, named without their folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av
import cv2
import numpy as np

from emotion.media import limits
from emotion.readings import InputError


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """An open regular file, neither empty nor too large; what the libraries raise on it comes out as an ``InputError``."""
    name = name_of(path)
    if not os.path.exists(path):
        raise InputError(f"{name} does not exist.")
    if not os.path.isfile(path):  # a folder, a device, or a pipe that would block
        raise InputError(f"{name} is not a file.")
    if os.path.getsize(path) == 0:
        raise InputError(f"{name} is empty: 0 bytes.")
    if os.path.getsize(path) > limits.MAX_FILE_BYTES:
        most = f"{limits.MAX_FILE_BYTES / 2**20:.0f} MB, and {limits.MAX_DURATION_S} s ({limits.MAX_DURATION_S / 60:g} minutes) of sound or video"
        raise InputError(f"{name} is too large: {os.path.getsize(path) / 2**20:.0f} MB; the limit is {most}.")
    try:
        # By descriptor, so that the file object has no name in which libav would see an extension to trust or an address to read.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb") as file:
            yield file
    except InputError:
        raise
    except (av.FFmpegError, OSError, cv2.error, MemoryError, ValueError, RuntimeError) as e:
        raise InputError(f"{name} cannot be read: {getattr(e, 'strerror', None) or e or type(e).__name__}.") from e


def name_of(path: str | os.PathLike) -> str:
    """How messages call a file: without its folder, which is no business of whoever uploaded it."""
    try:
        return os.path.basename(os.path.normpath(os.fsdecode(path))) or "The path"
    except TypeError as e:
        raise InputError(f"A {type(path).__name__} is not the path of a file.") from e


def array_of(values: object, what: str) -> np.ndarray:
    """Values as an array; ``what`` they are, for the InputError that a ragged list raises."""
    try:
        return np.asarray(values)
    except ValueError as e:  # a ragged list
        raise InputError(f"The {what} is a {type(values).__name__} that makes no array.") from e
