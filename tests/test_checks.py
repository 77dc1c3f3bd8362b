"""The conditions under which the voice is checked are what their names say."""

from dataclasses import replace

import numpy as np
import pytest

from emotion.media import SAMPLE_RATE
from emotion.speech import SpeechRecogniser
from emotion.training import checks, protocols, speech
from emotion.training.datasets import Example
from emotion.weights import DEFAULT_FILE, bundled
from tests.test_noise import spoken
from tests.test_prosody import voice


def power(samples, low, high):
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    return spectrum[(hertz >= low) & (hertz < high)].sum() / spectrum.sum()


@pytest.fixture
def changed():
    samples = voice(150, 1.5)
    made = {name: change(samples, np.random.default_rng(0)) for name, (change, _) in checks.CONDITIONS.items()}
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
    for name, change in checks.CHANGES.items():
        words = change("So glad, you came!").lower().replace(",", "").split()
        assert "so glad you came" in " ".join(words), name


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Two clips of an actor of each fold, one in EmoDB's German, and networks that pass over them once."""
    clips = [Example(f"03-01-0{3 + 2 * (i % 2)}-01-0{1 + i % 2}-01-{1 + 4 * (i // 2):02d}", spoken(1 + i % 2), (3, 0)[i % 2],
                     f"ravdess-{i // 2}") for i in range(10)]  # fmt: skip
    clips += [Example(f"emodb-{i}", voice(150 + 100 * i, 0.8, vibrato=2.0), (3, 0)[i], f"emodb-{i}") for i in range(2)]
    monkeypatch.setenv("EMOTION_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(speech, "corpus", lambda: clips)
    monkeypatch.setattr(speech, "pretrained_encoder", SpeechRecogniser(bundled("speech", DEFAULT_FILE)).network.encoder.eval)
    monkeypatch.setattr(speech, "RECIPE", replace(speech.RECIPE, epochs=1, batch_size=4))
    monkeypatch.setattr(speech, "VARIANTS", 1)


def test_the_voices_are_read_under_each_condition_with_the_noise_taken_out_of_all_but_one(few, monkeypatch):
    read, heard = [], speech.heard

    def listening(recordings, encoder, cleaned=True):
        read.append(heard(recordings, encoder, cleaned))
        return read[-1]

    monkeypatch.setattr(speech, "heard", listening)
    rows = checks.check_speech()
    assert [row["n"] for row in rows] == [10, 5, 5] + [10] * 7 and rows[0]["difference"] == "" != rows[1]["difference"]
    assert [row["voice"] for row in rows if not row["voice"].startswith("sentence")] == list(checks.CONDITIONS)
    first = {name: clips.frames[0][0] for name, clips in zip(checks.CONDITIONS, read, strict=True)}
    recorded, noisy, left, *_ = first.values()
    assert noisy.shape == left.shape == recorded.shape
    assert (left - recorded).abs().mean() > 1.2 * (noisy - recorded).abs().mean()


def test_other_protocols_read_whom_they_have_not_heard(few):
    rows = protocols.speech_protocols()
    assert [row["n"] for row in rows][1:] == [2, 2, 2] and all("(" in row["UAR"] for row in rows)


def test_a_condition_by_hand():
    labels, actors = np.tile(np.arange(7), 20), np.repeat([f"actor {i}" for i in range(20)], 7)
    guess, whole = labels.copy(), np.ones(140, bool)
    guess[(labels == 5) & (np.arange(140) < 70)] = 4  # half of the actors, when sad, are taken for neutral
    row = checks.voice_row("in a well", guess, whole, labels, labels, actors)
    figure, low, high = row["UAR"].replace("(", "").replace(")", "").replace("-", " ").split()
    assert figure == f"{13 / 14:.3f}" and 0.88 < float(low) < 0.915 < 0.94 < float(high) < 0.98
    assert row["difference"].startswith("-0.071 (-0.1") and row["lowest recall"] == "sad 0.50"
    half = checks.voice_row("one sentence", guess, np.arange(140) >= 70, guess, labels, actors)
    assert half["n"] == 70 and half["UAR"] == "1.000 (1.000-1.000)" and half["difference"].startswith("+0.071 (+0.0")


def test_a_share_that_was_never_seen_may_still_exist():
    assert checks.share(0, 100) == "0.000 (0.000-0.036)" and checks.share(50, 100).startswith("0.500 (0.39")
