"""The search for fusion weights: laws of the pairs, and a user's own recordings from a CSV file."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import emotion
from emotion import cli, figures
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.messages import InputError
from emotion.page.method import search_names
from emotion.page.texts import Say
from emotion.readings import Reading
from emotion.serving.weights import DEFAULT_FILE, ROOT
from emotion.training import fusion
from emotion.training.fusion import GRID, Pairs
from tests.clips import GLAD


def random_pairs(n=40, seed=0):
    rng = np.random.default_rng(seed)
    reliability = rng.uniform(0.1, 1, (n, 3)) * (rng.random((n, 3)) < 0.8)
    reliability[~reliability.any(axis=1), 1] = 0.5
    return Pairs(rng.dirichlet(np.ones(7), (n, 3)), reliability, rng.integers(0, 7, n), np.arange(n).astype(str))


def test_pairs_are_fused_as_the_product_fuses_them():
    pairs, shares = random_pairs(), (0.2, 0.5, 0.3)
    for probabilities, reliability, fused in zip(pairs.probabilities, pairs.reliability, pairs.fused(shares), strict=True):
        there = {name: Reading(p, r) for name, p, r in zip(MODALITIES, probabilities, reliability, strict=True) if r > 0}
        np.testing.assert_allclose(fused, fuse(there, dict(zip(MODALITIES, shares, strict=True))).probabilities, atol=1e-5)


def test_laws_of_other_ways_to_fuse():
    pairs = random_pairs()
    np.testing.assert_allclose(pairs.product().sum(axis=1), 1)
    whole = replace(pairs, reliability=np.ones_like(pairs.reliability))
    np.testing.assert_allclose(pairs.fused((1, 1, 1), reliable=False)[(pairs.reliability > 0).all(axis=1)],
                               whole.fused((1, 1, 1))[(pairs.reliability > 0).all(axis=1)])  # fmt: skip
    alone = fusion.voices_alone(pairs.probabilities[:, 1], np.ones(40), pairs.truth, pairs.groups)
    np.testing.assert_allclose(alone.fused((0.9, 0.05, 0.05)), pairs.probabilities[:, 1])
    nothing = {"nothing": (np.full(7, 1 / 7), 0.0)}
    assert fusion.taken_from(alone, nothing, (0.9, 0.05, 0.05)) == {"nothing": 0}
    misled = {"misled": (np.eye(7)[2], 1.0)}
    assert fusion.share_of_words(alone, (np.eye(7)[2], 0.5), (0.6, 0.3, 0.1)) == pytest.approx(0.5)
    taken = fusion.taken_from(alone, misled, (0.9, 0.05, 0.05))["misled"]
    low, high = fusion.taken_interval(alone, misled["misled"], (0.9, 0.05, 0.05))
    assert low < taken < high and taken > 0
    assert fusion.taken_interval(alone, nothing["nothing"], (0.9, 0.05, 0.05)) == [0, 0]
    of_one = replace(alone, groups=np.full(40, "somebody"))  # drawn again, one speaker is the same one
    assert fusion.taken_interval(of_one, misled["misled"], (0.9, 0.05, 0.05)) == pytest.approx([taken, taken], abs=1e-4)
    assert len(GRID) == 231 and all(abs(sum(shares) - 1) < 1e-9 for shares in GRID)


def test_what_is_paired_by_label_is_known_by_what_it_was_made_of(monkeypatch):
    def readings(offset):
        """Three of each label, as sure of it as nothing else is that is read."""
        labels = np.repeat(np.arange(7), 3)
        sure = 0.5 + (offset + np.arange(21)) / 1000
        rows = np.where(np.eye(7)[labels] > 0, sure[:, None], ((1 - sure) / 6)[:, None])
        return rows, np.ones(21), labels, np.array([f"{value:.3f}" for value in sure])

    held = {name: readings(30 * i) for i, name in enumerate(MODALITIES)}
    monkeypatch.setattr(fusion, "_held_out_readings", lambda analyzer: held)
    monkeypatch.setattr(fusion, "PER_LABEL", 10)
    pairs, voices = fusion.label_pairs(None)
    assert pairs.probabilities.shape == (70, 3, 7) and pairs.truth.tolist() == np.repeat(np.arange(7), 10).tolist()
    sure = pairs.probabilities[np.arange(70), :, pairs.truth]
    assert (pairs.groups == np.vectorize("{:.3f}".format)(sure)).all()
    np.testing.assert_array_equal(voices.groups, held["speech"][3])


def test_of_weights_with_the_same_recall_the_nearest_are_taken():
    def grid(uar, allowed=lambda shares: True):
        return [{"weights": shares, "uar": uar(shares), "allowed": allowed(shares)} for shares in GRID]

    assert fusion.best_of(grid(lambda shares: 0.5), (0.25, 0.45, 0.3)) == (0.25, 0.45, 0.3)
    # A recall that only a sum in another order makes higher is the same recall.
    assert fusion.best_of(grid(lambda shares: 0.5 + 1e-15 * shares[0]), (0.25, 0.45, 0.3)) == (0.25, 0.45, 0.3)
    assert fusion.best_of(grid(lambda shares: float(shares[1] > 0.5)), (0.9, 0.05, 0.05))[:2] == (0.45, 0.55)
    assert fusion.best_of(grid(lambda shares: 0.5, lambda shares: shares[1] < 0.3), fusion.EQUAL)[1] == 0.25
    # Three are as near to equal ones as a twentieth allows: the first has the least weight of words.
    assert fusion.best_of(grid(lambda shares: 0.5), fusion.EQUAL) == (0.3, 0.35, 0.35)


def write_rows(file, rows, columns=("text", "audio", "video", "label")):
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns)
        writer.writerows(rows)
    return file


def test_weights_from_ones_own_recordings(tmp_path, monkeypatch, capsys):
    weights = tmp_path / "weights.yaml"
    weights.write_text(DEFAULT_FILE.read_text("utf-8").replace("path: emotion/", f"path: {ROOT}/emotion/"), "utf-8")
    monkeypatch.setenv("EMOTION_WEIGHTS", str(weights))
    monkeypatch.setenv("EMOTION_SOURCE", "bundled")
    (tmp_path / "glad.flac").write_bytes(GLAD.read_bytes())
    # The words always say it, the voice is always the same.
    said = {"happy": "I am so happy", "sad": "I am so sad and lonely", "angry": "I am furious with you", "fear": "I am terrified"}
    rows = [[text, "glad.flac", "", label] for label, text in said.items() for _ in range(3)]
    rows.append(["I am happy", "missing.flac", "", "joy"])  # left out, with a warning
    file = write_rows(tmp_path / "pairs.csv", rows)
    out = tmp_path / "found"
    assert cli.main(["train", "fusion", "--dataset", "pairs", str(file), "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n"] == 12 and result["uar"] == 1 > result["uar_speech"] and result["uar_cross_validated"] > 0.7
    assert result["uar_text"] == 1 >= result["uar_before"] > result["uar_speech"]
    assert emotion.load("bundled").weights == pytest.approx(result["weights"])
    assert json.loads((out / "simplex.json").read_text("utf-8"))["n"] == 12 and "plotly" in (out / "simplex.html").read_text(
        "utf-8"
    )


@pytest.mark.parametrize(
    ("rows", "columns", "word"),
    [
        ([["so glad", "", "", "merry"]], fusion.COLUMNS, "line 2: 'merry'"),
        ([["so glad", "happy"]], ("text", "label"), "columns"),
        ([], fusion.COLUMNS, "at least one row"),
        ([["", "missing.wav", "", "happy"]], fusion.COLUMNS, "no row that could be read"),
    ],
)
def test_pairs_that_cannot_be_used(tmp_path, rows, columns, word):
    analyzer = emotion.load("bundled")
    with pytest.raises(InputError, match=word):
        fusion.own_pairs(analyzer, write_rows(tmp_path / "pairs.csv", rows, columns))
    analyzer.close()


def test_other_arguments_are_refused(tmp_path):
    with pytest.raises(InputError, match="--epochs"):
        fusion.train(None, None, 3)
    with pytest.raises(InputError, match=r"pairs FILE\.csv"):
        fusion.train(("folder", str(tmp_path)), None, None)


def test_the_simplex_shows_every_weighing_where_it_belongs():
    grid = [{"weights": shares, "uar": shares[0], "allowed": shares[0] < 0.5} for shares in GRID]
    figure = figures.weight_simplex(grid, {"text": 1, "speech": 1, "face": 2}, search_names(Say("de")))
    heat, barred, chosen = figure.data
    assert np.isfinite(heat.z).sum() == len(GRID)
    for text, _, face in GRID:
        row, column = np.searchsorted(heat.y, round(face, 6)), np.searchsorted(heat.x, round(text, 6))
        assert heat.z[row][column] == pytest.approx(text)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("Gewicht der Worte", "Gewicht des Gesichts")
    assert min(barred.x) == 0.5 and (chosen.x[0], chosen.y[0]) == (0.25, 0.5)


def test_the_bundled_weights_are_those_of_the_search_that_is_shown():
    found = json.loads((ROOT / "emotion" / "models" / "fusion" / "simplex.json").read_text("utf-8"))
    rows = {tuple(row[:3]): row[3:] for row in found["rows"]}
    shares = tuple(found["weights"][name] for name in MODALITIES)
    analyzer = emotion.load("bundled")
    assert analyzer.weights == found["weights"] and len(LABELS) == 7
    assert rows[shares][0] == max(uar for uar, allowed in rows.values() if allowed) and rows[shares][1]
    grid = [{"weights": point, "uar": uar, "allowed": allowed} for point, (uar, allowed) in rows.items()]
    assert fusion.best_of(grid, fusion.EQUAL) == shares
