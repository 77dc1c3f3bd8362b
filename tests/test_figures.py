"""Figures state what the readings say, and stay small."""

import base64
import itertools
import json

import numpy as np
import plotly.graph_objects as go
import pytest

from emotion import figures, sound
from emotion.labels import LABELS
from emotion.readings import SpeechReading
from emotion.sound import HOP, SAMPLE_RATE

PROBABILITIES = np.array([0.05, 0.02, 0.03, 0.6, 0.2, 0.06, 0.04], np.float32)

# Linear RGB as seen with each kind of colour blindness, Machado, Oliveira & Fernandes 2009, severity 1.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def tone(hertz: float, seconds: float, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def voice_reading(f0: np.ndarray, attention: tuple[float, ...] = ()) -> SpeechReading:
    heard = {"intensity": "neutral", "pitch_hz": 200.0, "energy_db": -20.0}
    return SpeechReading(PROBABILITIES, 1.0, **heard, pitch=f0, attention=np.array(attention, np.float32), attention_step=0.08)


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def cielab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def trace(figure: go.Figure, kind: type) -> go.Figure:
    return next(t for t in figure.data if isinstance(t, kind))


def test_bars_are_the_probabilities_in_order_and_colour():
    bar = trace(figures.probability_bars(PROBABILITIES), go.Bar)
    assert tuple(bar.y) == LABELS
    assert bar.x == pytest.approx(PROBABILITIES, abs=1e-4)
    assert list(bar.marker.color) == [figures.COLOURS[label] for label in LABELS]
    assert bar.text[3] == "60%"


def test_every_label_has_its_own_colour():
    assert tuple(figures.COLOURS) == LABELS
    assert len(set(figures.COLOURS.values())) == len(LABELS)


@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_colours_look_alike(sight):
    seen = {label: cielab(np.array(SIGHT[sight]) @ linear(colour)) for label, colour in figures.COLOURS.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)


@pytest.mark.parametrize("page", ["#ffffff", "#0b0f19"])
def test_colours_stand_out_from_light_and_dark_pages(page):
    luminance = np.array([0.2126, 0.7152, 0.0722])
    for label, colour in figures.COLOURS.items():
        low, high = sorted(float(luminance @ linear(c)) for c in (colour, page))
        assert (high + 0.05) / (low + 0.05) >= 2, label


def test_envelope_keeps_every_peak():
    samples = np.zeros(100_000, np.float32)
    samples[12_345], samples[54_321] = 0.7, -0.9  # single samples, which taking every n-th would miss
    times, low, high = sound.envelope(samples, points=500)
    assert len(times) <= 500
    assert high.max() == pytest.approx(0.7)
    assert low.min() == pytest.approx(-0.9)
    assert times[high.argmax()] == pytest.approx(12_345 / SAMPLE_RATE, abs=2 * 100_000 / 500 / SAMPLE_RATE)


@pytest.mark.parametrize("hertz", [110.0, 440.0, 3000.0])
def test_spectrogram_is_loudest_at_the_tone(hertz):
    _, bands, level = sound.spectrogram(tone(hertz, 2.0))
    loudest = bands[level.astype(float).mean(axis=1).argmax()]
    assert abs(np.log2(loudest / hertz)) < 1 / 6  # two of the bands, of which ten make an octave


def test_spectrogram_shows_when():
    samples = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), tone(500, 1.0)])
    times, _, level = sound.spectrogram(samples)
    power = level.astype(float).max(axis=0)
    assert power[times < 0.9].max() < -40
    assert power[times > 1.1].min() > -10


def test_silence_is_drawn_as_silence():
    assert sound.spectrogram(np.zeros(SAMPLE_RATE, np.float32))[2].max() < -50


@pytest.mark.parametrize("count", [0, 1, 100, 5 * SAMPLE_RATE])
def test_sound_of_any_length_makes_a_figure(count):
    figure = figures.sound_figure(tone(200, 5)[:count], voice_reading(np.full(1 + count // HOP, 200, np.float32)))
    assert any(isinstance(t, go.Heatmap) for t in figure.data)


def test_pitch_line_is_the_pitch_and_breaks_where_unvoiced():
    f0 = np.array([0, 0, 150, 151, 0, 0, 160, 0], np.float32)
    figure = figures.sound_figure(tone(150, 0.16), voice_reading(f0))
    line = next(t for t in figure.data if t.name == "pitch")
    assert np.array_equal(np.isnan(line.y), f0 == 0)
    assert line.y[2:4] == pytest.approx([150, 151])
    assert line.x[2] == pytest.approx(2 * HOP / SAMPLE_RATE)
    assert not line.connectgaps
    assert figure.layout.yaxis4.range == figure.layout.yaxis.range and figure.layout.yaxis4.type == figure.layout.yaxis.type


def test_attention_lies_over_the_spectrogram_at_its_times():
    figure = figures.sound_figure(tone(150, 0.3), voice_reading(np.zeros(16, np.float32), (0.1, 0.7, 0.2)))
    steps = next(t for t in figure.data if t.name == "attention")
    assert steps.x == pytest.approx([0, 0.08, 0.16, 0.24]) and steps.y == pytest.approx([0.1, 0.7, 0.2, 0.2])
    assert steps.line.shape == "hv" and steps.yaxis == "y3" and figure.layout.yaxis3.overlaying == "y"


def test_ten_minutes_make_no_larger_figure_than_ten_seconds():
    noise = np.random.default_rng(0).normal(0, 0.1, 600 * SAMPLE_RATE).astype(np.float32)
    long = figures.sound_figure(noise, voice_reading(np.full(1 + len(noise) // HOP, 150, np.float32))).to_json()
    short = figures.sound_figure(noise[: 10 * SAMPLE_RATE], voice_reading(np.full(501, 150, np.float32))).to_json()
    assert len(long) < 200_000
    assert len(long) < 2 * len(short)


def test_levels_travel_as_bytes():
    traces = json.loads(figures.sound_figure(tone(300, 3)).to_json())["data"]
    cells = next(t["z"] for t in traces if t["type"] == "heatmap")
    assert cells["dtype"] == "i1"
    assert len(base64.b64decode(cells["bdata"])) == sound.SPECTROGRAM_BANDS * 300


def test_figures_have_no_background_of_their_own():
    figure = figures.sound_figure(tone(200, 1))
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
    assert figure.layout.margin.l is not None
    assert figure.layout.height
