"""Decoding in a process of its own that can open nothing.

Decoders are written in C and read what strangers send. ``decoded`` is to be called in a worker process. It opens the file and
forks; its child takes every right from itself, decodes, writes the answer to memory that both share, and ends. So one file
reaches neither other files, the network, the app nor the next visitor's data, and a crash or a bomb costs its own answer.

The child is kept from:

- files and TCP, by Landlock, where the kernel has it. That binds one thread and what it starts: a forked child has but one;
- any new descriptor, hence also UDP, which Landlock leaves open on most kernels, by RLIMIT_NOFILE. Of those that the worker
  has open it keeps the file alone: through the worker's pipes it could have the app unpickle something;
- memory, time and disk without end, by RLIMIT_AS, RLIMIT_CPU and RLIMIT_FSIZE.

The answer is JSON and plain numbers, which are checked: unpickling it would give the child the app's rights.

References
----------
Landlock: https://docs.kernel.org/userspace-api/landlock.html
"""

import contextlib
import ctypes
import functools
import json
import logging
import math
import mmap
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NoReturn, TypeVar

import av.subtitles.codeccontext  # PyAV would import these two late, when a child may open no file any more
import av.subtitles.stream  # noqa: F401
import numpy as np

from emotion.media import limits
from emotion.media.files import OpenFile, Source, open_file
from emotion.media.probing import Probe
from emotion.messages import InputError
from emotion.readings import Frame

if sys.platform == "linux":
    import resource

log = logging.getLogger(__name__)
T = TypeVar("T")  # of the results that _packed knows

