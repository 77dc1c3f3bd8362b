"""The one format of every interface."""

import dataclasses
import json

import numpy as np
import pytest

from emotion.fusion import fuse
from emotion.labels import LABELS
from emotion.messages import InputError, Message
from emotion.readings import (
    Analysis,
    FaceFrame,
    FaceReading,
    ModelInfo,
    Segment,
    Span,
    SpeechReading,
    TextReading,
    Transcript,
)

TOP_KEYS = (
    "mood label probabilities agreement mixed duration modalities transcript timeline warnings codes timings_ms models".split()
)


def vector(label, sureness=0.7):
    p = np.full(7, (1 - sureness) / 6, np.float32)
    p[LABELS.index(label)] = sureness
    return p


@pytest.fixture
def whole():
    readings = {
        "text": TextReading(vector("happy"), 0.4, words=(("glad", 0.3),)),
        "speech": SpeechReading(
            vector("neutral"), 0.9, "high", 212.04, -21.32, attention=np.array([0.25, 0.75], np.float32), attention_step=0.08
        ),
        "face": FaceReading(
            vector("sad"),
            0.8,
            1,
            5,
            4,
            (FaceFrame(0.2, (10, 20, 60, 60), vector("sad"), 1.0, np.full((6, 6), 1 / 36, np.float32)),),
        ),
    }
    return Analysis(
        fusion=fuse(readings, {"text": 1, "speech": 1, "face": 1}),
        modalities=readings,
        duration=6.4,
        transcript=Transcript("so glad", 0.4, "moonshine-tiny-en", (Segment(0.0, 1.9, "so glad"),)),
        timeline=(Span(0.0, 2.0, 3.4, {"speech": vector("neutral")}),),
        notes=(Message("no_model", {"role": "text", "why": Message("hub_answers", {"status": 500})}),),
        timings_ms={"total": 930.0},
        models={"speech": ModelInfo("bundled", "emotion-speech", "1")},
    )


def test_every_key_is_always_there(whole):
    empty = Analysis(fusion=fuse({}, {}), modalities={})
    assert list(whole.to_dict()) == TOP_KEYS == list(empty.to_dict())
    assert (
        empty.to_dict()["mood"]
        is empty.to_dict()["label"]
        is empty.to_dict()["probabilities"]
        is empty.to_dict()["transcript"]
        is None
    )
    assert empty.to_dict()["modalities"] == {}


def test_is_plain_json_with_labels_in_order(whole):
    data = json.loads(json.dumps(whole.to_dict(), allow_nan=False))
    assert data == whole.to_dict()
    assert list(data["probabilities"]) == list(LABELS) and abs(sum(data["probabilities"].values()) - 1) < 1e-4
    assert data["modalities"]["speech"]["intensity"] == "high" and data["modalities"]["speech"]["pitch_hz"] == 212.0
    assert data["modalities"]["speech"]["attention"] == {"step": 0.08, "weights": [0.25, 0.75]}
    assert data["modalities"]["face"]["frames"][0]["box"] == [10, 20, 60, 60]
    assert data["modalities"]["face"]["frames"][0]["regions"] == [[0.028] * 6] * 6
    assert abs(sum(m["weight"] for m in data["modalities"].values()) - 1) < 1e-4
    assert data["transcript"]["segments"] == [{"start": 0.0, "end": 1.9, "text": "so glad"}]


def test_parsing_gives_the_same_back(whole):
    again = Analysis.from_dict(json.loads(json.dumps(whole.to_dict()))).to_dict()
    assert rounded(again) == rounded(whole.to_dict())


def test_each_warning_is_the_sentence_of_its_code(whole):
    data = dataclasses.replace(whole, fusion=fuse(whole.modalities, {})).to_dict()
    assert data["codes"] == [
        {"code": "no_model", "fields": {"role": "text", "why": {"code": "hub_answers", "fields": {"status": 500}}}},
        {"code": "weights_all_zero", "fields": {}},
    ]
    assert [Message.from_dict(code).say() for code in data["codes"]] == data["warnings"]
    again = Analysis.from_dict(data)
    assert again.to_dict()["codes"] == data["codes"]
    refused = dataclasses.replace(again, fusion=fuse(again.modalities, {"text": 1})).to_dict()
    assert refused["codes"] == data["codes"][:1]  # what was said of the weights goes with them


def rounded(value):
    """To four decimals: the last one may change when float32 probabilities are brought to the sum 1."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def nested(times):
    """A message that holds a message that holds a message."""
    message = {"code": "no_face", "fields": {}}
    for _ in range(times):
        message = {"code": "no_model", "fields": {"role": "text", "why": message}}
    return message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: {**d, "codes": [nested(30)]},
        lambda d: {**d, "codes": [nested(450)]},
        *(
            lambda d, code=code: {**d, "codes": [code]}
            for code in (
                "no_face",
                {"code": "no_face"},
                {"code": "never_heard_of", "fields": {}},
                {"code": "no_face", "fields": {"more": 1}},
                {"code": "no_model", "fields": {"role": "text", "why": {"code": "no_face", "fields": {"more": 1}}}},
            )
        ),
        lambda d: None,
        lambda d: [],
        lambda d: {},
        lambda d: {**d, "modalities": {"gesture": d["modalities"]["text"]}},
        lambda d: {**d, "modalities": {"text": {**d["modalities"]["text"], "probabilities": {"happy": 1.0}}}},
        lambda d: {
            **d,
            "modalities": {"text": {**d["modalities"]["text"], "probabilities": dict.fromkeys(LABELS, float("nan"))}},
        },
        lambda d: {**d, "modalities": {"text": {**d["modalities"]["text"], "reliability": 7}}},
        lambda d: {**d, "modalities": {"speech": {**d["modalities"]["speech"], "attention": {"step": 0.1, "weights": [[1]]}}}},
        lambda d: {**d, "modalities": {"speech": {**d["modalities"]["speech"], "attention": {"step": 0.1, "weights": [-1]}}}},
        lambda d: {
            **d,
            "modalities": {"speech": {**d["modalities"]["speech"], "attention": {"step": float("nan"), "weights": []}}},
        },
        lambda d: {
            **d,
            "modalities": {
                "face": {**d["modalities"]["face"], "frames": [{**d["modalities"]["face"]["frames"][0], "regions": [1, 2]}]}
            },
        },
    ],
)
def test_what_is_no_analysis_is_refused(whole, spoil):
    with pytest.raises(InputError):
        Analysis.from_dict(spoil(whole.to_dict()))


def test_results_are_frozen(whole):
    with pytest.raises(dataclasses.FrozenInstanceError):
        whole.duration = 1.0
