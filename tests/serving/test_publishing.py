"""Publishing to a Hub on this machine, by the real client; and what the doctor finds there."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from emotion.messages import InputError
from emotion.serving import doctor, publishing, weights
from emotion.serving.weights import DEFAULT_FILE, ROOT
from tests.hub_server import Fault, HubServer

pytestmark = pytest.mark.models

PATIENCE_S = 120


@pytest.fixture
def hub():
    with HubServer() as running:
        yield running


def emotion(hub, home, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "emotion", *arguments],
        cwd=ROOT,
        env=hub.environment(home, **environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def own_file(tmp_path):
    """A copy of weights.yaml that still finds the bundled models."""
    file = tmp_path / "weights.yaml"
    file.write_text(DEFAULT_FILE.read_text("utf-8").replace("path: emotion/", f"path: {ROOT}/emotion/"))
    return file


def test_a_dry_run_says_what_would_go_and_sends_nothing(hub, tmp_path, own_file):
    before = own_file.read_text("utf-8")
    for arguments, wanted in (([], "speech/model.safetensors"), (["--space"], "app.py")):
        done = emotion(hub, tmp_path, "publish", "me/x", "--dry-run", "--json", *arguments, EMOTION_WEIGHTS=str(own_file))
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["files"][wanted] > 0 and result["bytes"] == sum(result["files"].values()) and not result["uploaded"]
    assert hub.connections == 0 and own_file.read_text("utf-8") == before


def test_published_models_are_entered_and_served_from_there(hub, tmp_path, own_file):
    settings = {"EMOTION_WEIGHTS": str(own_file), "HF_TOKEN": "hf_secret"}
    done = emotion(hub, tmp_path, "publish", "me/models", **settings)
    assert done.returncode == 0, done.stderr
    stored = hub.files("me/models")
    for role in weights.MODALITIES:
        for file in weights.bundled(role, DEFAULT_FILE).path.iterdir():
            assert stored[f"{file.parent.name}/{file.name}"] == file.read_bytes()
    assert b"text/README.md" in stored["README.md"] and "hf_secret" not in done.stdout + done.stderr
    entries = {role: choices for role, choices in weights.read(own_file).items() if role in weights.MODALITIES}
    for choices in entries.values():
        ours = next(choice for choice in choices if choice.repo == "me/models")
        last = choices[-1]
        assert (ours.temperature, ours.fusion_weight, ours.licence) == (last.temperature, last.fusion_weight, last.licence)
        assert choices.index(ours) == len(choices) - 2
    pinned = [line.strip("- ").split(" ") for line in done.stdout.splitlines() if line.startswith("  - me/models ")]
    assert {(repo, revision) for repo, _, revision in pinned} == {("me/models", entries["text"][-2].revision)}
    assert set(pinned[0][1].split(",")) == {name for choices in entries.values() for name in choices[-2].files}
    assert own_file.read_text("utf-8").startswith("# Where each model comes from")

    again = emotion(hub, tmp_path, "publish", "me/models", **settings)  # updates its entries and adds none
    assert again.returncode == 0 and len(weights.read(own_file)["speech"]) == len(entries["speech"])
    read = emotion(hub, tmp_path / "home", "analyze", "--audio", "tests/data/glad.flac", "--no-transcribe", "--json", **settings)
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout)["models"]["speech"]["source"] == "hub"
    found = json.loads(emotion(hub, tmp_path / "home", "doctor", "--json", **settings).stdout)
    assert found["network"].startswith("the Hub answers after") and found["models"]["speech"]["serves"] == "emotion-speech"
    assert found["models"]["speech"]["choices"][0]["state"].startswith("loads in")
    assert "no such repository" in found["models"]["text"]["choices"][0]["state"]


def test_the_app_as_a_space(hub, tmp_path):
    done = emotion(hub, tmp_path, "publish", "me/app", "--space", HF_TOKEN="t")
    assert done.returncode == 0, done.stderr
    stored = hub.files("me/app", kind="space")
    assert stored["app.py"] == (ROOT / "app.py").read_bytes() and stored["README.md"].startswith(b"---\ntitle:")
    assert stored["requirements.txt"] == (ROOT / "constraints.txt").read_bytes()
    assert "docs/models.md" in stored and not [name for name in stored if "__pycache__" in name or name.startswith("tests")]
    copy = tmp_path / "space"
    for name, content in stored.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-m", "emotion", "analyze", "--text", "so glad", "--source", "bundled"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert run.returncode == 0 and "happy" in run.stdout, run.stderr
    shutil.rmtree(copy)


def test_refusals(hub, tmp_path, own_file, monkeypatch):
    with pytest.raises(InputError, match="owner/name"):
        publishing.publish("nowhere")
    nobody = emotion(hub, tmp_path, "publish", "me/x")
    assert nobody.returncode == 1 and "HF_TOKEN" in nobody.stderr and nobody.stderr.count("\n") == 1
    hub.fail(Fault(status=401, message="Invalid credentials in Authorization header"))
    wrong = emotion(hub, tmp_path, "publish", "me/x", HF_TOKEN="hf_wrong", EMOTION_WEIGHTS=str(own_file))
    assert wrong.returncode == 1 and "could not be published" in wrong.stderr and "hf_wrong" not in wrong.stderr
    assert all(choice.repo != "me/x" for choice in weights.read(own_file)["text"])


def test_the_doctor_without_a_network(hub, tmp_path):
    done = emotion(hub, tmp_path, "doctor", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "-> emotion-text would answer" in done.stdout and "switched off" in done.stdout and hub.connections == 0
    assert "missing" not in done.stdout
    built = "CPU only" if torch.version.cuda is None and torch.version.hip is None else "which this app never uses"
    assert next(line for line in done.stdout.splitlines() if line.startswith("torch ")).endswith(built)


def test_the_doctor_tells_libraries_that_nothing_here_uses(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "\ntorch       CUDA 13.0, which this app never uses\n" in doctor.show(doctor.examine("bundled"))
