"""A personal baseline: what it takes out of a reading, which recordings may set it, and its JSON."""

import dataclasses
import json

import numpy as np
import pytest

import emotion
from emotion.baseline import LEAST_NEUTRAL, LEAST_RELIABILITY, LIMIT, MAX_JSON_BYTES, MODALITIES, Baseline, offsets, shifted
from emotion.labels import LABELS
from emotion.messages import InputError, Message
from emotion.readings import Analysis, FaceFrame, FaceReading, SpeechReading, TextReading, Window
from emotion.serving import weights
from tests.clips import ASTRONAUT, GLAD, MEDIA

CALM = MEDIA / "calm.flac"
NOTHING = dict.fromkeys(LABELS, 0.0)
NEUTRAL = {name: np.array(list(weights.bundled(name, weights.DEFAULT_FILE).neutral.values())) for name in MODALITIES}


def read(**shares):
    """Probabilities: those named, and the rest shared by the other labels."""
    rest = (1 - sum(shares.values())) / (len(LABELS) - len(shares))
    return np.array([shares.get(label, rest) for label in LABELS], np.float32)


def voice(probabilities, reliability=1.0):
    windows = (Window(0.0, 4.0, probabilities), Window(2.0, 6.0, read(happy=0.6)))
    return SpeechReading(probabilities, reliability, "neutral", 200.0, -20.0, windows=windows)


def face(probabilities, reliability=1.0):
    regions = np.full((6, 6), 1 / 36, np.float32)
    frames = tuple(FaceFrame(i / 5, (0, 0, 60, 60), probabilities, weight, regions) for i, weight in enumerate((0.25, 0.75)))
    return FaceReading(probabilities, reliability, 1, 2, 2, frames)


MAKE = {"speech": voice, "face": face}
EACH = pytest.mark.parametrize("name", MODALITIES)


@EACH
def test_offsets_of_zero_change_nothing(name):
    reading = MAKE[name](read(sad=0.5, neutral=0.3))
    same = Baseline({name: NOTHING}).apply(reading)
    np.testing.assert_allclose(same.probabilities, reading.probabilities, atol=1e-6)
    assert same.without_baseline is reading and same.mood == pytest.approx(reading.mood, abs=1e-5)


