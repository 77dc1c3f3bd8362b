"""The conditions under which the voice is checked are what their names say."""

import numpy as np
import pytest

from emotion.media import SAMPLE_RATE
from emotion.training import checks
from tests.test_prosody import voice


def power(samples, low, high):
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    return spectrum[(hertz >= low) & (hertz < high)].sum() / spectrum.sum()


@pytest.fixture
def changed():
    samples = voice(150, 1.5)
    made = {name: change(samples, np.random.default_rng(0)) for name, change in checks.CONDITIONS.items()}
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
