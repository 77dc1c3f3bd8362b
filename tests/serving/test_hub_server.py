"""The Hub for tests as the real client library sees it; each client is a process, as it reads its settings once when imported.

How long huggingface_hub 2.4 tries before it gives up, with HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT at 1 s (T):

==============================  ==============  ===============================================
Fault                           Listing         File
==============================  ==============  ===============================================
401, 403, 404                   at once         at once
429, 5xx (1 + 2 + 4 + 8 + 8 s)  23 s            HEAD 23 s
the same, Retry-After: N        5 (N + 1) s     HEAD 5 (N + 1) s
cut before the answer           23 s            HEAD at once
silence before the answer       never gives up  HEAD T + 6 * 60 + 23 = 384 s
cut within the content          23 s            5 s
silence within the content      never gives up  6 T + 5 s
shorter content, in good order  -               at once
==============================  ==============  ===============================================

Only whole pieces of 10 MiB count as got: what is cut before starts again from the beginning, and each whole piece has five tries.
Other bytes of the same size are taken as good: no hash is checked. An InferenceClient tries once and waits for ``timeout``.
"""

import hashlib
import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hub_server import Fault, HubServer

pytestmark = pytest.mark.slow  # to be run when huggingface_hub or hub_server.py changes

FILES = {"config.json": b'{"labels": 7}\n', "onnx/model.onnx": bytes(range(256)) * 100}  # the second one is a large kind of file
NAME, LARGE = "owner/name", "onnx/model.onnx"
PIECE = 10 * 1024 * 1024  # bytes that the client takes at a time
GIVES_UP_S = 60  # for a whole client, on a busy machine
SETTINGS = {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}

PREAMBLE = """
import json, sys, threading, time
from huggingface_hub import HfApi, InferenceClient, snapshot_download

def outcome(call, *args, **options):
    try:
        return call(*args, **options)
    except Exception as error:
        return type(error).__name__
"""


@pytest.fixture
def hub():
    with HubServer() as hub:
        yield hub


def start(hub, home, code, **arguments):
    """A client process; ``code`` finds the arguments in ``given`` and prints JSON."""
    given = f"given = json.loads({json.dumps(arguments)!r})\n"
    command = [sys.executable, "-c", PREAMBLE + given + code]
    return subprocess.Popen(
        command, env=hub.environment(home, **SETTINGS), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    printed, errors = process.communicate(timeout=GIVES_UP_S)
    assert process.returncode == 0, errors
    return json.loads(printed)


def run(hub, home, code, **arguments):
    return finish(start(hub, home, code, **arguments))


DOWNLOAD = "print(json.dumps(outcome(snapshot_download, **given)))"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def asked(hub, method="GET"):
    return [request for request in hub.requests if request.method == method]


def wait_until(condition):
    end = time.monotonic() + GIVES_UP_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("revision", ["full", "main"])
def test_a_model_arrives_by_its_revision_and_by_main(hub, tmp_path, revision):
    hub.add_model(NAME, {"config.json": b"old"}, revision="a" * 40)
    newest = hub.add_model(NAME, FILES)
    folder = run(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision=newest if revision == "full" else "main", token="hf_mine")
    assert Path(folder).name == newest and contents(folder) == FILES == hub.files(NAME)
    stored = [request for request in hub.requests if request.headers["host"].startswith("localhost")]
    assert [request.path for request in stored] == [f"/storage/models/{NAME}/{newest}/{LARGE}"]
    assert stored[0].authorization is None  # the token stays with the Hub
    assert {request.authorization for request in hub.requests if request not in stored} == {"Bearer hf_mine"}


def test_an_old_revision_is_still_served_and_no_token_is_sent_unasked(hub, tmp_path):
    hub.add_model(NAME, {"config.json": b"old"}, revision="a" * 40)
    hub.add_model(NAME, FILES)
    assert contents(run(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision="a" * 40)) == {"config.json": b"old"}
    assert {request.authorization for request in hub.requests} == {None}


def test_what_is_cached_needs_no_connection(hub, tmp_path):
    revision = hub.add_model(NAME, FILES)
    folder = run(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision=revision)
    connections, requests = hub.connections, len(hub.requests)
    assert connections and requests
    assert run(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision=revision, local_files_only=True) == folder
    assert (hub.connections, len(hub.requests)) == (connections, requests)


def test_a_connection_that_says_nothing_is_counted_and_ends_with_the_server():
    with HubServer() as hub:
        idle = socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2])), timeout=GIVES_UP_S)
        wait_until(lambda: hub.connections == 1)
        assert hub.requests == []
    assert idle.recv(1) == b""