def test_probabilities_stay_probabilities_at_the_limit_and_none_is_invented():
    rows = np.random.default_rng(0).dirichlet(np.full(len(LABELS), 0.1), 200).astype(np.float32)
    rows[:7] = np.eye(len(LABELS))
    for sign in (1, -1):
        moved = shifted(rows, sign * LIMIT * np.array([1, -1, 1, -1, 1, -1, 1]))
        assert (moved >= 0).all() and moved.dtype == np.float32
        np.testing.assert_allclose(moved.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(moved[:7], np.eye(len(LABELS)))  # what has no probability gets none


def test_a_label_falls_by_its_offset_in_log_probability():
    before, row = read(angry=0.5, neutral=0.3), np.array([1.0, 0, 0, 0, -0.5, 0, 0])
    after = shifted(before, row)
    ratio = np.log(after[0] / after[4]) - np.log(before[0] / before[4])
    assert ratio == pytest.approx(-1.5, abs=1e-5)


def test_no_measured_offset_is_beyond_the_limit():
    worst = [offsets(one, other) for one in np.eye(len(LABELS)) for other in np.eye(len(LABELS))]
    assert np.abs(worst).max() <= LIMIT
    np.testing.assert_allclose(np.sum(worst, axis=1), 0, atol=1e-9)


@EACH
def test_who_is_read_as_everybody_has_offsets_of_zero(name):
    plain = Baseline.of({name: MAKE[name](NEUTRAL[name].astype(np.float32))}, NEUTRAL)
    assert max(map(abs, plain.offsets[name].values())) < 0.01


@EACH
@pytest.mark.parametrize("label", ["angry", "disgust", "happy"])
def test_a_person_whose_plain_voice_always_seems_angry_is_read_as_neutral(name, label):
    always = MAKE[name](read(**{label: 0.5, "neutral": 0.3}))
    baseline = Baseline.of({name: always}, NEUTRAL)
    after = baseline.apply(always)
    assert LABELS[always.probabilities.argmax()] == label and LABELS[after.probabilities.argmax()] == "neutral"
    assert abs(after.mood - 3) < abs(always.mood - 3)
    strongly = MAKE[name](read(**{label: 0.97, "neutral": 0.01}))  # and is still angry when they are
    assert LABELS[baseline.apply(strongly).probabilities.argmax()] == label


def test_the_parts_of_a_reading_move_like_the_whole():
    baseline = Baseline.of({"speech": voice(read(angry=0.5, neutral=0.3)), "face": face(read(sad=0.5, neutral=0.3))}, NEUTRAL)
    spoken = baseline.apply(voice(read(angry=0.5, neutral=0.3)))
    np.testing.assert_array_equal(spoken.windows[0].probabilities, spoken.probabilities)
    np.testing.assert_allclose(spoken.during(0, 2), spoken.probabilities, atol=1e-6)
    seen = baseline.apply(face(read(sad=0.5, neutral=0.3)))
    mean = np.average([frame.probabilities for frame in seen.frames], axis=0, weights=[frame.weight for frame in seen.frames])
    np.testing.assert_allclose(seen.probabilities, mean, atol=1e-6)


def test_what_spoke_for_a_label_that_is_no_longer_read_is_not_shown():
    baseline = Baseline.of({"face": face(read(sad=0.5, neutral=0.3))}, NEUTRAL)
    assert not any(frame.regions.size for frame in baseline.apply(face(read(sad=0.5, neutral=0.3))).frames)
    assert all(frame.regions.size for frame in baseline.apply(face(read(happy=0.9))).frames)


def test_words_have_no_baseline():
    reading = TextReading(read(happy=0.7), 1.0)
    assert Baseline({"speech": NOTHING}).apply(reading) is reading and reading.without_baseline is None


@EACH
def test_what_is_not_plain_is_refused_with_the_reason(name):
    with pytest.raises(InputError) as refusal:
        Baseline.of({name: MAKE[name](read(angry=0.9, neutral=LEAST_NEUTRAL - 0.01))}, NEUTRAL)
    assert refusal.value.code == "baseline_not_neutral" and refusal.value.fields["modality"] == name
    assert Baseline.of({name: MAKE[name](read(angry=0.8, neutral=LEAST_NEUTRAL + 0.01))}, NEUTRAL)
    with pytest.raises(InputError) as refusal:
        Baseline.of({name: MAKE[name](read(neutral=0.9), LEAST_RELIABILITY - 0.1)}, NEUTRAL)
    assert refusal.value.code == "baseline_unclear"


def test_it_comes_back_from_json_as_it_was():
    baseline = Baseline.of({"speech": voice(read(sad=0.4, neutral=0.5)), "face": face(read(neutral=0.9))}, NEUTRAL)
    assert Baseline.from_json(baseline.to_json()) == Baseline.from_dict(baseline.to_dict()) == baseline
    assert Baseline.from_json(baseline.to_json().encode()) == baseline
    assert list(baseline.to_dict()["speech"]) == list(LABELS)
    # Fourteen numbers, and nothing else of the person.
    assert [type(value) for row in baseline.to_dict().values() for value in row.values()] == [float] * 14


BAD = [
    ({}, "baseline_malformed"),
    ([NOTHING], "baseline_malformed"),
    (None, "baseline_malformed"),
    ({"text": NOTHING}, "baseline_modality"),
    ({"speech": NOTHING, "name": "me"}, "baseline_modality"),
    ({"speech": [0.0] * 7}, "baseline_labels"),
    ({"speech": NOTHING | {"bored": 0.0}}, "baseline_labels"),
    ({"speech": {label: 0.0 for label in LABELS[1:]}}, "baseline_labels"),
    ({"speech": NOTHING | {"sad": "0.1"}}, "baseline_offset"),
    ({"speech": NOTHING | {"sad": True}}, "baseline_offset"),
    ({"speech": NOTHING | {"sad": None}}, "baseline_offset"),
    ({"speech": NOTHING | {"sad": float("nan")}}, "baseline_offset"),
    ({"speech": NOTHING | {"sad": float("inf")}}, "baseline_offset"),
    ({"face": NOTHING | {"sad": -7}}, "baseline_offset"),
    ({"face": NOTHING | {"sad": 10**400}}, "baseline_offset"),
]


@pytest.mark.parametrize(("data", "code"), BAD, ids=range(len(BAD)))
def test_what_is_no_baseline_is_refused_with_a_code(data, code):
    for refused in (lambda: Baseline.from_dict(data), lambda: Baseline.from_json(json.dumps(data))):
        with pytest.raises(InputError) as refusal:
            refused()
        assert refusal.value.code == code and all(refusal.value.message.say(language) for language in ("en", "de", "es"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "baseline_not_json"),
        ("{'speech': 1}", "baseline_not_json"),
        (b"\xff\xfe\x00", "baseline_not_json"),
        ("[" * 4000, "baseline_not_json"),
        (" " * (MAX_JSON_BYTES + 1), "baseline_too_large"),
    ],
)
def test_text_that_is_no_json_is_refused(text, code):
    with pytest.raises(InputError) as refusal:
        Baseline.from_json(text)
    assert refusal.value.code == code


