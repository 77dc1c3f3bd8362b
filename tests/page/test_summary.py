"""The summary of an answer states what the readings say."""

import re
from math import atan2, hypot, pi

import numpy as np
import pytest

from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES, MOOD_WORDS
from emotion.page import wording
from emotion.page.texts import Say
from emotion.readings import Analysis, FaceReading, SpeechReading, TextReading

ENGLISH = Say("en")
PROBABILITIES = np.array([0.05, 0.02, 0.03, 0.6, 0.2, 0.06, 0.04], np.float32)


def points(drawn: str) -> list[tuple[float, float]]:
    """Pairs of numbers of an SVG path's ends, as (radius, mood that lies there)."""
    found = re.findall(r"(-?[\d.]+) (-?[\d.]+)(?=[L\"]|A80)", drawn)
    return [(hypot(float(x), float(y)), 5 - 4 * atan2(-float(y), float(x)) / pi) for x, y in found]


@pytest.mark.parametrize("mood", [1.0, 2.4, 3.0, 3.9, 5.0])
def test_the_gauge_marks_the_mood_across_the_bands_of_the_words(mood):
    drawn = wording.gauge(mood)
    mark = points(re.search(r'class="mark" d=("[^"]+")', drawn)[1])
    assert [at for _, at in mark] == pytest.approx([mood, mood], abs=0.01)
    assert (
        mark[0][0] < wording.GAUGE_RADIUS - wording.GAUGE_WIDTH / 2 < wording.GAUGE_RADIUS + wording.GAUGE_WIDTH / 2 < mark[1][0]
    )
    bands = [[at for _, at in points(band)] for band in re.findall(r'<path d=("M[^"]+A[^"]+") stroke', drawn)]
    ends = [1.0, *(upper for upper, _ in MOOD_WORDS[:-1]), 5.0]
    assert np.array(bands) == pytest.approx(np.array([ends[:-1], ends[1:]]).T, abs=0.01)


def test_bars_are_the_probabilities_in_order():
    drawn = wording.distribution(ENGLISH, PROBABILITIES)
    found = re.findall(r'data-label="(\w+)" style="--share:([\d.]+);', drawn)
    assert tuple(label for label, _ in found) == LABELS
    assert [float(share) for _, share in found] == pytest.approx(PROBABILITIES, abs=1e-4)
    assert "60%" in drawn


def test_each_modality_says_its_own_mood_label_and_share():
    readings = {
        "text": TextReading(np.eye(7, dtype=np.float32)[3], 0.5),
        "speech": SpeechReading(PROBABILITIES, 1.0, "high", 200.0, -20.0),
    }
    fusion = fuse(readings, {"text": 0.25, "speech": 0.45, "face": 0.3})
    said = wording.each(ENGLISH, Analysis(fusion, readings))
    rows = dict(re.findall(r'data-part="(\w+)"[^>]*>(.*?)(?=<div class="reading|$)', said))
    assert tuple(rows) == MODALITIES
    for name, reading in readings.items():
        shown = re.sub("<.*?>", " ", rows[name])
        assert f"{reading.mood:.1f}" in shown and ENGLISH.mood(reading.mood) in shown
        assert f"happy {ENGLISH.percent(reading.probabilities.max())}" in shown
        assert f"counts {ENGLISH.percent(fusion.shares[name])}" in shown
    assert ENGLISH("absent") in rows["face"]


def test_the_fused_bars_are_also_told_in_words():
    said = wording.fused(ENGLISH, PROBABILITIES)
    for label, p in zip(LABELS, PROBABILITIES, strict=True):
        assert f"{label} {ENGLISH.percent(p)}" in said


def test_a_modality_of_its_own_has_its_mood_on_the_scale():
    reading = FaceReading(PROBABILITIES, 0.9, 1, 1, 1, ())
    said = wording.part(ENGLISH, "face", Analysis(fuse({"face": reading}, {"face": 1.0}), {"face": reading}))
    assert float(re.search(r"--at:([\d.]+)", said)[1]) == pytest.approx((reading.mood - 1) / 4, abs=1e-3)
