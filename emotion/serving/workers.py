"""Worker processes for what may crash or hang: decoding media, speech to text.

A pebble pool of spawned processes behind ``concurrent.futures.Future``. What happens in a worker stays there: the caller gets a
result or an exception, within the time limit. A worker that dies, is killed or is past its limit is replaced. Beside the workers
runs loky's resource tracker, a process of its own of 18 MB.
"""

import atexit
import contextlib
import functools
import logging
import os
import pickle
import signal
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from loky.backend import get_context
from pebble import ProcessFuture, ProcessPool

from emotion.messages import InputError
from emotion.serving.shared_memory import Place, SharedMemory, dumps

log = logging.getLogger(__name__)
T = TypeVar("T")

# A fresh interpreter that leaves the caller's ``__main__`` alone. multiprocessing's own would run it a second time, to unpickle
# functions of it: the app with all that it imports, and a script without a main guard would start workers that start workers.
_CONTEXT = get_context("loky")
# Workers are given the first end of a pipe. The second is this process's alone, so that they see it close when this process ends.
_PARENT, _ALIVE = _CONTEXT.Pipe(duplex=False)

MAX_WORKERS = 2  # sound and frames of one video, or the recordings of two visitors; more would only share the same few cores
MAX_TASKS = 500  # a worker is then replaced, which bounds what leaks in libraries written in C can add up to
QUEUE_S = 60.0  # a task's longest wait for a free worker, on top of its own limit; a worker itself starts in about a second
GRACE_S = 2.0  # after a task's limit: a worker that was not ended by then ends itself
NICE = 10  # where cores are scarce, a worker has a tenth of the time that the app's threads have: texts are read there
OOM_SCORE = "500"  # of 1000: where memory runs out, Linux ends a worker before the app


class WorkerError(RuntimeError):
    """A task without a result: its worker died, or what it returned or raised cannot be sent between processes."""


class Workers:
    """Runs functions in processes, which start when they are first needed. Thread-safe.

    Functions and arguments are pickled, so a function must be a module's own. Workers import that module and leave the caller's
    ``__main__`` alone: scripts without a main guard, ``python -c``, notebooks and the app work alike. Also a context manager,
    which closes the pool at its end.

    Parameters
    ----------
    max_workers : int
        How many processes.
    max_tasks : int
        After so many tasks a process is replaced.
    """

    def __init__(self, max_workers: int = MAX_WORKERS, max_tasks: int = MAX_TASKS):
        self._max_workers, self._max_tasks = max_workers, max_tasks
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._outcomes: weakref.WeakSet[_Outcome[Any]] = weakref.WeakSet()  # unfinished ones live through their timers
        self._warmers: tuple[Callable[[], Any], ...] = ()
        self._closed = False
        _instances.add(self)

    def submit(self, function: Callable[..., T], *args: Any, timeout: float) -> Future[T]:
        """Runs ``function(*args)`` in a worker.

        Parameters
        ----------
        function : callable
            Of a module; it and ``args`` can be pickled.
        timeout : float
            Seconds that it may take, which include the import of its module, unless ``warm`` had it imported. A worker that
            takes longer is killed.

        Returns
        -------
        Future
            Its ``result()`` is what the function returns, or raises what it raises, with the worker's traceback as a note. It
            raises ``TimeoutError`` past the limit, or without a result ``timeout + QUEUE_S`` seconds after the call because all
            workers are busy. It raises ``WorkerError`` where the worker died or its answer cannot be pickled. ``cancel()`` works
            until the end: it kills the worker.

        Raises
        ------
        ValueError
            For a function of ``__main__``.
        RuntimeError
            After ``close()``.
        Exception
            What ``pickle`` raises.
        """
        if getattr(function, "__module__", None) == "__main__":
            raise ValueError(f"{function} is part of __main__, which workers do not import: it must be in a module.")
        task = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        with self._lock:
            pool, memory = self._running_pool(), SharedMemory()
            outcome = _Outcome[T](pool, pool.schedule(_run, (task, timeout, memory.place), timeout=timeout), timeout, memory)
            self._outcomes.add(outcome)
        return outcome

    def warm(self, *functions: Callable[[], Any]) -> None:
        """Starts the workers in the background. To be called before the first ``submit``.

        Before its first task each worker, also one that replaces another, calls ``functions`` without arguments. They are for
        slow imports and models, so that no visitor waits for them, and count toward no task's time limit. One that raises is
        logged and does no harm.
        """
        with self._lock:
            self._warmers = functions
            self._running_pool()

    def close(self) -> None:
        """Stops all workers at once; tasks without a result end in ``WorkerError``. Harmless twice; runs at interpreter exit."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            self._stop(pool)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running_pool(self) -> ProcessPool:
        """The pool, or a new one where it is broken: pebble gives up, for example, when an idle worker dies."""
        if self._closed:
            raise RuntimeError("The workers are closed.")
        if self._pool is not None and not self._pool.active:
            log.warning("The worker processes are started anew.")
            threading.Thread(target=self._stop, args=(self._pool,), daemon=True).start()
            self._pool = None
        if self._pool is None:
            warmers = pickle.dumps(self._warmers)  # bytes: their modules are imported by _prepare, not before it
            self._pool = ProcessPool(self._max_workers, self._max_tasks, _prepare, (warmers, _PARENT), _CONTEXT)
            _ = self._pool.active  # starts the processes
        return self._pool

    def _stop(self, pool: ProcessPool) -> None:
        """Without the lock: this waits for pebble's threads, and they may be in a caller's callback that submits."""
        for outcome in list(self._outcomes):
            if outcome.pool is pool:
                outcome.finish(error=WorkerError("The worker processes were stopped."))
        pool.stop()
        pool.join()


class _Outcome(Future[T]):
    """The caller's end of a task. It is settled once: by the worker's answer or death, a time limit, or the end of the pool."""

    def __init__(self, pool: ProcessPool, task: ProcessFuture, timeout: float, memory: SharedMemory):
        super().__init__()
        self.pool, self._timeout, self._memory = pool, timeout, memory
        self._task: ProcessFuture | None = task  # until it is done
        self._settling = threading.Lock()  # taken once and never released
        self._timer: threading.Timer | None = threading.Timer(timeout + QUEUE_S, self._give_up)
        self._timer.daemon = True
        self._timer.start()
        task.add_done_callback(functools.partial(_tell, weakref.WeakMethod(self._done)))  # pebble keeps its last task

    def cancel(self) -> bool:
        task = self._task
        cancelled = super().cancel()
        if cancelled and task is not None:
            task.cancel()
        return cancelled

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        """Settles the future unless it is settled already."""
        if not self._settling.acquire(blocking=False):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.set_running_or_notify_cancel():
            return
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)

    def _done(self, task: Future[Any]) -> None:
        try:
            self._settle(task)
        finally:
            self._task = None
            self._memory.close()

    def _settle(self, task: Future[Any]) -> None:
        if task.cancelled():
            return self.finish(error=WorkerError("The task was stopped."))
        error = task.exception()
        if isinstance(error, TimeoutError):
            return self.finish(error=TimeoutError(f"The task took longer than its limit of {self._timeout:g} s."))
        if error is not None:  # ProcessExpired, BrokenProcessPool
            code = getattr(error, "exitcode", None)
            failure = WorkerError("The worker process died" + (f" (exit code {code})." if code is not None else "."))
            failure.__cause__ = error
            return self.finish(error=failure)
        try:
            result, error = self._memory.loads(*task.result())
        except Exception as e:
            result, error = None, WorkerError(f"The worker's answer cannot be unpickled: {e}.")
        return self.finish(result, error)

    def _give_up(self) -> None:
        task = self._task
        self.finish(error=TimeoutError(f"The task had no result {self._timeout + QUEUE_S:g} s after it was handed in."))
        if task is not None:
            task.cancel()


def _tell(done: "weakref.WeakMethod[Callable[[Future[Any]], None]]", task: Future[Any]) -> None:
    """Calls what is told of a task's end, where it is still there: an unsettled outcome lives through its timer."""
    method = done()
    if method is not None:
        method(task)


