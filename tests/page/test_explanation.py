"""The sentences that say why: made from the numbers, silent where nothing stands out."""

from dataclasses import replace

import numpy as np
import pytest

from emotion.fusion import fuse
from emotion.labels import LABELS
from emotion.page import explanation, wording
from emotion.page.texts import LANGUAGES, Say
from emotion.readings import Analysis, FaceFrame, FaceReading, SpeechReading, TextReading


def sure(label: str) -> np.ndarray:
    return np.where(np.array(LABELS) == label, 0.94, 0.01).astype(np.float32)


def text(**words: float) -> TextReading:
    return TextReading(sure("happy"), 0.9, tuple(words.items()))


def voice(attention: np.ndarray, step: float = 0.1) -> SpeechReading:
    return SpeechReading(sure("sad"), 1.0, "calm", 110.0, -20.0, attention=attention / attention.sum(), attention_step=step)


def face(*regions: np.ndarray, label: str = "happy") -> FaceReading:
    frames = tuple(FaceFrame(i / 5, (0, 0, 9, 9), sure(label), 1 / len(regions), part) for i, part in enumerate(regions))
    return FaceReading(sure("happy"), 1.0, 1, len(regions), len(regions), frames)


def rows(*indices: int) -> np.ndarray:
    part = np.zeros((6, 6), np.float32)
    part[list(indices)] = 1.0
    return part / part.sum()


def test_words_are_those_that_added_most_and_no_others():
    assert explanation.telling_words(text(so=0.05, glad=0.4, not_=-0.5, day=0.01, great=0.2)) == ["glad", "great"]
    assert explanation.telling_words(text(the=0.01, day=0.0)) == []
    assert explanation.telling_words(text(**{"great,": 0.4, "...": 0.3, "day!": 0.2})) == ["great", "day"]


def test_a_word_without_end_is_cut():
    assert explanation.telling_words(text(**{"a" * 5000: 0.5})) == ["a" * explanation.LONGEST_WORD + "…"]


def test_the_segment_of_the_voice_is_the_second_with_most_attention():
    attention = np.ones(60)
    attention[23:33] = 5.0
    assert explanation.telling_segment(voice(attention)) == pytest.approx((2.3, 3.3))
    assert explanation.telling_segment(voice(np.ones(60))) is None  # even
    assert explanation.telling_segment(voice(attention[23:28])) is None  # shorter than a segment
    assert explanation.telling_segment(SpeechReading(sure("sad"), 1.0, "calm", None, -20.0)) is None


@pytest.mark.parametrize(("where", "part"), [((0, 1), "brow"), ((2, 3), "middle"), ((4, 5), "mouth"), ((0, 2, 4), None)])
def test_the_part_of_the_face_is_where_its_label_was_seen(where, part):
    assert explanation.telling_part(face(rows(*where), rows(*where))) == part


def test_frames_of_another_label_and_without_regions_say_nothing():
    assert explanation.telling_part(face(rows(0), label="sad")) is None
    assert explanation.telling_part(face(np.zeros((0, 0), np.float32))) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_decided_is_said_with_its_share(language):
    readings = {"text": text(glad=0.4), "speech": voice(np.r_[np.ones(30), 9 * np.ones(10)]), "face": face(rows(5))}
    weights = {"text": 0.2, "speech": 0.7, "face": 0.1}
    analysis = Analysis(fuse(readings, weights), readings)
    say = Say(language)
    decided, counted = explanation.sentences(say, analysis)
    share = say.percent(analysis.fusion.shares["speech"])
    assert decided.startswith(say("most_speech", share=share, label=say.label("sad")))
    both = say.listed([say("the_text"), say("the_face")])
    assert decided.endswith(say("points_to", name=both, label=say.label("happy")) + ".")
    assert "glad" in counted and say("counted_speech", start="3.0", end="4.0") in counted and say("counted_mouth") in counted


def test_what_has_no_share_did_not_count():
    readings = {"text": text(glad=0.4), "speech": voice(np.ones(60))}
    analysis = Analysis(fuse(readings, {"text": 0.0, "speech": 1.0}), readings)
    assert explanation.sentences(Say("en"), analysis) == []
    assert wording.agreement(Say("en"), analysis) == "Read from the voice alone."


def test_those_that_say_the_same_say_it_too():
    readings = {"text": text(glad=0.4), "face": face(rows(5))}
    decided, counted = explanation.sentences(Say("en"), Analysis(fuse(readings, {"text": 0.2, "face": 0.8}), readings))
    assert decided.endswith("points to happy; the words too.") and "the word “glad”" in counted


def test_nothing_is_said_where_nothing_stands_out():
    readings = {"text": text(day=0.0)}
    assert explanation.sentences(Say("en"), Analysis(fuse(readings, {"text": 1.0}), readings)) == []
    assert explanation.sentences(Say("en"), Analysis(replace(fuse(readings, {"text": 1.0}), mood=None), {})) == []
