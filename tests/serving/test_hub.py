"""Downloads by the real client from a Hub on this machine: what is in the cache, what is fetched, what is refused and how."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emotion.serving.weights import ROOT
from tests.hub_server import Fault, HubServer

pytestmark = pytest.mark.models

WEIGHTS = bytes(range(256)) * 400
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS}
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
PATIENCE_S = 60

FETCH = """
import json, sys
from emotion.messages import InputError
from emotion.serving.slots import Fetcher
from emotion.checkpoint import Choice
choice, deadline = json.loads(sys.argv[1]), float(sys.argv[2])
choice["unlisted"] = tuple(choice.get("unlisted", ()))
try:
    folder = Fetcher(deadline)(Choice(**choice))
    print(json.dumps({"folder": str(folder), "files": sorted(f.name for f in folder.iterdir())}))
except InputError as e:
    print(json.dumps({"refused": str(e)}))
"""


@pytest.fixture
def server():
    with HubServer() as running:
        yield running


def choice(revision, **changes):
    return {
        "name": "m",
        "source": "hub",
        "revision": revision,
        "licence": "MIT",
        "repo": "a/b",
        "files": {"config.json": None, "model.safetensors": DIGEST},
        **changes,
    }


def fetched(server, home, chosen, deadline=20.0, **environment):
    done = subprocess.run(
        [sys.executable, "-c", FETCH, json.dumps(chosen), str(deadline)],
        cwd=ROOT,
        env=server.environment(home, **{"HF_HUB_DOWNLOAD_TIMEOUT": "3", **environment}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # before it loky may tell of a worker that was ended while it started


def test_a_model_is_fetched_once_and_then_used_without_a_connection(server, tmp_path):
    revision = server.add_model("a/b", FILES | {"pytorch_model.bin": b"never", "tokenizer.json": b"{}"})
    first = fetched(server, tmp_path, choice(revision))
    assert first["files"] == ["config.json", "model.safetensors"]  # what the choice lists and nothing else
    before = server.connections
    assert before > 0
    again = fetched(server, tmp_path, choice(revision))
    assert again["folder"] == first["folder"] and server.connections == before


def test_main_is_used_from_the_cache_too_and_a_folder_of_a_repository_can_be_named(server, tmp_path):
    server.add_model("a/b", {f"speech/{name}": content for name, content in FILES.items()})
    chosen = choice("main", folder="speech", files={"speech/config.json": None, "speech/model.safetensors": DIGEST})
    first = fetched(server, tmp_path, chosen)
    assert first["folder"].endswith("/speech") and first["files"] == ["config.json", "model.safetensors"]
    before = server.connections
    assert fetched(server, tmp_path, chosen)["folder"] == first["folder"] and server.connections == before


def test_a_model_on_trial_brings_the_small_files_that_it_has(server, tmp_path):
    revision = server.add_model("a/b", FILES | {"tokenizer.json": b"{}", "merges.txt": b"", "pytorch_model.bin": b"never"})
    chosen = choice(revision, unlisted=["tokenizer*.json", "merges.txt"])
    assert fetched(server, tmp_path, chosen)["files"] == ["config.json", "merges.txt", "model.safetensors", "tokenizer.json"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=500), "the Hub answers 50"),
        (Fault(status=429), "429"),
        (Fault(status=401, error="GatedRepo"), "open to some people only"),
        (Fault(status=404, error="RepoNotFound"), "no such repository"),
        (Fault(status=404, error="RevisionNotFound"), "no such revision"),
        (Fault(tamper=True), "SHA-256"),
        (Fault(shorten_to=1000), "download failed|SHA-256|cannot be reached"),
    ],
)
def test_what_cannot_be_had_is_refused_in_plain_words(server, tmp_path, fault, words):
    revision = server.add_model("a/b", FILES)
    server.fail(fault)
    result = fetched(server, tmp_path, choice(revision), deadline=15)
    assert re.search(words, result["refused"]) and "127.0.0.1" not in result["refused"]
    server.heal()
    assert "folder" in fetched(server, tmp_path, choice(revision))  # nothing spoilt is left in the cache


def test_a_download_that_stalls_ends_with_the_deadline_and_succeeds_at_the_next_start(server, tmp_path):
    revision = server.add_model("a/b", FILES)
    server.fail(Fault(stall_at=1000), file="model.safetensors", repo="a/b")
    result = fetched(server, tmp_path, choice(revision), deadline=6, HF_HUB_DOWNLOAD_TIMEOUT="30")
    assert result["refused"] == "not all of it came within 6 s"
    server.heal()
    assert "folder" in fetched(server, tmp_path, choice(revision))


def test_a_file_that_the_repository_lacks(server, tmp_path):
    revision = server.add_model("a/b", {"model.safetensors": WEIGHTS})
    assert fetched(server, tmp_path, choice(revision))["refused"] == "config.json is missing in the repository"


def test_a_file_changed_in_the_cache_is_found_and_fetched_again(server, tmp_path):
    revision = server.add_model("a/b", FILES)
    folder = fetched(server, tmp_path, choice(revision))["folder"]
    blob = (Path(folder) / "model.safetensors").resolve()
    blob.write_bytes(WEIGHTS[:-1] + b"!")
    assert fetched(server, tmp_path, choice(revision))["folder"] == folder and blob.read_bytes() == WEIGHTS


def test_without_a_network(server, tmp_path):
    revision = server.add_model("a/b", FILES)
    offline = fetched(server, tmp_path, choice(revision), HF_HUB_OFFLINE="1")
    assert offline["refused"] == "the Hub is switched off (HF_HUB_OFFLINE)" and server.connections == 0
    nobody = fetched(server, tmp_path, choice(revision), HF_ENDPOINT="http://127.0.0.1:9")
    assert nobody["refused"] == "the Hub cannot be reached"
