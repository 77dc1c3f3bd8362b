"""Noise taken out of recordings: laws on a known voice in a known noise."""

import numpy as np
import pytest

from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.sound import HOP, SAMPLE_RATE
from emotion.speech import noise, prosody
from emotion.speech.recogniser import SpeechRecogniser
from emotion.training import speech
from tests.sounds import spoken, voice


def hiss(n, snr_db, fall=0.0):
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(n))
    sound = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 10) ** fall, n)
    return (sound / sound.std() * spoken().std() * 10 ** (-snr_db / 20)).astype(np.float32)


def reduced(samples):
    return noise.reduced(samples, prosody.measure(samples))


def error_db(samples, clean):
    return 10 * np.log10(np.mean((samples - clean) ** 2) / np.mean(clean**2))


@pytest.mark.parametrize("snr_db", [5, 10, 15])
@pytest.mark.parametrize("fall", [0.0, 0.5])
def test_less_noise_and_the_same_voice(snr_db, fall):
    clean = spoken()
    noisy = clean + hiss(len(clean), snr_db, fall)
    cleaned = reduced(noisy)
    assert cleaned.dtype == np.float32 and len(cleaned) == len(noisy)
    assert error_db(cleaned, clean) < error_db(noisy, clean) - 3
    quiet = slice(SAMPLE_RATE // 20, SAMPLE_RATE // 5)
    assert np.std(cleaned[quiet]) < np.std(noisy[quiet]) * 10 ** (-7 / 20)


@pytest.mark.parametrize(
    "samples",
    [
        spoken(),
        spoken() + hiss(len(spoken()), 35),
        voice(160, 2.0, vibrato=2.0) + hiss(2 * SAMPLE_RATE, 10)[: 2 * SAMPLE_RATE],
        np.zeros(SAMPLE_RATE, np.float32),
        np.zeros(0, np.float32),
        spoken()[:100],
    ],
    ids=["clean", "nearly clean", "no pause to know the noise by", "silence", "empty", "shorter than a frame"],
)
def test_what_is_left_as_it_was(samples):
    assert np.array_equal(reduced(samples), samples)


def test_the_gain_is_that_of_the_formula():
    ratio = np.random.default_rng(0).gamma(1.0, 3.0, (50, 4)).astype(np.float32)
    left = np.maximum(ratio[0] - 1, 0)
    for heard, gain in zip(ratio, noise._gain(ratio.copy()), strict=True):
        expected = noise.MEMORY * left + (1 - noise.MEMORY) * np.maximum(heard - 1, 0)
        np.testing.assert_allclose(gain, expected / (expected + 1), rtol=1e-4)
        left = gain**2 * heard


def test_zeros_before_and_after_are_no_pauses():
    clean = spoken()
    noisy = clean + hiss(len(clean), 10)
    zeros = np.zeros(SAMPLE_RATE // 2 + 7, np.float32)
    cleaned = reduced(np.concatenate([zeros, noisy, zeros]))
    assert not cleaned[: len(zeros) - HOP].any() and not cleaned[-len(zeros) :].any()
    assert error_db(cleaned[len(zeros) : -len(zeros)], clean) < error_db(noisy, clean) - 3


@pytest.mark.models
def test_the_model_hears_it_gone_and_training_tests_what_the_product_hears():
    model = SpeechRecogniser(bundled("speech", DEFAULT_FILE))
    clean = spoken(9)[: -SAMPLE_RATE // 10]  # of several windows, the last of which begins between two that are read
    network = model.network
    members = [network.spectral, *network.encoded]
    noisy = clean + hiss(len(clean), 10)
    served = model.logits([noisy])
    np.testing.assert_allclose(speech.logits(members, speech.heard([noisy], network.encoder)), served, atol=1e-3)
    left = speech.logits(members, speech.heard([noisy], network.encoder, cleaned=False))
    assert np.abs(left - served).max() > 0.1


def test_each_minute_has_its_own_noise():
    clean = np.tile(spoken(20), 5)[: 90 * SAMPLE_RATE]
    noisy = clean.copy()
    noisy[60 * SAMPLE_RATE :] += hiss(30 * SAMPLE_RATE, 10)
    cleaned = reduced(noisy)
    assert np.array_equal(cleaned[: 60 * SAMPLE_RATE], clean[: 60 * SAMPLE_RATE])
    assert error_db(cleaned[60 * SAMPLE_RATE :], clean[60 * SAMPLE_RATE :]) < -13