# --- the whole -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def baseline(analyzer):
    return analyzer.baseline(audio=CALM)


@pytest.fixture(scope="module")
def with_it(analyzer, video, baseline):
    return analyzer.analyze(video=video, transcribe=False, baseline=baseline)


def test_a_plain_recording_sets_the_baseline_of_the_voice(baseline):
    assert set(baseline.offsets) == {"speech"} and isinstance(baseline, emotion.Baseline)


def test_the_answer_says_what_the_baseline_changed(analyzer, video, baseline, with_it):
    without = analyzer.analyze(video=video, transcribe=False)
    (note,) = with_it.codes
    before, after = without.modalities["speech"], with_it.modalities["speech"]
    moods = {"mood": round(after.mood, 2), "before": round(before.mood, 2)}
    assert note == Message("baseline_applied", {"modality": "speech", **moods})
    np.testing.assert_allclose(after.probabilities, baseline.apply(before).probabilities, atol=1e-5)
    told = with_it.to_dict()["modalities"]
    assert told["speech"]["without_baseline"]["probabilities"] == without.to_dict()["modalities"]["speech"]["probabilities"]
    assert told["face"]["without_baseline"] is None
    assert without.to_dict()["modalities"]["speech"]["without_baseline"] is None
    span, changed = without.timeline[0].modalities["speech"], with_it.timeline[0].modalities["speech"]
    assert np.abs(span - changed).max() > 0.01


def test_taken_away_it_leaves_the_answer_that_there_would_have_been(analyzer, video, with_it):
    without, removed = analyzer.analyze(video=video, transcribe=False), analyzer.with_baseline(with_it, None)
    assert removed.codes == () and removed.modalities["speech"].without_baseline is None
    np.testing.assert_allclose(removed.probabilities, without.probabilities, atol=1e-5)
    assert [span.mood for span in removed.timeline] == pytest.approx([span.mood for span in without.timeline], abs=1e-4)


def test_another_baseline_takes_the_place_of_the_first(analyzer, with_it):
    twice = analyzer.with_baseline(with_it, Baseline({"speech": NOTHING}))
    assert [note.code for note in twice.codes] == ["baseline_applied"]
    original = with_it.modalities["speech"].without_baseline
    np.testing.assert_allclose(twice.modalities["speech"].probabilities, original.probabilities, atol=1e-6)


def test_a_parsed_answer_keeps_what_it_was_without_the_baseline(with_it):
    parsed = Analysis.from_dict(json.loads(json.dumps(with_it.to_dict()))).modalities["speech"]
    original = with_it.modalities["speech"].without_baseline
    np.testing.assert_allclose(parsed.without_baseline.probabilities, original.probabilities, atol=1e-5)


def test_a_model_that_was_never_measured_takes_no_baseline(analyzer, baseline, monkeypatch):
    choices = tuple(dataclasses.replace(choice, neutral=None) for choice in analyzer._choices["speech"])
    monkeypatch.setitem(analyzer._choices, "speech", choices)
    analysis = analyzer.analyze(audio=GLAD, transcribe=False, baseline=baseline)
    (note,) = analysis.codes
    assert note.code == "baseline_not_applied" and analysis.modalities["speech"].without_baseline is None
    with pytest.raises(InputError) as refusal:
        analyzer.baseline(audio=CALM)
    assert refusal.value.code == "baseline_not_measured"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "baseline_input_missing"),
        ({"audio": (np.zeros(48_000, np.float32), 16_000)}, "baseline_nothing_read"),
        ({"image": ASTRONAUT}, "baseline_not_neutral"),  # she smiles
        ({"audio": MEDIA / "missing.flac"}, "file_not_found"),
    ],
)
def test_what_cannot_set_a_baseline(analyzer, given, code):
    with pytest.raises(InputError) as refusal:
        analyzer.baseline(**given)
    assert refusal.value.code == code


def test_only_a_baseline_is_taken_for_one(analyzer):
    with pytest.raises(InputError) as refusal:
        analyzer.analyze(text="so", baseline={"speech": NOTHING})
    assert refusal.value.code == "baseline_type"
