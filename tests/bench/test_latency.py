"""The benchmark makes its clip, runs, and names all that it times; its figures are printed, not judged."""

import sys

from emotion.bench import latency as benchmark


def test_every_stage_branch_and_model_is_timed_beside_plain_decoding(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark", "--runs", "1"])
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    alone = ["plain decoding", "sound decoded", "frames decoded", "text", "voice", "face", "together"]
    assert [line[:16].strip() for line in lines[:7]] == alone
    within = [line.split()[0] for line in lines if "within together" in line]
    assert {*within} == {"media", "transcript", "text", "speech", "face", "total"}
    assert [line.split(" of the ")[1].split(" (")[0] for line in lines if line.startswith("ratio")] == [
        "slowest branch",
        "plain decoding",
    ]
    assert len([line for line in lines if "on one core" in line]) == 5
