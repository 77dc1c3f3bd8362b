"""The app with a Hub on this machine: every model from it, none when it misbehaves, and no connection when the cache is warm."""

import hashlib

import cv2
import pytest
from gradio_client import Client, handle_file
from ruamel.yaml import YAML

from emotion.labels import LABELS
from emotion.serving.weights import ROLES, ROOT
from tests import published
from tests.clips import ASTRONAUT, GLAD
from tests.hub_server import Fault, HubServer
from tests.running import started, until

pytestmark = pytest.mark.models

SOURCES = {
    "text": ("transformers", published.goemotions, {}),
    "speech": ("transformers", published.wav2vec2, {"sampling_rate": 16_000}),
    "face": ("onnx", published.expression_network, {"labels": list(LABELS), "input_size": 112}),
    "detector": ("yunet", published.blue_nose, {}),
    "transcript": ("whisper", published.whisper, {}),
}


def serve(hub, folder):
    """Tiny random models of the real architectures in the Hub's repositories; the weights file names them before our own."""
    content = YAML(typ="safe").load((ROOT / "weights.yaml").read_text("utf-8"))
    for role, (loader, build, known) in SOURCES.items():
        built = folder / role
        built.mkdir()
        build(built)
        files = {file.name: file.read_bytes() for file in sorted(built.iterdir())}
        revision = hub.add_model(f"tiny/{role}", files)
        own = [entry for entry in content[role] if entry["source"] != "hub"]
        for entry in own:
            if "path" in entry:
                entry["path"] = str(ROOT / entry["path"])
        heavy = {n: hashlib.sha256(b).hexdigest() if n.endswith((".safetensors", ".onnx")) else None for n, b in files.items()}
        entry = {"name": f"tiny-{role}", "source": "hub", "repo": f"tiny/{role}", "revision": revision, "files": heavy}
        size = sum(map(len, files.values())) / 1e6
        content[role] = [{**entry, "loader": loader, "licence": "MIT", "megabytes": size, **known}, *own]
    with (folder / "weights.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    return folder / "weights.yaml"


@pytest.fixture(scope="module")
def hub():
    with HubServer() as running:
        yield running


@pytest.fixture(scope="module")
def settings(hub, tmp_path_factory):
    """The environment of an app, but for its cache."""
    file = serve(hub, tmp_path_factory.mktemp("tiny"))
    return {"EMOTION_WEIGHTS": str(file), "HF_HUB_OFFLINE": "0", "EMOTION_HUB_DEADLINE": "60"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A face whose nose has the mark that the tiny detector looks for."""
    path = tmp_path_factory.mktemp("marked") / "marked.png"
    picture = cv2.imread(str(ASTRONAUT))
    x, y = picture.shape[1] // 2 // 8 * 8, picture.shape[0] // 2 // 8 * 8
    picture[y : y + 8, x : x + 8] = (255, 0, 0)
    cv2.imwrite(str(path), picture)
    return path


def answered_by(url, picture):
    """Role to the source and the name of the model that answered."""
    client = Client(url, verbose=False)
    results = [
        client.predict("i am so happy today", api_name="/analyze_text"),
        client.predict(handle_file(str(GLAD)), "", api_name="/analyze_audio"),
        client.predict(handle_file(str(picture)), api_name="/analyze_image"),
    ]
    return {role: (info["source"], info["name"]) for result in results for role, info in result["models"].items()}


def test_every_model_comes_from_the_hub_once_and_then_from_the_cache(hub, settings, cache, marked, tmp_path):
    with started(tmp_path, **hub.environment(cache, **settings)) as app:
        app.until_loaded()
        assert answered_by(app.url, marked) == {role: ("hub", f"tiny-{role}") for role in ROLES}
    fetched = [request for request in hub.requests if request.method == "GET" and "/resolve/" in request.path]
    assert {f"tiny/{role}" in request.path for request in fetched for role in ROLES if f"tiny/{role}" in request.path} == {True}
    before = hub.connections
    (tmp_path / "again").mkdir()
    with started(tmp_path / "again", **hub.environment(cache, **settings)) as app:
        app.until_loaded()
        assert answered_by(app.url, marked) == {role: ("hub", f"tiny-{role}") for role in ROLES}
    assert hub.connections == before  # not one connection


def test_each_fault_leaves_its_role_to_the_bundled_model_and_is_said(hub, settings, tmp_path):
    hub.fail(Fault(stall_at=1000), repo="tiny/text", file="model.safetensors")
    hub.fail(Fault(status=500), repo="tiny/speech")
    hub.fail(Fault(tamper=True), repo="tiny/face")
    hub.fail(Fault(status=404, error="RepoNotFound"), repo="tiny/detector")
    hub.fail(Fault(stall_at=0), repo="tiny/transcript")
    (tmp_path / "cache").mkdir()
    deadline = {"EMOTION_HUB_DEADLINE": "20"}  # more than ANSWER_TIMEOUT_S, on a busy machine too
    try:
        with started(tmp_path, **hub.environment(tmp_path / "cache", **settings | deadline)) as app:
            first = answered_by(app.url, ASTRONAUT)  # while downloads hang
            app.until_loaded()
            log = app.log.read_text("utf-8")
            for role, why in {
                "text": "not all of it came within 20 s",
                "speech": "the Hub answers 500",
                "face": "is not the file that its SHA-256",
                "detector": "there is no such repository",
                "transcript": "the Hub does not answer in time",
            }.items():
                assert f"{role}: tiny-{role} is left out: " in log and why in log.split(f"tiny-{role} is left out: ")[1][:200], (
                    log
                )
            later = answered_by(app.url, ASTRONAUT)
    finally:
        hub.heal()
    own = {"text": "bundled", "speech": "bundled", "face": "bundled", "detector": "bundled", "transcript": "pip"}
    assert {role: source for role, (source, _) in first.items()} == {role: source for role, (source, _) in later.items()} == own


def test_a_hub_that_dies_in_mid_download(settings, tmp_path):
    with HubServer() as dying:
        file = serve(dying, tmp_path)
        dying.fail(Fault(stall_at=1000))
        (tmp_path / "cache").mkdir()
        environment = dying.environment(tmp_path / "cache", **settings | {"EMOTION_WEIGHTS": str(file)})
        with started(tmp_path, **environment) as app:
            until(lambda: any("/resolve/" in request.path for request in dying.requests), app.process, app.log)
            dying.__exit__()
            app.until_loaded()
            assert {source for source, _ in answered_by(app.url, ASTRONAUT).values()} == {"bundled", "pip"}
