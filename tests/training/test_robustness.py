"""The conditions under which the voice is read are what their names say."""

from dataclasses import replace

import numpy as np
import pytest

from emotion.labels import LABELS
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.sound import SAMPLE_RATE
from emotion.speech.recogniser import SpeechRecogniser
from emotion.training import datasets, export, fusion, metrics, protocols, robustness, speech
from emotion.training.datasets import Example
from tests.sounds import spoken, voice


def power(samples, low, high):
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    return spectrum[(hertz >= low) & (hertz < high)].sum() / spectrum.sum()


@pytest.fixture
def changed():
    samples = voice(150, 1.5)
    made = {name: change(samples, np.random.default_rng(0)) for name, (change, _) in robustness.CONDITIONS.items()}
    assert all(np.isfinite(sound).all() and len(sound) >= len(samples) - 2 for sound in made.values())
    return {
        name.split(",")[0].split()[0] + (" " + name.split()[1] if name.startswith("from") else ""): s for name, s in made.items()
    }


def test_conditions(changed):
    samples = changed["as"]
    noise = changed["white"] - samples
    assert 10 * np.log10(samples.var() / noise.var()) == pytest.approx(10, abs=0.1)
    assert 20 * np.log10(samples.std() / changed["20"].std()) == pytest.approx(20, abs=0.01)
    assert power(changed["telephone"], 0, 200) < 0.1 * power(samples, 0, 200)
    assert power(changed["from 8"], 4200, 8000) < 1e-4 < power(changed["white"], 4200, 8000)
    np.testing.assert_allclose(changed["from 48"][100:-100], samples[100:-100], atol=0.02)
    assert len(changed["room"]) > len(samples) and np.abs(changed["room"][len(samples) :]).max() > 0


