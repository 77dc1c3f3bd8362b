"""The voice model's features equal librosa's."""

import numpy as np
import pytest
import torch

from emotion import sound
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.sound import SAMPLE_RATE
from emotion.speech import prosody
from emotion.speech import recogniser as speech
from emotion.speech.recogniser import ENCODED_AT_ONCE, ENCODER_MELS, STRIDE, SpeakerEncoder, SpeechRecogniser
from tests.sounds import voice

librosa = pytest.importorskip("librosa")


@pytest.fixture(scope="module")
def scaled():
    """A changing voice with noise, at the level that features are taken at and without silence to cut."""
    rng = np.random.default_rng(5)
    sound = np.concatenate([voice(140, 1.0, 0.1, 3.0), voice(260, 1.0, 0.03, 1.0)])
    sound = sound + rng.standard_normal(len(sound)).astype(np.float32) * 0.003
    return sound * np.float32(10 ** ((speech.LEVEL_DB - prosody.measure(sound).energy_db) / 20))


@pytest.fixture(scope="module")
def columns(scaled):
    x = speech.features(scaled, speech.filter_banks()).numpy()
    assert x.shape[1] == speech.N_FEATURES == 107 and np.isfinite(x).all()
    widths = [speech.N_MELS, speech.N_MFCC, speech.N_CHROMA, speech.N_BANDS + 1, 1, 1, 1, 1]
    return np.split(x, np.cumsum(widths)[:-1], axis=1)


@pytest.fixture(scope="module")
def spectrum(scaled, columns):
    cut = scaled[: (len(columns[0]) - 1) * sound.HOP]
    return cut, np.abs(librosa.stft(cut, n_fft=sound.FRAME, hop_length=sound.HOP, pad_mode="constant"))


def test_log_mel_and_mfcc(columns, spectrum):
    mel = librosa.feature.melspectrogram(S=spectrum[1] ** 2, sr=SAMPLE_RATE, n_mels=speech.N_MELS)
    decibels = librosa.power_to_db(mel, top_db=speech.FLOOR_DB)
    decibels = decibels - decibels.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(columns[0], decibels.T, atol=0.01)
    np.testing.assert_allclose(columns[1], librosa.feature.mfcc(S=decibels, n_mfcc=speech.N_MFCC).T, atol=0.01)


def test_chroma(columns, spectrum):
    np.testing.assert_allclose(
        columns[2], librosa.feature.chroma_stft(S=spectrum[1] ** 2, sr=SAMPLE_RATE, tuning=0.0).T, atol=1e-4
    )


def test_spectral_contrast(columns, spectrum):
    np.testing.assert_allclose(
        columns[3], librosa.feature.spectral_contrast(S=spectrum[1], sr=SAMPLE_RATE, n_fft=sound.FRAME).T, atol=0.05
    )


def test_zero_crossing_rate(columns, spectrum):
    expected = librosa.feature.zero_crossing_rate(spectrum[0], frame_length=sound.FRAME, hop_length=sound.HOP)
    np.testing.assert_allclose(columns[4], expected.T, atol=1e-6)


def test_pitch_in_octaves_about_150_hz(columns):
    octaves, voiced = columns[5][:, 0], columns[6][:, 0]
    assert set(np.unique(voiced)) <= {0.0, 1.0} and (octaves[voiced == 0] == 0).all()
    assert np.median(octaves[20:35]) == pytest.approx(np.log2(140 / 150), abs=0.3)
    assert np.median(octaves[65:85]) == pytest.approx(np.log2(260 / 150), abs=0.1)


def test_what_the_speaker_encoder_hears(scaled, spectrum):
    mel = speech.encoder_input(scaled, speech.filter_banks()).numpy()
    sound = spectrum[0] * 10 ** ((speech.ENCODER_LEVEL_DB - speech.LEVEL_DB) / 20)
    expected = librosa.feature.melspectrogram(
        y=sound, sr=SAMPLE_RATE, n_fft=speech.ENCODER_FRAME, hop_length=speech.ENCODER_HOP, n_mels=40, pad_mode="constant"
    ).T
    assert len(mel) == len(expected) + 1  # an even number: two frames in one of the features
    np.testing.assert_allclose(mel[:-1], expected, rtol=1e-2, atol=1e-6)


def test_the_microphones_gain_changes_nothing(scaled):
    banks = speech.filter_banks()
    quiet = scaled * np.float32(0.1)
    torch.testing.assert_close(speech.features(scaled, banks), speech.features(quiet, banks), atol=0.02, rtol=0)
    torch.testing.assert_close(speech.encoder_input(scaled, banks), speech.encoder_input(quiet, banks), atol=1e-6, rtol=0.01)


def test_silence_before_and_after_is_cut(scaled):
    banks = speech.filter_banks()
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    assert (
        len(speech.features(np.concatenate([pause, scaled, pause]), banks))
        <= len(speech.features(scaled, banks)) + 2 * prosody.MARGIN + 4
    )


@pytest.mark.models
@pytest.mark.parametrize("n", [0, 1, 100, 319, 320, 5000])
def test_the_model_answers_for_any_length(n):
    probabilities = SpeechRecogniser(bundled("speech", DEFAULT_FILE)).predict([0.1 * np.ones(n, np.float32)])
    assert probabilities.shape == (1, 7) and probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_frames_are_transformed_a_few_at_a_time(scaled, monkeypatch):
    banks = speech.filter_banks()
    whole = speech.features(scaled, banks), speech.encoder_input(scaled, banks)
    monkeypatch.setattr(speech, "CHUNK", 7)
    for few, all_at_once in zip((speech.features(scaled, banks), speech.encoder_input(scaled, banks)), whole, strict=True):
        torch.testing.assert_close(few, all_at_once, atol=1e-4, rtol=1e-4)


@pytest.mark.models
def test_the_speaker_encoder_goes_on_from_minute_to_minute():
    torch.manual_seed(0)
    encoder, mel = SpeakerEncoder(), torch.rand(1, 2 * ENCODED_AT_ONCE + 38, ENCODER_MELS)
    with torch.inference_mode():
        states = encoder.lstm(mel)[0].transpose(1, 2)
        whole = torch.nn.functional.avg_pool1d(states, 2 * STRIDE, ceil_mode=True).transpose(1, 2)
        torch.testing.assert_close(encoder(mel), whole)
