"""What goes wrong around the app ends in a sentence, and the next request works."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.clips import GLAD
from tests.page.calls import call, upload
from tests.running import START_S, started

ROOM_BYTES = 3 * 2**20


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A folder that holds no more than ROOM_BYTES."""
    folder = tmp_path_factory.mktemp("small")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a disk of a given size needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def long_sound(tmp_path):
    """Speech, of 6 MB."""
    samples, rate = soundfile.read(GLAD)
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 3 * 2**20 // len(samples)), rate, "PCM_16")
    return tmp_path / "long.wav"


@pytest.mark.models
def test_a_full_disk_and_a_folder_that_is_gone_cost_no_more_than_their_uploads(small_disk, tmp_path, long_sound):
    with started(tmp_path, HF_HUB_OFFLINE="1", GRADIO_TEMP_DIR=str(small_disk / "uploads")) as app:
        app.until_loaded()
        with pytest.raises(urllib.error.HTTPError) as refusal:
            upload(app, long_sound)
        assert refusal.value.code == 507 and "There is no room for files" in refusal.value.read().decode()
        assert call(app, "analyze_text", "so glad")[0] == "complete"
        shutil.rmtree(small_disk / "uploads")
        assert call(app, "analyze_audio", upload(app, GLAD), "")[0] == "complete"
        assert "Traceback" not in app.log.read_text("utf-8")


def processes_of(parent: int) -> list[int]:
    """All that it started, and that those started."""
    own = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return own + [grandchild for child in own for grandchild in processes_of(child)]


@pytest.mark.models
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_app_ends_in_mid_request_and_leaves_nothing(tmp_path, long_sound, sign):
    with started(tmp_path, HF_HUB_OFFLINE="1") as app:
        app.until_loaded()
        file = upload(app, long_sound)

        def ask():
            with contextlib.suppress(OSError):  # the app is gone
                call(app, "analyze_audio", file, "")

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.5)
        left = processes_of(app.process.pid)
        assert left
        app.process.send_signal(sign)
        app.process.wait(START_S)
        asking.join()
        end = time.monotonic() + START_S
        while any(os.path.exists(f"/proc/{pid}") for pid in left) and time.monotonic() < end:
            time.sleep(0.1)
        assert not [pid for pid in left if os.path.exists(f"/proc/{pid}")]
        assert not [path for path in app.uploads.rglob("*") if path.is_file()]
