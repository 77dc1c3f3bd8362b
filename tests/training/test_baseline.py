"""What a personal baseline is worth: its figures are honest, and what ships is what they say."""

import json

import numpy as np
import pytest

from emotion.baseline import FLOOR, LEAST_NEUTRAL, NEUTRAL, STRENGTH
from emotion.labels import LABELS
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.serving.weights import read as read_weights
from emotion.training import baseline, export, metrics
from emotion.training.baseline import SHIPPED, Setting


@pytest.fixture(scope="module")
def ravdess():
    return next(corpus for corpus in baseline.corpora() if corpus.name == "RAVDESS")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(baseline, "FORMS", {SHIPPED: baseline.FORMS[SHIPPED]})
    monkeypatch.setattr(baseline, "STRENGTHS", (0.0, STRENGTH))
    monkeypatch.setattr(baseline, "FLOORS", (FLOOR,))


def test_the_voice_is_compared_with_what_its_own_neutral_clips_are_read_as(ravdess):
    of_clips = metrics.geometric_mean(ravdess.probabilities[ravdess.labels == NEUTRAL], FLOOR)
    ours = bundled("speech", DEFAULT_FILE).neutral
    assert [ours[label] for label in LABELS] == pytest.approx(of_clips, abs=1e-4)


def test_the_corpus_has_what_its_clips_are_named(ravdess):
    assert len(ravdess.people()) == 20 and len(ravdess.labels) == 1200
    for name in ravdess.people():
        own = ravdess.speakers == name
        assert (ravdess.plain & own).sum() == 4 and (ravdess.calm & own).sum() == 8 and (ravdess.strong & own).sum() == 24


def test_no_clip_that_sets_a_baseline_is_tested(ravdess):
    for drawn in baseline.draws(ravdess):
        rows, _ = baseline.answered(ravdess, ravdess.people(), np.full(7, 1 / 7), Setting(), drawn)
        assert not set(rows) & set(np.concatenate(list(drawn.values()))) and len(set(rows)) == len(rows) == 1160


def test_clips_of_another_text_are_those_of_the_other_sentence(ravdess):
    result = baseline.nested(ravdess, Setting(), clips=1, other_text=True)
    assert len(result.rows) == 600 * baseline.DRAWS  # of each actor thirty of sixty


def test_without_strength_a_baseline_changes_no_answer(ravdess):
    result = baseline.nested(ravdess, Setting(strength=0.0))
    np.testing.assert_array_equal(result.read.argmax(axis=1), ravdess.probabilities[result.rows].argmax(axis=1))


def test_a_setting_is_chosen_without_the_speakers_that_it_is_tested_on(ravdess, few, monkeypatch):
    asked = []
    monkeypatch.setattr(baseline, "chosen", lambda corpus, people: asked.append(set(people)) or Setting())
    result = baseline.nested(ravdess)
    assert [len(people) for people in asked] == [16] * 5 and len(result.rows) == 1160 * baseline.DRAWS
    assert set.intersection(*asked) == set()


def test_a_baseline_helps_and_a_strangers_does_not(ravdess, few):
    def uar(result):
        return baseline.recall(baseline.confusions(ravdess, result).sum(axis=0))

    before = uar(baseline.nested(ravdess, Setting(strength=0.0)))
    assert uar(baseline.nested(ravdess)) > before + 0.01
    assert uar(baseline.nested(ravdess, Setting(), others=True)) < before + 0.01


def test_uar_by_speakers_is_that_of_the_metrics(ravdess):
    result = baseline.nested(ravdess, Setting())
    ours = baseline.recall(baseline.confusions(ravdess, result).sum(axis=0))
    assert ours == pytest.approx(metrics.uar(result.read.argmax(axis=1), ravdess.labels[result.rows]))


def test_strong_clips_are_refused_and_neutral_ones_are_not(ravdess):
    people = ravdess.people()
    assert baseline.least_neutral(ravdess, people) == LEAST_NEUTRAL
    neutral, acted = (baseline.neutral_of_pairs(ravdess, people, which)[0] for which in (ravdess.plain, ravdess.strong))
    assert len(neutral) == 20 * 6 and len(acted) == 20 * 6 * 6  # pairs: 6 of four clips, for each label
    assert (neutral < LEAST_NEUTRAL).mean() <= 0.05 and (acted < LEAST_NEUTRAL).mean() >= 0.8


def test_training_writes_what_neutral_examples_are_read_as(tmp_path, monkeypatch):
    file, folder = tmp_path / "weights.yaml", tmp_path / "model"
    folder.mkdir()
    entry = "- {name: mine, source: local, path: %s, revision: '1', licence: MIT}"
    file.write_text("".join(f"{role}:\n  {entry % folder}\n" for role in ("text", "speech")))
    monkeypatch.setattr(export, "DEFAULT_FILE", file)
    card = export.Card("A model", "mit", "", "", "", "", "none")

    def written(role, neutral):
        truth = np.array([NEUTRAL] * neutral + [0] * 10)
        rows = np.where(np.arange(7) == truth[:, None], 0.7, 0.05)
        part = export.Figures.from_probabilities("a part", rows, truth, list(map(str, truth)), None)
        export.report(role, folder, 1.0, card, [part])
        return read_weights(file)[role][0].neutral

    assert written("speech", export.LEAST_PLAIN) == pytest.approx({label: 0.05 for label in LABELS} | {"neutral": 0.7})
    assert written("speech", export.LEAST_PLAIN - 1) is None  # too few: what stood there was another model's
    assert written("speech", export.LEAST_PLAIN)["neutral"] == 0.7
    assert written("text", export.LEAST_PLAIN) is None  # words are the same whoever says them


def test_another_corpus_joins_where_its_probabilities_are_stored(monkeypatch, tmp_path):
    plain, sad = [0.02, 0.02, 0.02, 0.02, 0.9, 0.01, 0.01], [0.01, 0.01, 0.01, 0.01, 0.02, 0.93, 0.01]
    clips = {
        f"{speaker}a0{text}{letter}a": row
        for speaker in ("03", "08")
        for text in (1, 2)
        for letter, row in (("N", plain), ("T", sad))
    }
    (tmp_path / "oof.json").write_text(json.dumps({"probabilities": clips | {"03a01La": plain}}))
    monkeypatch.setattr(baseline, "bundled", lambda *_: type("Choice", (), {"local": tmp_path}))
    assert baseline.datasets.acted("KS0_surprise_09") == (LABELS.index("surprise"), "nemo-KS0")
    assert baseline.datasets.acted("KS0_bored_09") is None
    (emodb,) = baseline.corpora()
    assert (emodb.name, len(emodb.labels), emodb.people()) == ("EmoDB", 8, ["emodb-03", "emodb-08"])
    assert (emodb.plain == (emodb.labels == NEUTRAL)).all() and (emodb.strong == ~emodb.plain).all()
