"""Laws that hold for whatever is given: fusion, the format of an analysis, weights.yaml, messages."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotion import messages
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.media import files
from emotion.messages import InputError, Message
from emotion.readings import Analysis, FaceFrame, FaceReading, Reading, Segment, SpeechReading, TextReading, Transcript
from emotion.serving import weights

# The same examples in each run. How long one takes says more of the machine than of the code.
LAW = settings(max_examples=150, derandomize=True, deadline=None, database=None)

SHARES = st.floats(0, 1, width=32)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=15,
)


@st.composite
def probabilities(draw) -> np.ndarray:
    raw = np.array(draw(st.lists(st.floats(0, 1), min_size=7, max_size=7)))
    if raw.sum() < 1e-6:
        raw[draw(st.integers(0, 6))] = 1.0
    return (raw / raw.sum()).astype(np.float32)


READINGS = st.dictionaries(st.sampled_from(MODALITIES), st.builds(Reading, probabilities(), SHARES), min_size=1)
WEIGHTS = st.fixed_dictionaries({name: st.floats(0, 1e300) for name in MODALITIES})


@LAW
@given(READINGS, WEIGHTS)
def test_what_is_fused_lies_between_its_parts(readings, weights):
    fused = fuse(readings, weights)
    parts = np.stack([reading.probabilities for reading in readings.values()])
    moods = [reading.mood for reading in readings.values()]
    assert abs(fused.probabilities.sum() - 1) < 1e-5 and abs(sum(fused.shares.values()) - 1) < 1e-9
    assert (fused.probabilities >= parts.min(axis=0) - 1e-5).all() and (fused.probabilities <= parts.max(axis=0) + 1e-5).all()
    assert min(moods) - 1e-6 <= fused.mood <= max(moods) + 1e-6 and 0 <= fused.agreement <= 1
    assert fused.label == LABELS[int(fused.probabilities.argmax())] or np.ptp(np.sort(fused.probabilities)[-2:]) < 1e-6


@LAW
@given(READINGS, st.dictionaries(st.sampled_from(MODALITIES) | st.text(max_size=5), JSON, max_size=4))
def test_weights_of_any_kind_are_taken_or_refused(readings, weights):
    try:
        assert 1 <= fuse(readings, weights).mood <= 5
    except InputError as refusal:
        assert refusal.code in ("weight_invalid", "weight_unknown")


@st.composite
def analyses(draw) -> Analysis:
    seconds = st.floats(0, 600, width=32)
    times = sorted(draw(st.lists(seconds, min_size=2, max_size=2)))
    segments = (Segment(times[0], times[1], draw(st.text(min_size=1))),) if draw(st.booleans()) else ()
    shown = [FaceFrame(draw(seconds), (1, 2, 30, 40), draw(probabilities()), 1.0)]
    made = {
        "text": TextReading(draw(probabilities()), draw(SHARES), words=((draw(st.text(min_size=1)), draw(st.floats(-1, 1))),)),
        "speech": SpeechReading(draw(probabilities()), draw(SHARES), "calm", draw(st.none() | st.floats(60, 500)), -20.0),
        "face": FaceReading(draw(probabilities()), draw(SHARES), 1, 1, 1, tuple(shown)),
    }
    names = draw(st.sets(st.sampled_from(MODALITIES)))
    readings = {name: made[name] for name in MODALITIES if name in names}
    return Analysis(
        fusion=fuse(readings, draw(WEIGHTS) if readings else {}),
        modalities=readings,
        duration=draw(st.none() | seconds),
        transcript=draw(st.none() | st.builds(Transcript, st.text(), SHARES, st.text(), st.just(segments))),
        notes=tuple(draw(st.lists(st.builds(Message, st.sampled_from(["no_face", "no_voice"]))))),
        timings_ms={"total": draw(seconds)},
    )


@LAW
@given(analyses())
def test_an_analysis_that_is_parsed_is_the_same_again(analysis):
    given_out = json.loads(json.dumps(analysis.to_dict()))
    assert close(Analysis.from_dict(given_out).to_dict(), given_out)


def close(one, other) -> bool:
    """Whether they are the same but for the last digit, as moods are found anew from rounded probabilities."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == (pytest.approx(other, abs=2e-5) if isinstance(other, float) else other)


@LAW
@given(JSON | analyses().map(Analysis.to_dict), st.data())
def test_what_is_no_analysis_is_refused(parsed, data):
    for _ in range(3):  # damage in up to three places
        place = parsed
        while isinstance(place, dict) and place:
            key = data.draw(st.sampled_from(sorted(place, key=str)))
            if not isinstance(place[key], dict) or data.draw(st.booleans()):
                place[key] = data.draw(JSON)
                break
            place = place[key]
    try:
        Analysis.from_dict(parsed).to_dict()
    except InputError as refusal:
        assert refusal.code == "analysis_malformed" and str(refusal).encode()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "weights.yaml"


ENTRY = st.dictionaries(
    st.sampled_from("name source path repo revision files loader labels licence temperature fusion_weight megabytes".split()),
    JSON | st.sampled_from(["bundled", "hub", "pip", "remote", "local", "a/b", "ab" * 20, "onnx", "MIT"]),
)


@LAW
@given(st.text() | st.dictionaries(st.sampled_from(weights.ROLES), st.lists(ENTRY | JSON, max_size=2) | JSON).map(json.dumps))
@example("face: &a [*a]")
@example("!!python/object/apply:os.system [true]")
def test_a_weights_file_of_any_content_is_read_or_refused(file, content):
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        assert set(weights.read(file)) == set(weights.ROLES)
    except InputError as refusal:
        assert str(refusal).encode() and "\n" not in str(refusal)


@LAW
@given(st.sampled_from(sorted(messages.codes())), st.data())
def test_a_message_says_something_in_each_language_whatever_its_fields_hold(code, data):
    fields = {name: data.draw(JSON, label=name) for name in messages.codes()[code]}
    message = Message(code, fields)
    assert all(message.say(language) for language in messages.LANGUAGES)


@LAW
@given(st.sampled_from(sorted(messages.codes())), st.data())
def test_a_message_that_is_parsed_is_the_same_again(code, data):
    plain = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
    message = Message(code, {name: data.draw(plain | st.lists(plain, max_size=3)) for name in messages.codes()[code]})
    assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message


@LAW
@given(st.text(st.characters(exclude_characters="/\0"), min_size=1))
def test_a_name_is_one_line_that_can_be_shown(name):
    called = files.name_of(f"/folder/{name}")
    assert called.encode() and called.splitlines() in ([called], []) and "folder/" not in called
