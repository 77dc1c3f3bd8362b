"""Labels and the mood scale."""

import numpy as np
import pytest

from emotion.labels import ALIASES, LABELS, VALENCE, mood_word, to_label
from emotion.mood import mood, moods


def test_labels_are_the_seven_in_alphabetical_order():
    assert LABELS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def test_aliases_are_exact_names():
    assert to_label(" Joy ") == "happy" and to_label("calm") == "neutral" and to_label("fearful") == "fear"
    assert to_label("unhappy") is None and to_label("boredom") is None and to_label("") is None
    assert set(ALIASES.values()) == set(LABELS)


def test_mood_of_a_certain_label():
    certain = dict(zip(LABELS, moods(np.eye(7)), strict=True))
    assert certain["happy"] == 5 and certain["sad"] == 1 and certain["neutral"] == certain["surprise"] == 3
    assert certain["angry"] < 2 and certain["fear"] < 2 and certain["disgust"] < 2
    assert all(1 <= value <= 5 for value in certain.values())


def test_mood_rises_with_every_move_toward_a_pleasanter_label():
    base = np.full(7, 1 / 7)
    for worse in LABELS:
        for better in LABELS:
            if VALENCE[better] > VALENCE[worse]:
                moved = base.copy()
                moved[LABELS.index(better)] += 0.1
                moved[LABELS.index(worse)] -= 0.1
                assert mood(moved) > mood(base)


def test_a_lean_stays_near_the_middle_and_what_is_clear_reaches_the_ends():
    happy = np.eye(7)[LABELS.index("happy")]
    neutral = np.eye(7)[LABELS.index("neutral")]
    felt = moods(np.stack([share * happy + (1 - share) * neutral for share in np.linspace(0, 1, 101)]))
    steps = np.diff(felt)
    assert (steps > 0).all() and steps.max() < 2 * 0.02 and np.abs(np.diff(steps)).max() < 0.002  # smooth
    assert felt[15] < 3.25 and felt[75] > 4.5


def test_mood_keeps_the_leading_shape():
    assert moods(np.full((4, 3, 7), 1 / 7)).shape == (4, 3)
    assert isinstance(mood(np.full(7, 1 / 7)), float)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (1, "very low"),
        (1.49, "very low"),
        (1.5, "low"),
        (2.5, "neutral"),
        (3.49, "neutral"),
        (3.5, "good"),
        (4.5, "very good"),
        (5, "very good"),
    ],
)
def test_words_of_the_scale(value, word):
    assert mood_word(value) == word
