"""The benchmark runs and names every branch and model; its figures are printed, not judged."""

import sys

from emotion.training import benchmark
from tests.clips import spoken_video


def test_every_branch_and_model_is_timed(tmp_path, monkeypatch, capsys):
    clip = spoken_video(tmp_path / "clip.mp4")
    monkeypatch.setattr(sys, "argv", ["benchmark", str(clip), "--runs", "1"])
    benchmark.main()
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()] == [
        "text",
        "voice",
        "face",
        "together",
        "ratio",
        "text,",
        "voice,",
        "voice,",
        "face",
        "face,",
    ]
    assert said.count(" ms ") == 9