# --- in the worker


def _prepare(warmers: bytes, parent: Connection) -> None:
    """Called in each new worker before its first task. ``parent``: a pipe that closes when the parent ends."""
    # pebble's handler would wait until C code returns to Python; the default ends the worker at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(OOM_SCORE)
    if hasattr(os, "nice"):
        os.nice(NICE)
    os.environ["OMP_NUM_THREADS"] = "1"  # several workers share the machine with the networks
    import cv2  # here: the caller, which only submits tasks, need not load it

    cv2.setNumThreads(1)
    for function in pickle.loads(warmers):
        try:
            function()
        except Exception as e:
            known = isinstance(e, InputError)
            log.warning("A worker could not be warmed by %s: %s", function.__qualname__, e, exc_info=None if known else e)


def _die_with(parent: Connection) -> None:
    """Ends a worker with its parent. pebble ends an idle one; a busy one would stay as long as its task takes, or for ever."""
    wait([parent])
    os._exit(1)


def _end_after(seconds: float) -> None:
    """Has the system end this process after so long; 0: never.

    Nothing else would, where the parent is dead and C code keeps Python's lock.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _run(task: bytes, timeout: float, place: Place | None) -> tuple[bytes, tuple[int, ...]]:
    """Runs a pickled (function, arguments) and returns its (result, error), pickled by ``shared_memory.dumps``.

    It is not pebble that pickles them: its pool breaks on what cannot be unpickled.
    """
    _end_after(timeout + GRACE_S)
    try:
        function, args = pickle.loads(task)
        result = function(*args)
    except BaseException as error:
        return _pickled_error(error), ()
    finally:
        _end_after(0)
    try:
        return dumps((result, None), place)
    except Exception as e:
        return _pickled_error(WorkerError(f"The result, a {type(result).__name__}, cannot be pickled: {e}.")), ()


def _pickled_error(error: BaseException) -> bytes:
    """A pickled (None, error). In place of an error that cannot be pickled, or that would end the caller, a ``WorkerError``."""
    error.add_note(f"In the worker:\n{traceback.format_exc()}")
    with contextlib.suppress(Exception):
        answer = pickle.dumps((None, error))
        pickle.loads(answer)  # fails for an exception whose constructor takes other arguments than it passes on
        if isinstance(error, Exception):
            return answer
    return pickle.dumps((None, WorkerError(f"{type(error).__name__}: {error}")))


_instances: weakref.WeakSet[Workers] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for workers in list(_instances):
        workers.close()
