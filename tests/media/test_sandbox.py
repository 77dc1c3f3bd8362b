"""What a decoder can do to the rest: nothing. The functions that stand in for a decoder are at the end."""

import errno
import functools
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import cv2
import landlockpy
import numpy as np
import pytest
import soundfile

from emotion import media
from emotion.media import limits, sandbox
from emotion.messages import InputError
from emotion.serving.workers import Workers
from tests.clips import ASTRONAUT, GLAD

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a sandbox of Linux")
PATIENCE_S = 60  # for another process, on a busy machine


@pytest.fixture
def locked():
    if sandbox.refusal():
        pytest.skip("this kernel has no Landlock")


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def decoded_with(function, **replaced):
    """In a worker: what a function makes of a file, with these in place of attributes of emotion.media.limits or sandbox."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in replaced.items():
            patch.setattr(limits if hasattr(limits, name) else sandbox, name, value)
        return sandbox.decoded(function, GLAD)


def alike(one, other):
    if isinstance(one, media.Probe):
        return one == other
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    pairs = list(zip([*one], [*other], strict=True)) if isinstance(one, tuple) else [(one, other)]
    return all(a.time == b.time and a.image.dtype == b.image.dtype and np.array_equal(a.image, b.image) for a, b in pairs)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "mp4", "png", "jpg", "webp"])
def test_a_file_is_decoded_as_without_it(decoded, tmp_path, video, form):
    path, functions = tmp_path / "a", [media.probe, media.decode_image]
    if form == "mp4":
        path, functions = video, [media.probe, media.decode_audio, media.decode_frames]
    elif form.isupper():
        functions = [media.probe, media.decode_audio]
        soundfile.write(path, *soundfile.read(GLAD), format=form)
    else:
        path.write_bytes(cv2.imencode(f".{form}", cv2.imread(str(ASTRONAUT)))[1].tobytes())
    for function in functions:
        assert alike(function(path), decoded(function, path))


@pytest.mark.parametrize("path", ["/no/such.wav", "/dev/zero", "/tmp", Path(__file__)])
def test_a_refusal_is_the_same_as_without_it(decoded, path):
    with pytest.raises(InputError) as plain:
        media.decode_audio(path)
    with pytest.raises(InputError) as confined:
        decoded(media.decode_audio, path)
    assert confined.value.to_dict() == plain.value.to_dict()


def test_a_decoder_has_its_file_open_and_can_open_nothing(decoded):
    descriptors = json.loads(decoded(open_descriptors, GLAD).kind)
    assert descriptors[:3] == [0, 1, 2] and len(descriptors) == 4
    attempts = json.loads(decoded(attempts_to_open, GLAD).kind)
    assert attempts and set(attempts.values()) <= {errno.EMFILE, errno.EACCES, errno.EPERM}


def test_landlock_closes_files_and_tcp_by_itself(locked, tmp_path):
    (tmp_path / "a").touch()
    refused = []

    def work():
        sandbox._landlock()  # binds this thread alone
        with socket.socket() as tcp:
            for attempt in (
                (tmp_path / "a").read_text,
                lambda: os.listdir(tmp_path),
                lambda: (tmp_path / "b").touch(),
                lambda: tcp.connect(("127.0.0.1", 9)),
                lambda: os.kill(os.getppid(), 0),
            ):
                try:
                    attempt()
                except OSError as e:
                    refused.append(e.errno)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(refused) == 5 and set(refused) <= {errno.EACCES, errno.EPERM}
    assert (tmp_path / "a").read_text() == ""  # other threads are as free as before


@pytest.mark.parametrize("name", ["crash", "exit_early", "eat_memory", "spin"])
def test_a_crash_or_a_bomb_costs_one_answer(pool, decoded, name):
    smaller = functools.partial(decoded_with, globals()[name], DECODER_BYTES=256 * 2**20, DECODER_CPU_S=1)
    with pytest.raises(InputError) as caught:
        pool.submit(smaller, timeout=60).result()
    assert caught.value.to_dict() == {"code": "decoder_failed", "fields": {"file": "glad.flac", "limit": 256}}
    assert len(decoded(media.decode_audio, GLAD))


def test_nothing_can_be_written(decoded):
    with pytest.raises(RuntimeError, match="OSError"):
        decoded(write_to_its_file, GLAD)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x80\x05\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # a pickle that runs a command
        b"",
        b"[]",
        b'{"shapes": [[99999999999]]}',
        b'{"shapes": [[-1]], "times": [0]}',
        b'{"shapes": [[5]], "times": [0]}',
        b'{"shapes": [], "times": [0]}',
        b'{"shapes": []}',
        b'{"probe": {"kind": "audio"}}',
        b'{"refused": {"code": "no_such_code", "fields": {}}}',
    ],
)
def test_an_answer_that_is_none_is_refused(pool, answer):
    task = functools.partial(decoded_with, media.probe, _write=functools.partial(write_instead, answer))
    with pytest.raises(InputError) as caught:
        pool.submit(task, timeout=60).result()
    assert caught.value.code == "decoder_failed"


def test_an_error_of_our_own_is_no_bad_file(decoded):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        decoded(divide, GLAD)


def test_a_decoder_ends_with_its_worker():
    with Workers(max_workers=1) as pool:
        worker = pool.submit(os.getpid, timeout=60).result()
        children = Path(f"/proc/{worker}/task/{worker}/children")
        task = pool.submit(sandbox.decoded, hang, GLAD, timeout=60)
        assert wait_until(lambda: children.read_text().split())
        (child,) = children.read_text().split()
        assert task.cancel()
        assert wait_until(lambda: not Path(f"/proc/{child}").exists())


def test_a_kernel_that_refuses_is_told_once_and_the_rest_still_holds(pool, monkeypatch, caplog):
    monkeypatch.setattr(landlockpy, "Ruleset", refuse)
    sandbox.refusal.cache_clear()
    try:
        assert "not in this kernel" in sandbox.refusal() and sandbox.refusal()
        assert [record.message for record in caplog.records if "Landlock" in record.message] == [
            "decoders run without Landlock here (UnsupportedError: not in this kernel): only resource limits bind them"
        ]
    finally:
        sandbox.refusal.cache_clear()
    attempts = pool.submit(functools.partial(decoded_with, attempts_to_open, _landlock=refuse), timeout=60).result()
    assert set(json.loads(attempts.kind).values()) == {errno.EMFILE}


# --- in place of what a worker has


def refuse(**_):
    raise landlockpy.UnsupportedError("not in this kernel")


def write_instead(answer, memory, header, arrays):
    memory.write(answer)


def told(value):
    return media.Probe(json.dumps(value), has_audio=False, has_video=False, duration=None)


def open_descriptors(source):
    def is_open(descriptor):
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True

    return told([descriptor for descriptor in range(1024) if is_open(descriptor)])


def attempts_to_open(source):
    attempts = {
        "file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "new file": lambda: os.open("/tmp/left-by-a-decoder", os.O_CREAT | os.O_WRONLY),
        "memory of the worker": lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR),
        "tcp": lambda: socket.socket(),
        "udp": lambda: socket.socket(type=socket.SOCK_DGRAM),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "pipe": os.pipe,
        "in place of another": lambda: (os.close(0), os.open("/etc/passwd", os.O_RDONLY)),
    }
    outcome = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            outcome[name] = 0
        except OSError as e:
            outcome[name] = e.errno
    return told(outcome)


def write_to_its_file(source):
    os.write(source.descriptor, b"x")


def crash(source):
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # without pytest's report of it
    os.kill(os.getpid(), signal.SIGSEGV)


def exit_early(source):
    os._exit(0)


def eat_memory(source):
    np.ones(2**30, np.uint8)


def spin(source):
    while True:
        pass


def hang(source):
    while True:
        time.sleep(0.1)


def divide(source):
    1 / 0  # noqa: B018
