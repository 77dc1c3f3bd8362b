"""Pitch, energy and intensity: laws on sounds whose answer is known, and librosa as the reference."""

import numpy as np
import pytest

from emotion import sound
from emotion.sound import SAMPLE_RATE
from emotion.speech import prosody
from tests.sounds import voice


@pytest.mark.parametrize("hertz", [80, 110, 150, 220, 330, 480])
def test_pitch_of_a_known_voice(hertz):
    measured = prosody.measure(voice(hertz))
    assert measured.pitch_hz == pytest.approx(hertz, rel=0.01)
    assert measured.voiced_share > 0.95 and measured.voiced_seconds > 1.8


def test_pitch_survives_noise_at_10_db():
    noise = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32) * 0.1 * 10 ** (-10 / 20)
    assert prosody.measure(voice(180) + noise).pitch_hz == pytest.approx(180, rel=0.02)


def test_energy_is_in_decibels_of_full_scale():
    assert prosody.measure(voice(150, level=0.1)).energy_db == pytest.approx(-20, abs=0.3)
    assert prosody.measure(voice(150, level=0.01)).energy_db == pytest.approx(-40, abs=0.3)


def test_silence_around_the_voice_changes_neither_energy_nor_pitch():
    padded = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), voice(150), np.zeros(SAMPLE_RATE, np.float32)])
    assert prosody.measure(padded).energy_db == pytest.approx(prosody.measure(voice(150)).energy_db, abs=0.3)
    assert prosody.measure(padded).pitch_hz == pytest.approx(150, rel=0.01)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(10), np.zeros(SAMPLE_RATE * 3)])
def test_nothing_is_voiced_in_silence(samples):
    measured = prosody.measure(samples.astype(np.float32))
    assert measured.pitch_hz is None and measured.voiced_share == 0 and measured.intensity == "low"


@pytest.mark.parametrize("fall", [0.0, 0.5, 1.0])
def test_noise_has_no_pitch(fall):
    rng = np.random.default_rng(1)
    spectrum = np.fft.rfft(rng.standard_normal(SAMPLE_RATE * 4))
    noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 10) ** fall)
    measured = prosody.measure((0.1 * noise / noise.std()).astype(np.float32))
    assert measured.voiced_share < 0.05


def test_intensity_rises_with_level_pitch_and_melody():
    order = ["low", "calm", "neutral", "high"]
    found = [
        prosody.measure(voice(*sound)).intensity
        for sound in ((120, 2.0, 0.001), (110, 2.0, 0.01), (150, 2.0, 0.04, 2.0), (260, 2.0, 0.2, 5.0))
    ]
    assert found == order


def test_yin_equals_librosa():
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(3)
    samples = voice(170, vibrato=3.0) + rng.standard_normal(2 * SAMPLE_RATE).astype(np.float32) * 0.02
    f0, aperiodicity = prosody.yin(sound.frames(samples))
    reference = librosa.yin(
        samples, fmin=prosody.MIN_HZ, fmax=prosody.MAX_HZ, sr=SAMPLE_RATE, frame_length=sound.FRAME, hop_length=sound.HOP
    )
    close = np.abs(f0 - reference) < 0.5
    assert f0.shape == reference.shape and close.mean() > 0.98  # ties between troughs may fall either way
    assert aperiodicity.min() >= 0 and aperiodicity.max() <= 1


def test_length_of_the_tracks():
    for n in (0, 1, 319, 320, 5000, 16000):
        measured = prosody.measure(np.zeros(n, np.float32))
        assert len(measured.f0) == len(measured.level_db) == 1 + n // sound.HOP
