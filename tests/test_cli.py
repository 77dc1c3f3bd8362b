"""The command line, run as a user runs it and in process."""

import json
import os
import subprocess
import sys

import pytest

from emotion import cli
from emotion.serving.weights import ROOT
from tests.clips import GLAD

pytestmark = pytest.mark.models


def test_analyze_prints_one_json_document():
    """In a process of its own, whose libraries might print something."""
    command = [
        sys.executable,
        "-m",
        "emotion",
        "analyze",
        "--text",
        "I am sad",
        "--audio",
        str(GLAD),
        "--weights",
        "text=1",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["modalities"]) == {"text", "speech"} and result["transcript"]["engine"] == "typed"
    assert result["modalities"]["text"]["weight"] == 1 and result["label"] == "sad"


def test_analyze_for_people(capsys):
    assert cli.main(["analyze", "--text", "what a wonderful day, I love it"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("mood 4.") and "happy" in said


def test_a_file_is_heard(capsys):
    assert cli.main(["analyze", "--audio", str(GLAD), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"text", "speech"} == set(result["modalities"]) and "wonderful" in result["transcript"]["text"]


def test_a_baseline_is_written_and_applied(tmp_path, capsys):
    file, calm = tmp_path / "me.json", str(GLAD.parent / "calm.flac")
    assert cli.main(["baseline", "--audio", calm, "--out", str(file), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert json.loads(file.read_text("utf-8")) == written and set(written) == {"speech"}
    assert cli.main(["analyze", "--audio", str(GLAD), "--no-transcribe", "--baseline", str(file), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [code["code"] for code in result["codes"]] == ["baseline_applied"]
    assert result["modalities"]["speech"]["without_baseline"]["mood"] != result["modalities"]["speech"]["mood"]
    assert cli.main(["baseline", "--audio", calm, "--out", str(tmp_path / "again.json")]) == 0
    assert capsys.readouterr().out.split()[:3] == ["offset", "speech", "angry"]
    assert cli.main(["baseline", "--audio", calm, "--out", str(tmp_path / "no" / "folder.json")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["analyze"], "--text"),
        (["analyze", "--audio", "missing.wav"], "missing.wav"),
        (["analyze", "--text", "a", "--weights", "text=-1"], "at least 0"),
        (["analyze", "--text", "a", "--baseline", "missing.json"], "missing.json"),
        (["analyze", "--text", "a", "--baseline", str(GLAD)], "limit"),
        (["baseline", "--out", "me.json"], "recording"),
        (["evaluate", "text", "--dataset", "ravdess", "."], "no text data set"),
        (["evaluate", "face", "--dataset", "fer2013", ".", "--oof"], "speech"),
        (["train", "text", "--epochs", "0"], "at least 1"),
    ],
)
def test_user_errors_are_one_line_and_status_1(capsys, arguments, word):
    assert cli.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and word in captured.err


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["analyze", "--weights", "loud"], ["evaluate", "text"], ["analyze", "--source", "moon"], ["baseline"]],
)
def test_wrong_usage_is_status_2(arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2


def test_help_names_the_environment(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "EMOTION_DATA" in capsys.readouterr().out


def test_a_broken_weights_file_is_a_user_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "w.yaml").write_text("text: 1")
    monkeypatch.setenv("EMOTION_WEIGHTS", str(tmp_path / "w.yaml"))
    assert cli.main(["analyze", "--text", "a"]) == 1
    assert "line 1" in capsys.readouterr().err


def test_what_others_print_meanwhile_is_not_part_of_the_json(monkeypatch, capfd):
    def analyze(arguments):
        os.write(1, b"of a library\n")
        return {"mood": 3.0}

    monkeypatch.setattr(cli, "_analyze", analyze)
    assert cli.main(["analyze", "--text", "so", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {"mood": 3.0} and "of a library" in err
