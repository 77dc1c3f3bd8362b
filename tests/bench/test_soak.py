"""The commands soak and flood count what becomes of each request, and what the app holds. Their figures are not judged."""

import copy
import json
import os
import subprocess
import sys

import pytest

from emotion import cli
from emotion.bench import flood, soak, visitors
from emotion.bench.processes import usage
from emotion.bench.visitors import KINDS, VARIANTS


def counts(found):
    return {kind: sum(row[result] for result in soak.RESULTS) for kind, row in found["kinds"].items()}


def test_a_few_visitors_are_all_answered(capsys, tmp_path):
    options = ["--visitors", "3", "--seconds", "4", "--pause", "0.2", "--settle", "0", "--log", str(tmp_path / "log")]
    assert cli.main(["soak", *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(counts(found).values()) == sum(row["answered"] for row in found["kinds"].values()) >= 3
    assert not any(row["mixed_up"] for row in found["kinds"].values())
    assert all(row["seconds"] == sorted(row["seconds"]) for row in found["kinds"].values() if row["seconds"])
    assert all(held["memory_mb"] > 100 and held["processes"] >= 3 for held in found["usage"].values())
    shown = soak.show(found)
    assert all(word in shown for word in (*KINDS, *soak.RESULTS, "before", "most", "after"))


def test_a_small_flood_is_measured_on_the_way(capsys, tmp_path):
    assert cli.main(["flood", "10", "--idle", "0", "--log", str(tmp_path / "log"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["results"] == {"answered": 10, "busy": 0, "refused": 0, "lost": 0}
    assert list(found["usage"]) == [str(done) for done in range(1, 11)]
    assert all(held["threads"] > 1 and held["handles"] > 1 for held in found["usage"].values())
    assert "10 analyses in a row: 10 answered" in flood.show(found)


def test_the_flood_has_the_shares_of_the_soak():
    turns = [flood.KINDS_IN_TURN[i * flood.STEP % len(flood.KINDS_IN_TURN)] for i in range(len(flood.KINDS_IN_TURN))]
    assert {kind: turns.count(kind) / len(turns) for kind in KINDS} == KINDS and sum(KINDS.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "options", [["soak", "--visitors", "0"], ["soak", "--pause", "-1"], ["flood", "--idle", "x"], ["flood", "1.5"]]
)
def test_numbers_that_make_no_sense_are_wrong_usage(options):
    with pytest.raises(SystemExit) as refused:
        cli.main(options)
    assert refused.value.code == 2


@pytest.mark.parametrize("share, expected", [(0.5, 3), (0.95, 5), (0.2, 1), (1.0, 5)])
def test_percentiles_are_values_of_the_sequence(share, expected):
    assert soak.percentile([1, 2, 3, 4, 5], share) == expected
    assert soak.percentile([7], share) == 7


def test_answers_to_other_things_are_mixed_up(analyzer, tmp_path):
    things = visitors.items(tmp_path, ("text", "picture"))
    assert len(things) == VARIANTS["text"] + VARIANTS["picture"]
    arguments = {"text": "text", "picture": "image"}
    answers = [analyzer.analyze(**{arguments[item.kind]: item.data}).to_dict() for item in things]
    for i, one in enumerate(answers):
        for j, other in enumerate(answers):
            assert visitors.same(one, copy.deepcopy(other)) is (i == j), (things[i].name, things[j].name)


def test_a_process_is_measured_with_those_that_it_started():
    alone = usage(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        together = usage(os.getpid())
        assert together.processes == alone.processes + 1 and together.threads > alone.threads
        assert usage(child.pid).processes == 1 and alone.memory_mb > 10