def test_changes_of_a_text_keep_its_words():
    for name, change in robustness.CHANGES.items():
        words = change("So glad, you came!").lower().replace(",", "").split()
        assert "so glad you came" in " ".join(words), name


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Two clips of an actor of each fold, one of EmoDB's with two labels, and networks that pass over them once."""
    labels = LABELS.index("happy"), LABELS.index("sad")
    clips = [Example(f"03-01-0{3 + i % 2}-01-0{1 + i % 2}-01-{1 + 4 * (i // 2):02d}", spoken(1 + i % 2), labels[i % 2],
                     f"ravdess-{i // 2}") for i in range(10)]  # fmt: skip
    clips += [Example(f"emodb-{i}", voice(150, 0.8, vibrato=2.0), labels[i], "emodb-1") for i in range(2)]
    monkeypatch.setenv("EMOTION_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(speech, "corpus", lambda: clips)
    monkeypatch.setattr(speech, "pretrained_encoder", SpeechRecogniser(bundled("speech", DEFAULT_FILE)).network.encoder.eval)
    monkeypatch.setattr(speech, "RECIPE", replace(speech.RECIPE, epochs=1, batch_size=4))
    monkeypatch.setattr(speech, "VARIANTS", 1)
    monkeypatch.setattr(metrics, "RESAMPLES", 100)


def test_the_voices_are_read_under_each_condition_with_the_noise_taken_out_of_all_but_one(few, monkeypatch):
    read, heard = [], speech.heard

    def listening(recordings, encoder, cleaned=True):
        read.append(heard(recordings, encoder, cleaned))
        return read[-1]

    monkeypatch.setattr(speech, "heard", listening)
    rows = robustness.speech_robustness()
    assert [row["n"] for row in rows] == [10, 5, 5] + [10] * 7 and rows[0]["difference"] == "" != rows[1]["difference"]
    assert [row["voice"] for row in rows if not row["voice"].startswith("sentence")] == list(robustness.CONDITIONS)
    assert rows[-1]["voice"] == "from 48 kHz" and rows[-1]["difference"] == "+0.000 (+0.000 to +0.000)"
    first = {name: clips.frames[0][0] for name, clips in zip(robustness.CONDITIONS, read, strict=True)}
    recorded, noisy, left, *_ = first.values()
    assert noisy.shape == left.shape == recorded.shape
    assert (left - recorded).abs().mean() > 1.2 * (noisy - recorded).abs().mean()


def test_other_protocols_read_whom_they_have_not_heard(few):
    rows = protocols.speech_protocols()
    assert [row["n"] for row in rows][1:] == [2, 2, 2] and rows[1]["accuracy"].startswith("0.500")
    for figure in (row[name] for row in rows[1:] for name in ("UAR", "accuracy")):  # drawn again, one speaker is the same one
        assert figure == "{0} ({0}-{0})".format(figure.split()[0])


def test_a_condition_by_hand(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 200)
    labels, actors = np.tile(np.arange(7), 20), np.repeat([f"actor {i}" for i in range(20)], 7)
    guess, whole = labels.copy(), np.ones(140, bool)
    guess[(labels == 5) & (np.arange(140) < 70)] = 4  # half of the actors, when sad, are taken for neutral
    row = robustness.voice_row("in a well", guess, whole, labels, labels, actors)
    figure, low, high = row["UAR"].replace("(", "").replace(")", "").replace("-", " ").split()
    assert figure == f"{13 / 14:.3f}" and 0.88 < float(low) < 0.915 < 0.94 < float(high) < 0.98
    assert row["difference"].startswith("-0.071 (-0.1") and row["lowest recall"] == "sad 0.50"
    half = robustness.voice_row("one sentence", guess, np.arange(140) >= 70, guess, labels, actors)
    assert half["n"] == 70 and half["UAR"] == "1.000 (1.000-1.000)" and half["difference"].startswith("+0.071 (+0.0")


def test_a_share_that_was_never_seen_may_still_exist():
    assert robustness.share(0, 100) == "0.000 (0.000-0.036)" and robustness.share(50, 100).startswith("0.500 (0.39")


def test_changed_texts_are_compared_with_what_they_were(monkeypatch):
    said = {"i am so happy": 3, "i am furious with you": 0, "that is disgusting": 1, "i miss her so much": 5}
    monkeypatch.setattr(datasets, "load", lambda *_: [Example(text, text, label, text) for text, label in said.items()])
    monkeypatch.setattr(export, "data_file", lambda name: name)
    monkeypatch.setattr(robustness, "CHANGES", {"another text": lambda text: "the meeting starts at ten", "capitals": str.upper})
    written, other, capitals = robustness.text_robustness()
    assert written["same label"] == "" and written["macro-F1"].startswith("1.000 (")
    assert other["same label"].startswith("0.000 (0.000-0.6") and other["macro-F1"].startswith("0.000 (")
    assert capitals["same label"].startswith("1.000 (0.39") and capitals["macro-F1"] == written["macro-F1"]


def test_words_that_say_nothing_and_contradictions(monkeypatch):
    truth = np.tile(np.arange(7), 20)
    unsure = np.full((140, 7), 0.1) + 0.3 * np.eye(7)[truth]
    unsure[np.arange(140) % 4 > 0] = (np.full((140, 7), 0.02) + 0.86 * np.eye(7)[truth])[np.arange(140) % 4 > 0]
    actors = np.repeat([f"actor {i}" for i in range(20)], 7)
    voices = unsure.astype(np.float32), np.ones(140), truth, actors
    sure = np.tile(np.eye(7)[np.arange(7)][:, None], (1, 3, 1)) * 0.93 + 0.01
    everyone = fusion.Pairs(sure, np.ones((7, 3)), np.arange(7), np.arange(7))
    monkeypatch.setattr(fusion, "out_of_fold_voices", lambda: voices)
    monkeypatch.setattr(fusion, "label_pairs", lambda analyzer: (everyone, None))
    monkeypatch.setattr(robustness, "NOISES", 2)
    monkeypatch.setattr(robustness, "CONFLICTS", 10)
    rows = robustness.fusion_robustness()
    plain = [row["result"].translate(str.maketrans("", "", "(),")).split() for row in rows[:2]]
    for _, figure, low, _, high, *_ in plain:
        assert float(low) <= float(figure) <= float(high) and float(low) < 0
    assert [row["result"] for row in rows[3:5]] == ["0.000 (0.000-0.842)"] * 2
    assert len(rows) == 19 and all("100.0% mixed, 100% between" in row["result"] for row in rows[5:11])
    ways = {row["what"].removeprefix("label-paired readings, "): row["result"] for row in rows[11:18]}
    assert set(ways) == {"fused as shipped", "text", "speech", "face", "equal", "product", "without reliability"}
    assert 0 <= float(rows[-1]["result"]) < 1  # surer words would take more than is allowed