HEADER_BYTES = 2**16  # JSON before the arrays: 60 times of frames have 1 kB, and a file's name at most 255 bytes
# The largest answer is the frames of a square video, 74 MB; 10 minutes of samples have 38 MB. Pages never written cost none.
ANSWER_BYTES = HEADER_BYTES + limits.MAX_FRAMES * limits.FRAME_SIDE**2 * 3
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def decoded(function: Callable[[Source], T], path: str | os.PathLike) -> T:
    """What a decoder makes of a file. To be called in a worker process, which the time limit is for.

    Parameters
    ----------
    function : callable
        ``media.probe``, ``decode_audio``, ``decode_frames`` or ``decode_image``.
    path : str or path

    Returns
    -------
    ndarray, Frame, tuple of Frame, or Probe
        As of the function. Elsewhere than on Linux it runs in the worker itself.

    Raises
    ------
    InputError
        What the function raises, and where it crashes or needs more than ``limits.DECODER_BYTES`` of memory or
        ``limits.DECODER_CPU_S`` of time.
    RuntimeError
        Where it raises anything else.
    """
    if sys.platform != "linux":
        return function(path)
    with open_file(path) as file:
        answer = mmap.mmap(-1, ANSWER_BYTES)
        with warnings.catch_warnings():
            # Python warns of forks beside threads. The worker's other one waits for the app to end and holds no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            worker, child = os.getpid(), os.fork()
        if child == 0:
            _decode(function, file, answer, worker)
        _, status = os.waitpid(child, 0)
    try:
        if status != 0:
            raise ValueError(f"it ended with {os.waitstatus_to_exitcode(status)}")
        result: T = _unpacked(answer)
        return result
    except (InputError, RuntimeError):
        raise
    except Exception as e:  # whatever stands in memory that a decoder wrote
        log.warning("a decoder gave no answer: %s", e)
        raise InputError("decoder_failed", file=file.name, limit=limits.DECODER_BYTES // 2**20) from e


@functools.cache
def refusal() -> str | None:
    """Why the kernel gives decoders no Landlock, which is logged; None where it does. Tried once, in a thread of its own."""
    found: list[str | None] = [None]

    def attempt() -> None:
        try:
            _landlock()
        except Exception as e:
            found[0] = f"{type(e).__name__}: {e}"

    if sys.platform == "linux":
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    else:
        found[0] = "not Linux"
    if found[0] is not None:
        log.warning("decoders run without Landlock here (%s): only resource limits bind them", found[0])
    return found[0]


def warm() -> None:
    """For a new worker, which calls this before its first task, and must have imported this module for it."""


# --- in the child


def _decode(function: Callable[[Source], T], file: OpenFile, answer: mmap.mmap, worker: int) -> NoReturn:
    status = 1
    try:
        _enclose(file.descriptor, worker)
        try:
            header, arrays = _packed(function(file))
        except InputError as e:
            header, arrays = {"refused": e.to_dict()}, []
        except MemoryError:  # the limit's work: the same as where C code ends the process for it
            raise
        except Exception as e:
            header, arrays = {"raised": f"{type(e).__name__}: {e}"[:1000]}, []
        _write(answer, header, arrays)
        status = 0
    finally:
        os._exit(status)  # whatever happens: the worker's own loop must not go on in here


def _enclose(descriptor: int, worker: int) -> None:
    """Takes from this process all that decoding does not need. The order matters: each step may need what a later one takes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker:  # it was killed before it could take this process with it
        os._exit(1)
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * mmap.PAGESIZE  # of what the worker has mapped
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):  # what C libraries print may hold a name
        os.dup2(nothing, standard)
    with contextlib.suppress(Exception):  # told by refusal(), in the app
        _landlock()
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for what, most in (
        (resource.RLIMIT_AS, size + limits.DECODER_BYTES),
        (resource.RLIMIT_CPU, limits.DECODER_CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _landlock() -> None:
    """No file, no TCP, no signal to other processes, for this thread and those that it starts. Raises what the kernel says."""
    import landlockpy  # of Linux

    scopes = landlockpy.Scope.ABSTRACT_UNIX_SOCKET | landlockpy.Scope.SIGNAL
    with landlockpy.Ruleset(scoped=scopes) as rules:  # of an older kernel, what it knows
        rules.restrict()


# --- the answer: JSON, and after HEADER_BYTES the numbers of arrays


def _packed(result: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    if isinstance(result, Probe):
        return {"probe": asdict(result)}, []
    if isinstance(result, Frame):
        return {"time": result.time}, [result.image]
    if isinstance(result, tuple):
        return {"times": [frame.time for frame in result]}, [frame.image for frame in result]
    return {}, [result]


def _write(answer: mmap.mmap, header: Mapping[str, Any], arrays: list[np.ndarray]) -> None:
    head = json.dumps({**header, "shapes": [array.shape for array in arrays]}).encode()
    if len(head) > HEADER_BYTES:
        raise ValueError(f"the header has {len(head)} bytes")
    answer.write(head)
    answer.seek(HEADER_BYTES)
    for array in arrays:
        answer.write(np.ascontiguousarray(array).data)


def _unpacked(answer: mmap.mmap) -> Any:
    """The result in ``answer``, or the error raised. Raises ValueError and the like for what no decoder means to write."""
    header = json.loads(answer[:HEADER_BYTES].rstrip(b"\0"))
    if "refused" in header:
        raise InputError.from_dict(header["refused"])
    if "raised" in header:
        raise RuntimeError(f"The decoder raised {header['raised']!r}.")
    if "probe" in header:
        return Probe(**header["probe"])
    place, arrays = HEADER_BYTES, []
    pictures = "time" in header or "times" in header
    for shape in header["shapes"]:
        if len(shape) != (3 if pictures else 1):
            raise ValueError(f"an array of shape {shape}")
        array = np.frombuffer(answer, np.uint8 if pictures else np.float32, math.prod(shape), place).reshape(shape)
        place += array.nbytes
        arrays.append(array)
    if not pictures:
        return arrays[0]
    times = [float(time) for time in header.get("times", [header.get("time")])]
    frames = tuple(Frame(time, image) for time, image in zip(times, arrays, strict=True))
    return frames if "times" in header else frames[0]
