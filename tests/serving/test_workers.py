"""What happens in a worker stays there. The functions that workers run are at the end: they import this file to find them."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from emotion import media
from emotion.messages import InputError
from emotion.serving import workers
from emotion.serving.weights import ROOT

PATIENCE_S = 60  # for another process, on a busy machine


@pytest.fixture(scope="module")
def pool():
    with workers.Workers() as pool:
        pool.warm(remember)
        pool.submit(echo, None, timeout=60).result()
        yield pool


def alive(pid):
    """Whether a process runs: a zombie that its new parent has not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_results_arguments_and_arrays_come_back(pool):
    array = np.arange(3_000_000, dtype=np.float32)
    assert (pool.submit(echo, array, timeout=20).result() == array).all()
    assert pool.submit(os.getpid, timeout=20).result() != os.getpid()


def test_no_file_stays_open_after_a_task(pool):
    def run():
        pool.submit(echo, np.zeros(1_000_000), timeout=20).result()
        for function, error, limit in (
            (end_process, workers.WorkerError, 20),
            (raise_odd, workers.WorkerError, 20),
            (hang, TimeoutError, 0.3),
        ):
            with pytest.raises(error):
                pool.submit(function, timeout=limit).result()
        pool.submit(hang, timeout=20).cancel()

    def memories():
        return sum("memfd:result" in os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))

    run()
    assert wait_until(lambda: memories() == 0)


def test_tasks_run_side_by_side(pool, tmp_path):
    futures = [pool.submit(meet, str(tmp_path), timeout=20) for _ in range(2)]
    assert len({future.result() for future in futures}) == 2


def test_an_error_comes_back_as_it_was_raised(pool):
    with pytest.raises(InputError, match=r"no-such\.wav does not exist") as caught:
        pool.submit(media.decode_audio, "/no-such.wav", timeout=20).result()
    assert "In the worker:" in caught.value.__notes__[0] and "files.py" in caught.value.__notes__[0]


def test_what_cannot_be_sent_back_is_a_worker_error(pool):
    for function, words in ((raise_odd, "Odd: two arguments"), (return_lambda, "cannot be pickled"), (leave, "SystemExit: 3")):
        with pytest.raises(workers.WorkerError, match=words):
            pool.submit(function, timeout=20).result()


def test_what_cannot_be_sent_is_refused_at_once(pool, monkeypatch):
    with pytest.raises((AttributeError, TypeError, ValueError)):
        pool.submit(lambda: None, timeout=20)
    monkeypatch.setattr(echo, "__module__", "__main__")
    with pytest.raises(ValueError, match="__main__"):
        pool.submit(echo, 1, timeout=20)


def test_a_worker_that_dies_harms_no_other_task(pool, tmp_path):
    other = pool.submit(wait_for, str(tmp_path / "go"), timeout=60)
    for function, words in ((end_process, r"exit code 7"), (crash, rf"exit code -{signal.SIGSEGV.value}")):
        with pytest.raises(workers.WorkerError, match=words):
            pool.submit(function, timeout=20).result()
    (tmp_path / "go").touch()
    assert other.result() == "came"
    assert pool.submit(echo, 5, timeout=20).result() == 5


@pytest.mark.parametrize("name", ["hang", "hang_with_lock"])
def test_a_task_past_its_limit_is_killed(pool, name):
    with pytest.raises(TimeoutError, match=r"limit of 0\.5 s"):  # a worker that ended itself would be a WorkerError
        pool.submit(globals()[name], timeout=0.5).result()
    assert pool.submit(echo, 5, timeout=20).result() == 5


def test_the_wait_for_a_free_worker_is_limited(pool, monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "QUEUE_S", 0.2)
    busy = [pool.submit(wait_for, str(tmp_path / "go"), timeout=60) for _ in range(2)]
    with pytest.raises(TimeoutError, match=r"0\.5 s after it was handed in"):
        pool.submit(echo, 1, timeout=0.3).result()
    (tmp_path / "go").touch()
    assert [future.result() for future in busy] == ["came", "came"]


def test_an_idle_worker_that_is_killed_is_replaced(pool):
    pid = pool.submit(os.getpid, timeout=20).result()
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(pid))

    def answered():
        try:
            return pool.submit(echo, 5, timeout=20).result() == 5
        except workers.WorkerError:  # handed in before the pool knew
            return False

    assert wait_until(answered)


