"""What a decoder can do to the rest: nothing. The functions that stand in for a decoder are at the end."""

import errno
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


@pytest.fixture(scope="module")
def pool():
    with Workers(max_workers=1) as pool:
        pool.warm(sandbox.warm)
        yield pool


@pytest.fixture
def locked():
    if sandbox.refusal():
        pytest.skip("this kernel has no Landlock")


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def found(function):
    """What a function of this file says that it found in a sandbox."""
    return json.loads(sandbox.decoded(function, GLAD).kind)


def alike(one, other):
    if isinstance(one, media.Probe):
        return one == other
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    pairs = list(zip([*one], [*other], strict=True)) if isinstance(one, tuple) else [(one, other)]
    return all(a.time == b.time and a.image.dtype == b.image.dtype and np.array_equal(a.image, b.image) for a, b in pairs)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "mp4", "png", "jpg", "webp"])
def test_a_file_is_decoded_as_without_it(pool, tmp_path, video, form):
    path, functions = tmp_path / "a", [media.probe, media.decode_image]
    if form == "mp4":
        path, functions = video, [media.probe, media.decode_audio, media.decode_frames]
    elif form.isupper():
        functions = [media.probe, media.decode_audio]
        soundfile.write(path, *soundfile.read(GLAD), format=form)
    else:
        path.write_bytes(cv2.imencode(f".{form}", cv2.imread(str(ASTRONAUT)))[1].tobytes())
    for function in functions:
        assert alike(function(path), pool.submit(sandbox.decoded, function, path, timeout=60).result())


@pytest.mark.parametrize("path", ["/no/such.wav", "/dev/zero", "/tmp", Path(__file__)])
def test_a_refusal_is_the_same_as_without_it(pool, path):
    with pytest.raises(InputError) as plain:
        media.decode_audio(path)
    with pytest.raises(InputError) as confined:
        pool.submit(sandbox.decoded, media.decode_audio, path, timeout=60).result()
    assert confined.value.to_dict() == plain.value.to_dict()


def test_a_decoder_has_its_file_open_and_can_open_nothing():
    assert found(open_descriptors)[:3] == [0, 1, 2] and len(found(open_descriptors)) == 4
    attempts = found(attempts_to_open)
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
def test_a_crash_or_a_bomb_costs_one_answer(monkeypatch, name):
    monkeypatch.setattr(limits, "DECODER_BYTES", 256 * 2**20)
    monkeypatch.setattr(limits, "DECODER_CPU_S", 1)
    with pytest.raises(InputError) as caught:
        sandbox.decoded(globals()[name], GLAD)
    assert caught.value.to_dict() == {"code": "decoder_failed", "fields": {"file": "glad.flac", "limit": 256}}
    assert len(sandbox.decoded(media.decode_audio, GLAD))


def test_nothing_can_be_written(tmp_path):
    with pytest.raises(RuntimeError, match="OSError"):
        sandbox.decoded(write_to_its_file, GLAD)


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
def test_an_answer_that_is_none_is_refused(monkeypatch, answer):
    monkeypatch.setattr(sandbox, "_write", lambda memory, header, arrays: memory.write(answer))
    with pytest.raises(InputError) as caught:
        sandbox.decoded(media.probe, GLAD)
    assert caught.value.code == "decoder_failed"


def test_an_error_of_our_own_is_no_bad_file():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        sandbox.decoded(divide, GLAD)


def test_a_decoder_ends_with_its_worker():
    with Workers(max_workers=1) as pool:
        worker = pool.submit(os.getpid, timeout=60).result()
        children = Path(f"/proc/{worker}/task/{worker}/children")
        task = pool.submit(sandbox.decoded, hang, GLAD, timeout=60)
        assert wait_until(lambda: children.read_text().split())
        (child,) = children.read_text().split()
        assert task.cancel()
        assert wait_until(lambda: not Path(f"/proc/{child}").exists())


def test_a_kernel_that_refuses_is_told_once_and_the_rest_still_holds(monkeypatch, caplog):
    def refuse(**_):
        raise landlockpy.UnsupportedError("not in this kernel")

    monkeypatch.setattr(landlockpy, "Ruleset", refuse)
    sandbox.refusal.cache_clear()
    try:
        assert "not in this kernel" in sandbox.refusal() and sandbox.refusal()
        assert [record.message for record in caplog.records if "Landlock" in record.message] == [
            "decoders run without Landlock here (UnsupportedError: not in this kernel): only resource limits bind them"
        ]
        assert set(found(attempts_to_open).values()) == {errno.EMFILE}
    finally:
        sandbox.refusal.cache_clear()


# --- in place of a decoder


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
