"""What a process and those that it started hold: memory, handles, threads. Linux, from /proc."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """Of a process and all that it started, together.

    Attributes
    ----------
    memory_mb : float
        Proportional set size in MB: what two processes share counts half for each.
    processes, threads, handles : int
        How many; handles are open files, sockets and pipes.
    """

    memory_mb: float
    processes: int
    threads: int
    handles: int


def usage(pid: int) -> Usage:
    """What the process and all that it started hold now."""
    memory = processes = threads = handles = 0
    for number in _family(pid):
        try:
            memory += _field(PROC / str(number) / "smaps_rollup", "Pss")
            threads += _field(PROC / str(number) / "status", "Threads")
            handles += len(os.listdir(PROC / str(number) / "fd"))
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        processes += 1
    return Usage(memory / 1024, processes, threads, handles)


def _family(pid: int) -> Iterator[int]:
    """The process and all that descend from it."""
    parents = {int(entry.name): _parent(entry) for entry in PROC.iterdir() if entry.name.isdigit()}
    found = [pid]
    for number in found:  # grows while it is walked through
        found += [child for child, parent in parents.items() if parent == number]
        yield number


def _parent(entry: Path) -> int | None:
    try:
        return _field(entry / "status", "PPid")
    except (FileNotFoundError, ProcessLookupError):
        return None


def _field(file: Path, name: str) -> int:
    """The number after a name; 0 where the file does not have it."""
    lines = (line.split() for line in file.read_text("ascii", "replace").splitlines())
    return next((int(words[1]) for words in lines if words and words[0] == f"{name}:"), 0)