def test_cancelling_ends_the_task(pool, tmp_path):
    future = pool.submit(write_pid_and_hang, str(tmp_path / "pid"), timeout=60)
    assert wait_until((tmp_path / "pid").exists)
    assert future.cancel() and future.cancelled()
    assert wait_until(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_every_worker_is_warmed_and_works_in_one_thread(pool, tmp_path):
    facts = [pool.submit(tell, str(tmp_path), timeout=20) for _ in range(2)]
    for future in facts:
        assert future.result() == {"warmed": True, "cv2 threads": 1, "own main": True, "SIGINT ignored": True, "torch": False}


def test_a_failing_warm_up_does_no_harm():
    with workers.Workers(max_workers=1) as pool:
        pool.warm(raise_odd)
        assert pool.submit(echo, 1, timeout=20).result() == 1


def test_closing_ends_what_runs(tmp_path):
    pool = workers.Workers(max_workers=1)
    future = pool.submit(write_pid_and_hang, str(tmp_path / "pid"), timeout=60)
    waiting = pool.submit(echo, 1, timeout=60)
    assert wait_until((tmp_path / "pid").exists)
    pool.close()
    pool.close()
    for unfinished in (future, waiting):
        with pytest.raises(workers.WorkerError, match="stopped"):
            unfinished.result(timeout=20)
    assert wait_until(lambda: not alive(int((tmp_path / "pid").read_text())))
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(echo, 1, timeout=20)


def test_workers_are_replaced_after_their_share_of_tasks():
    with workers.Workers(max_workers=1, max_tasks=2) as pool:
        pids = [pool.submit(os.getpid, timeout=20).result() for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


# A script without a main guard: it hands in two tasks that never end, and ends itself in one of several ways.
SCRIPT = """
import os, sys, time
sys.path[:0] = [{root!r}, {tests!r}]
print("main", flush=True)
import test_workers
from emotion.serving.workers import Workers
pool = Workers()
pool.warm(test_workers.remember)  # imports this file before the limit of any task runs
print(pool.submit(test_workers.echo, 42, timeout=60).result(), flush=True)
paths = [{folder!r} + name for name in "ab"]
for path, function in zip(paths, [test_workers.write_pid_and_hang, {second}]):
    pool.submit(function, path, timeout={limit})
while not all(os.path.exists(path) for path in paths):
    time.sleep(0.05)
{end}
"""
BY_HANGING, WITH_LOCK = "test_workers.write_pid_and_hang", "test_workers.write_pid_and_hang_with_lock"


@pytest.mark.parametrize(
    "second, end, status, limit",
    [
        (BY_HANGING, "sys.exit(5)", 5, 600),
        (BY_HANGING, "os.kill(os.getpid(), 15)", -15, 600),
        (BY_HANGING, "os.kill(os.getpid(), 9)", -9, 600),
        (WITH_LOCK, "os.kill(os.getpid(), 9)", -9, 1),  # such a worker ends a while after the limit of its task
    ],
    ids=["exit", "terminated", "killed", "killed, worker in C"],
)
def test_no_worker_outlives_its_parent(tmp_path, second, end, status, limit):
    script, folder = tmp_path / "script.py", f"{tmp_path}/"
    tests = str(Path(__file__).parent)
    script.write_text(SCRIPT.format(root=str(ROOT), tests=tests, folder=folder, second=second, limit=limit, end=end))
    with open(tmp_path / "out", "w") as out:  # not a pipe, which workers would keep open
        done = subprocess.run([sys.executable, script], stdout=out, timeout=120)
    assert (done.returncode, (tmp_path / "out").read_text().split()) == (status, ["main", "42"])
    assert wait_until(lambda: not any(alive(int((tmp_path / name).read_text())) for name in "ab"))


def test_a_command_may_use_workers():
    command = """if True:
        from emotion import media
        from emotion.serving import workers
        workers.Workers().submit(media.decode_audio, "/no-such.wav", timeout=60).result()"""
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=120)
    assert "InputError: no-such.wav does not exist." in done.stderr


# --- run in workers

_remembered = []


def remember():
    _remembered.append(True)


def echo(value):
    return value


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return "came"


def meet(folder):
    """Ends once another process is here."""
    Path(folder, str(os.getpid())).touch()
    while len(os.listdir(folder)) < 2:
        time.sleep(0.05)
    return os.getpid()


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def raise_odd():
    raise Odd("two", "arguments")


def return_lambda():
    return lambda: None


def leave():
    sys.exit(3)


def end_process():
    os._exit(7)


def crash():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # without pytest's report of it
    os.kill(os.getpid(), signal.SIGSEGV)


def hang():
    while True:
        time.sleep(0.1)


def hang_with_lock():
    """In C code that keeps Python's lock and asks for no signals, as a speech recogniser may."""
    deque(itertools.repeat(None), maxlen=0)


def write_pid_and_hang(path):
    write_pid(path)
    hang()


def write_pid_and_hang_with_lock(path):
    write_pid(path)
    hang_with_lock()


def write_pid(path):
    Path(path + ".part").write_text(str(os.getpid()))
    os.rename(path + ".part", path)  # at once: readers see all of it


def tell(folder):
    import cv2

    meet(folder)
    return {
        "warmed": bool(_remembered),
        "cv2 threads": cv2.getNumThreads(),
        "own main": sys.modules["__main__"].__spec__.name.startswith("loky."),
        "SIGINT ignored": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "torch": "torch" in sys.modules,
    }
