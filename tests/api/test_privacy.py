"""What visitors hand in stays in the folder of uploads, out of the log and out of other visitors' reach, and goes."""

import hashlib
import json
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from emotion.logs import Private
from emotion.page import temporary
from tests.api.watched import Watched, watched
from tests.clips import GLAD, MEDIA
from tests.page.calls import call, post, upload
from tests.running import until

pytestmark = pytest.mark.models

NAME = "wallaby"  # in the name of every file and in every text that is handed in
NOTHING_KEPT = ("/dev/", "/proc/self/", "/proc/")  # devices, a worker's own settings, memory that two processes share


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("watched")) as running:
        yield running


@pytest.fixture(scope="module")
def visit(witnessed: Watched, video: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A visitor hands in one of everything. What was seen and written before and after, what was said, and what was uploaded."""
    app, folder = witnessed.app, tmp_path_factory.mktemp("visitor")
    call(app, "analyze_text", "What libraries write on their first use, fonts and the like, is nobody's")
    began, files = time.time(), witnessed.files()
    said = [f"I am so glad about my {NAME}"]
    call(app, "analyze_text", said[0])
    call(app, "analyze_text", f"{NAME} " * 2000)
    call(app, "fuse", {NAME: NAME}, {NAME: 1})
    handed_in = []
    damaged = bytearray(video.read_bytes())  # of its two tracks the sound cannot be decoded
    with av.open(str(video)) as container:
        for packet in container.demux(audio=0):
            damaged[packet.pos or 0 : (packet.pos or 0) + packet.size] = bytes(packet.size)
    for name, endpoint, content in (
        ("sound.flac", "analyze_audio", GLAD.read_bytes()),
        ("film.mp4", "analyze_video", video.read_bytes()),
        ("photo.jpg", "analyze_image", (MEDIA / "astronaut.jpg").read_bytes()),
        ("notes.wav", "analyze_audio", NAME.encode()),
        ("damaged.mp4", "analyze_video", damaged),
        ("notes.jpg", "analyze_image", NAME.encode()),
        ("cut.flac", "analyze_audio", GLAD.read_bytes()[:200]),
    ):
        path = folder / f"{NAME} {name}"
        path.write_bytes(content)
        handed_in.append(upload(app, path))
        kind, answer = call(app, endpoint, handed_in[-1], *([] if endpoint == "analyze_image" else [""]))
        assert (kind == "complete") == (name in ("sound.flac", "film.mp4", "photo.jpg", "damaged.mp4")), answer
        said += [answer[0]["transcript"]["text"]] if kind == "complete" and answer[0]["transcript"] else []
    assert len(said) == 3 and all(said)
    config = json.loads(urllib.request.urlopen(app.url + "config", timeout=60).read())
    for number, function in enumerate(config["dependencies"]):  # the page's own, with what it would never send
        body = {"data": [NAME] * len(function["inputs"]), "fn_index": function.get("id", number), "session_hash": NAME}
        request = urllib.request.Request(
            app.url + "gradio_api/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=60).close()
    events = urllib.request.urlopen(f"{app.url}gradio_api/queue/data?session_hash={NAME}", timeout=120).read().decode()
    assert events.count("process_completed") == len(config["dependencies"])
    return {"files": files, "said": said, "uploads": handed_in, "seen": witnessed.seen(began)}


def test_nothing_is_written_but_uploads(witnessed, visit):
    opened = [arguments for event, *arguments in visit["seen"] if not event.startswith("socket.")]
    places = {path for arguments in opened for path in arguments if path.startswith("/")}
    assert [path for path in places if not path.startswith((str(witnessed.app.uploads), *NOTHING_KEPT))] == []
    assert any(NAME in path for path in places)  # the witness is awake
    assert witnessed.files() == visit["files"]


def test_nobody_else_is_told(witnessed):
    """No analytics, no telemetry, nothing that is looked up anywhere."""
    events = [arguments for event, *arguments in witnessed.seen() if event.startswith("socket.")]
    assert events and not [told for told in events if not re.search(r"127\.0\.0\.1|localhost|::1", str(told))]


def test_the_log_has_nothing_of_what_was_handed_in(witnessed, visit):
    log = witnessed.app.log.read_text("utf-8")
    assert "asyncio" in log and "branch failed: " in log  # it is as loud as it can be, and has the damaged film
    assert not [line for line in log.splitlines() if NAME in line]
    for text in visit["said"]:
        assert text not in log and text[:20] not in log


def test_the_log_tells_where_an_error_was_and_not_what_it_said():
    try:
        try:
            raise ValueError(NAME)
        except ValueError as e:
            raise KeyError(NAME) from e
    except KeyError as e:
        record = logging.LogRecord("emotion", logging.ERROR, __file__, 1, "an answer failed", (), (KeyError, e, e.__traceback__))
    said = Private("%(message)s").format(record)
    assert said.startswith("an answer failed\n") and said.index("ValueError") < said.index("KeyError")
    assert Path(__file__).name in said and NAME not in said


def refused(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=60)
    except urllib.error.HTTPError as e:
        return e.code in (403, 404)
    return False


def test_uploads_cannot_be_found_by_another_visitor(witnessed, visit):
    """Their address has 256 bits that depend on a secret: even who has the same file cannot tell whether it was uploaded."""
    app, mine = witnessed.app, Path(visit["uploads"][0]["path"])
    files = app.url + "gradio_api/file="
    assert urllib.request.urlopen(files + str(mine).replace(" ", "%20"), timeout=60).status == 200  # who uploaded it knows where
    for place in (mine.parent, app.uploads, f"{app.uploads}/.", f"{mine.parent}/..", f"{app.uploads}/*/{mine.name}"):
        assert refused(files + str(place).replace(" ", "%20"))
    assert len(mine.parent.name) == 64 and mine.parent.name != hashlib.sha256(GLAD.read_bytes()).hexdigest()


def test_results_cannot_be_found_by_another_visitor(witnessed):
    app = witnessed.app
    event = post(app, "analyze_text", {"data": [f"my {NAME}"]})["event_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", event)  # 122 bits by chance
    guesses = [event[:-1] + digit for digit in "0123456789abcdef" if digit != event[-1]]
    for guess in guesses[:3]:
        with urllib.request.urlopen(f"{app.url}gradio_api/call/analyze_text/{guess}", timeout=60) as answer:
            assert b"modalities" not in answer.read1()
    with urllib.request.urlopen(f"{app.url}gradio_api/call/analyze_text/{event}", timeout=60) as mine:
        assert "modalities" in mine.read().decode()


def test_no_runs_are_recorded(witnessed):
    config = json.loads(urllib.request.urlopen(witnessed.app.url + "config", timeout=60).read())
    assert config["analytics_enabled"] is False and not config.get("run_history") and "runs" not in config["footer_links"]
    for path in ("runs", "run-history/records", "deep_link?session_hash=x"):
        assert refused(f"{witnessed.app.url}gradio_api/{path}")
    assert refused(witnessed.app.url + "monitoring/summary")


def test_uploads_are_deleted_when_they_are_old(witnessed, visit):
    kept = [Path(file["path"]) for file in visit["uploads"]]
    young, *old = kept
    for path in old:
        os.utime(path, (time.time() - temporary.MAX_AGE_S - 1,) * 2)
    until(lambda: not any(path.exists() for path in old), witnessed.app.process, witnessed.app.log)
    assert young.exists()