def test_a_cut_download_is_resumed_after_the_last_whole_piece(hub, tmp_path):
    files = {"model.safetensors": bytes(range(256)) * (PIECE // 256 + 10)}
    revision = hub.add_model(NAME, files)
    hub.fail(Fault(cut_at=PIECE + 1000, times=1), NAME, "model.safetensors")
    assert contents(run(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision=revision)) == files
    first, second = (request for request in asked(hub) if request.path.startswith("/storage"))
    assert first.status == 200 and "range" not in first.headers
    assert second.status == 206 and second.headers["range"] == f"bytes={PIECE}-"


def test_ranges_have_both_ends_and_must_begin_inside(hub, tmp_path):
    revision = hub.add_model(NAME, FILES)
    code = """
from huggingface_hub.utils import get_session
answers = [get_session().get(given["url"], headers={"Range": wanted}) for wanted in ("bytes=1-3", "bytes=90-")]
print(json.dumps([[answer.status_code, answer.headers["Content-Range"], answer.text] for answer in answers]))
"""
    inside, outside = run(hub, tmp_path, code, url=f"{hub.url}/{NAME}/resolve/{revision}/config.json")
    assert inside == [206, "bytes 1-3/14", '"la'] and outside == [416, "bytes */14", ""]


def test_the_most_special_fault_counts(hub):
    hub.add_model(NAME, FILES)
    hub.add_model("owner/other", FILES)

    def status(path):
        connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=GIVES_UP_S)
        connection.request("GET", path)
        return connection.getresponse().status

    paths = ["/api/models/owner/other", f"/api/models/{NAME}", f"/{NAME}/resolve/main/config.json"]
    hub.fail(Fault(status=500))
    hub.fail(Fault(status=429, times=1), NAME)
    hub.fail(Fault(), NAME, "config.json")
    assert [status(path) for path in paths] == [500, 429, 200] == [request.status for request in hub.requests]
    assert status(paths[1]) == 500  # the one time is over
    hub.heal()
    assert {status(path) for path in paths} == {200}


def test_tampered_bytes_are_taken_by_the_client_and_have_another_hash(hub, tmp_path):
    revision = hub.add_model(NAME, FILES)
    hub.fail(Fault(tamper=True), NAME)
    came = contents(run(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision=revision))
    for path, honest in FILES.items():
        assert len(came[path]) == len(honest) and sum(a != b for a, b in zip(came[path], honest, strict=True)) == 1
    assert hashlib.sha256(FILES[LARGE]).hexdigest() in {path.name for path in tmp_path.rglob("blobs/*")}  # the claimed name


INVALID = "Invalid credentials in Authorization header"
OUTCOMES = {  # what is wrong, with which file or all of them, and how the client ends
    "gated": (Fault(status=403, error="GatedRepo"), None, "GatedRepoError"),
    "invalid token": (Fault(status=401, message=INVALID), None, "HfHubHTTPError"),
    "no such repository": (Fault(status=404, error="RepoNotFound"), None, "RepositoryNotFoundError"),
    "busy": (Fault(status=429, retry_after=0), None, "LocalEntryNotFoundError"),
    "broken": (Fault(status=500, retry_after=0), None, "LocalEntryNotFoundError"),
    "file of invalid token": (Fault(status=401, message=INVALID), LARGE, "HfHubHTTPError"),
    "no such file": (Fault(status=404, error="EntryNotFound"), LARGE, "RemoteEntryNotFoundError"),
    "busy file": (Fault(status=429, retry_after=0), LARGE, "LocalEntryNotFoundError"),
    "file without an answer": (Fault(cut_at=0), LARGE, "RemoteProtocolError"),
    "cut file": (Fault(cut_at=1000), LARGE, "RemoteProtocolError"),
    "stalled file": (Fault(stall_at=1000), LARGE, "ReadTimeout"),
    "short file": (Fault(shorten_to=1000), LARGE, "OSError"),
    "slow file": (Fault(bytes_per_second=20_000), LARGE, "snapshot"),
    "busy once": (Fault(status=429, retry_after=0, times=1), None, "snapshot"),
    "healthy": (Fault(), None, "snapshot"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """How one client ends with a repository for each fault, all at the same time: some give up late."""
    code = """
def download(repo, revision):
    start = time.monotonic()
    said = outcome(snapshot_download, repo, revision=revision)
    ends[repo] = ["snapshot" if revision in said else said, time.monotonic() - start]

ends = {}
threads = [threading.Thread(target=download, args=pair) for pair in given["revisions"].items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(ends))
"""
    with HubServer() as hub:
        names = {key: f"owner/{key.replace(' ', '-')}" for key in OUTCOMES}
        revisions = {name: hub.add_model(name, FILES) for name in names.values()}
        for key, (fault, file, _) in OUTCOMES.items():
            hub.fail(fault, names[key], file)
        ends = run(hub, tmp_path_factory.mktemp("home"), code, revisions=revisions)
        asked_for = {key: [request for request in hub.requests if f"/{name}/" in request.path] for key, name in names.items()}
    return {key: (*ends[name], asked_for[key]) for key, name in names.items()}


@pytest.mark.parametrize("key", OUTCOMES)
def test_how_the_client_ends_with_each_fault(outcomes, key):
    assert outcomes[key][0] == OUTCOMES[key][2]


def test_how_often_the_client_asks_a_faulty_hub(outcomes):
    listings = {
        key: len([request for request in asked_for if "/tree/" in request.path]) for key, (*_, asked_for) in outcomes.items()
    }
    assert listings["busy"] == listings["broken"] == 6 and listings["busy once"] == 2 and listings["gated"] == 1
    parts = [request for request in outcomes["cut file"][2] if request.path.startswith("/storage")]
    assert [request.headers.get("range") for request in parts] == [None] * 6


def test_a_slow_answer_takes_its_time(outcomes):
    assert outcomes["slow file"][1] > len(FILES[LARGE]) / 20_000 > 1


def test_a_client_waits_for_a_silent_listing_until_the_hub_is_healed(hub, tmp_path):
    revision = hub.add_model(NAME, FILES)
    hub.fail(Fault(stall_at=0), NAME)
    client = start(hub, tmp_path, DOWNLOAD, repo_id=NAME, revision=revision)
    wait_until(lambda: hub.requests)
    with pytest.raises(subprocess.TimeoutExpired):
        client.wait(3)  # three times both timeouts
    assert len(hub.requests) == 1 and hub.requests[0].status is None
    hub.heal()
    assert contents(finish(client)) == FILES


def test_the_server_stops_at_once_though_a_client_waits(tmp_path):
    with HubServer() as hub:
        hub.fail(Fault(stall_at=0))
        client = start(hub, tmp_path, 'print(json.dumps(outcome(HfApi(token="hf_t").whoami)))')
        wait_until(lambda: hub.requests)
    assert finish(client) == "RemoteProtocolError"


def test_what_is_not_there_has_its_own_error(hub, tmp_path):
    hub.add_model(NAME, FILES)
    code = """
api = HfApi()
print(json.dumps([
    outcome(api.model_info, "owner/none"),
    outcome(api.model_info, "owner/name", revision="b" * 40),
    outcome(api.hf_hub_download, "owner/name", "none.json"),
    outcome(api.space_info, "owner/name"),
]))
"""
    ends = ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError", "RepositoryNotFoundError"]
    assert run(hub, tmp_path, code) == ends


UPLOAD = """
api = HfApi(token="hf_mine")
repo = {"repo_id": "tester/up", "repo_type": given["kind"]}
for _ in range(2):
    api.create_repo(**repo, exist_ok=True, space_sdk="gradio" if given["kind"] == "space" else None)
first, again = (api.upload_folder(**repo, folder_path=given["folder"]).oid for _ in range(2))
came = snapshot_download(**repo, revision=first)
last = api.upload_folder(**repo, folder_path=given["folder"], delete_patterns="*", ignore_patterns="old/*").oid
stale = outcome(api.upload_file, **repo, path_or_fileobj=b"x", path_in_repo="x.txt", parent_commit=first)
empty = api.delete_folder("onnx", **repo).oid
print(json.dumps({"user": api.whoami()["name"], "first": first, "again": again, "came": came, "last": last, "stale": stale}))
"""


@pytest.mark.parametrize("kind", ["model", "space"])
def test_a_folder_goes_up_and_comes_down_again(hub, tmp_path, kind):
    files = {"README.md": b"---\ntitle: x\nsdk: gradio\n---\nHello\n", "old/empty.txt": b"", **FILES}
    folder = tmp_path / "folder"
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    said = run(hub, tmp_path / "home", UPLOAD, kind=kind, folder=str(folder))
    assert contents(said["came"]) == files
    assert said["again"] == said["first"] != said["last"]  # nothing new is no commit
    assert said["stale"] == "HfHubHTTPError" and [request.status for request in hub.requests].count(412) == 1
    assert hub.files("tester/up", kind) == {path: files[path] for path in ("README.md", "config.json")}
    assert set(hub.find(kind, "tester/up", said["last"])[1]) == {"README.md", *FILES}
    put = asked(hub, "PUT")
    assert [request.body for request in put] == [FILES[LARGE]] and put[0].authorization is None  # the large kind once, by LFS
    assert said["user"] == "tester"


def test_uploads_without_token_or_front_matter_are_refused(hub, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "README.md").write_text("no front matter")
    code = """
print(json.dumps([
    outcome(HfApi().create_repo, "tester/up"),
    outcome(HfApi(token="hf_mine").upload_folder, repo_id="tester/up", repo_type="space", folder_path=given["folder"]),
    outcome(HfApi(token="hf_mine").upload_file, repo_id="tester/up", path_or_fileobj=b"x", path_in_repo="x.txt"),
]))
"""
    assert run(hub, tmp_path / "home", code, folder=str(folder)) == ["HfHubHTTPError", "ValueError", "RepositoryNotFoundError"]


SCORES = [{"label": "happy", "score": 0.75}, {"label": "sad", "score": 0.25}]


def test_inference_of_the_four_tasks(hub, tmp_path):
    audio = tmp_path / "clip.wav"
    audio.write_bytes(b"RIFF sound")
    urls = {
        "text_classification": hub.answer_inference("text", [SCORES]),
        "audio_classification": hub.answer_inference("voice", SCORES),
        "image_classification": hub.answer_inference("owner/face", json.dumps(SCORES).encode()),
        "automatic_speech_recognition": hub.answer_inference("heard", lambda request: {"text": request.body.decode()}),
    }
    code = """
client = InferenceClient(token="hf_mine", timeout=10)
ask = lambda task, url: getattr(client, task)(given["inputs"].get(task, given["audio"]), model=url)
print(json.dumps({task: ask(task, url) for task, url in given["urls"].items()}))
"""
    said = run(hub, tmp_path, code, urls=urls, audio=str(audio), inputs={"text_classification": "I am glad"})
    assert said.pop("automatic_speech_recognition")["text"] == "RIFF sound"
    assert list(said.values()) == [SCORES] * 3
    assert hub.requests[0].json()["inputs"] == "I am glad" and hub.requests[1].body == b"RIFF sound"
    assert {request.authorization for request in hub.requests} == {"Bearer hf_mine"}


def test_how_inference_ends_with_each_fault(hub, tmp_path):
    ends = {
        "401": (Fault(status=401, message=INVALID), "HfHubHTTPError"),
        "429": (Fault(status=429, retry_after=1), "HfHubHTTPError"),
        "500": (Fault(status=500), "HfHubHTTPError"),
        "silent": (Fault(stall_at=0), "InferenceTimeoutError"),
        "stalled": (Fault(stall_at=5), "InferenceTimeoutError"),
        "cut": (Fault(cut_at=5), "RemoteProtocolError"),
        "malformed": (Fault(), "JSONDecodeError"),
        "slow": (Fault(bytes_per_second=100), [SCORES]),
    }
    urls = {name: hub.answer_inference(name, b'[[{"label"' if name == "malformed" else [SCORES]) for name in ends}
    for name, (fault, _) in ends.items():
        hub.fail(fault, name)
    code = """
client = InferenceClient(timeout=1)
print(json.dumps({name: outcome(client.text_classification, "I am glad", model=url) for name, url in given["urls"].items()}))
"""
    said = run(hub, tmp_path, code, urls=urls | {"nobody": f"{hub.url}/inference/nobody"})
    assert said.pop("nobody") == "HfHubHTTPError" and said.pop("slow") == SCORES
    assert said == {name: end for name, (_, end) in ends.items() if name != "slow"}
    assert len(hub.requests) == len(ends) + 1  # no second try
