"""The whole, on clips that the project made: what answers, what is left out, and what is said about it."""

import dataclasses
import os
import signal
import threading

import numpy as np
import pytest
import soundfile
import torch

import emotion
from emotion import analyzer as analyzer_module
from emotion import media
from emotion.labels import LABELS
from emotion.media import MAX_TEXT_CHARS, limits
from emotion.messages import InputError, Message
from emotion.serving import transcription
from emotion.serving.slots import Serving, State
from emotion.sound import SAMPLE_RATE
from emotion.speech.recogniser import MAX_SEGMENTS
from emotion.text.recogniser import MAX_WORDS
from tests.clips import ASTRONAUT, GLAD


@pytest.fixture(scope="module")
def whole(analyzer, video):
    return analyzer.analyze(video=video)


def test_a_video_is_read_by_all_three(whole):
    assert list(whole.modalities) == ["text", "speech", "face"]
    assert 1 <= whole.mood <= 5 and whole.label in LABELS and 0 <= whole.agreement <= 1
    assert whole.probabilities.dtype == np.float32 and abs(whole.probabilities.sum() - 1) < 1e-5
    assert set(whole.models) == {"text", "speech", "face", "detector", "transcript"}
    assert {"media", "transcript", "text", "speech", "face", "total"} == set(whole.timings_ms)
    assert whole.timings_ms["total"] >= whole.timings_ms["face"] > 0
    assert whole.transcript.text and 0 < whole.transcript.confidence <= 1
    assert whole.media.samples is not None and whole.media.frames


def test_the_smile_of_the_photograph_is_seen(whole):
    face = whole.modalities["face"]
    assert LABELS[face.probabilities.argmax()] == "happy" and face.mood > 4
    assert face.frames_with_face >= 0.8 * face.frames_sampled > 0 and len(face.frames) == face.frames_with_face
    assert sum(frame.weight for frame in face.frames) == pytest.approx(1, abs=1e-4)


def test_the_timeline_covers_the_clip(whole):
    assert whole.timeline[0].start == 0 and whole.timeline[-1].end == pytest.approx(whole.duration, abs=0.5)
    assert all(1 <= span.mood <= 5 and span.modalities for span in whole.timeline)


def test_the_answer_says_what_counted(whole):
    voice, face, words = (whole.modalities[name] for name in ("speech", "face", "text"))
    assert voice.attention.sum() == pytest.approx(1, abs=1e-4) and (voice.attention >= 0).all()
    assert len(voice.attention) * voice.attention_step == pytest.approx(whole.duration, abs=0.2)
    assert [word for word, _ in words.words] == whole.transcript.text.lower().split()
    for frame in face.frames:
        assert frame.regions.shape == (6, 6) and frame.regions.sum() == pytest.approx(1, abs=1e-4) and (frame.regions >= 0).all()


def test_a_word_counts_by_what_is_lost_without_it(analyzer):
    reading = analyzer.text.read("I am furious about the delivery today")
    counted = dict(reading.words)
    assert max(counted, key=counted.get) == "furious" and counted["furious"] > 0.2
    without = analyzer.text.predict(["I am about the delivery today"])[0]
    assert reading.probabilities[0] - without[0] > 0.2  # as the hidden word says
    assert all(-1 <= weight <= 1 for _, weight in reading.words)


@pytest.mark.parametrize("text", ["!", "a", "so " * 500, "\u00e9t\u00e9 \u4f60\u597d ok", "word" * 300])
def test_words_of_odd_texts(analyzer, text):
    reading = analyzer.text.read(text)
    assert reading is None if text == "!" else len(reading.words) == min(len(text.split()), MAX_WORDS)


def test_attention_of_a_long_recording_stays_short(analyzer):
    said, rate = soundfile.read(GLAD, dtype="float32")
    minutes = np.tile(said, -(-150 * rate // len(said)))
    voice = analyzer.speech.read(minutes)
    assert len(voice.attention) <= MAX_SEGMENTS and voice.attention.sum() == pytest.approx(1, abs=1e-4)
    assert len(voice.attention) * voice.attention_step == pytest.approx(len(minutes) / rate, abs=0.5)


def test_what_speaks_for_a_label_adds_up_to_its_logit(analyzer):
    faces = torch.randn(3, 1, 48, 48)
    ensemble = analyzer.face.ensemble
    with torch.inference_mode():
        logits = torch.stack([member(faces) for member in ensemble.members]).mean(dim=0)
        torch.testing.assert_close(ensemble.evidence(faces).mean((2, 3)), logits, atol=1e-4, rtol=1e-3)


def test_a_given_text_replaces_the_transcription(analyzer, video):
    analysis = analyzer.analyze(text="I am so happy today!", video=video)
    assert analysis.transcript.engine == "typed" and "transcript" not in analysis.timings_ms
    assert LABELS[analysis.modalities["text"].probabilities.argmax()] == "happy" and analysis.modalities["text"].reliability == 1


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("I am so happy, this is the best day of my life", 4, 5),
        ("I had cereal for breakfast and then took the bus to work", 2.6, 3.6),
        ("I feel so sad and alone, I cried all night", 1, 2),
        ("this makes me furious, I hate it", 1, 2.2),
    ],
)
def test_the_mood_of_plain_sentences(analyzer, text, low, high):
    assert low <= analyzer.analyze(text=text).mood <= high


def test_case_punctuation_and_emoji_decide_nothing(analyzer):
    plain, loud = analyzer.text.predict(
        ["i lost my dog and i miss him", "I LOST my dog, and I miss him \N{FACE WITH TEARS OF JOY}"]
    )
    assert plain.argmax() == loud.argmax() == LABELS.index("sad")


def test_a_text_counts_by_how_far_its_words_are_known(analyzer):
    plain, foreign, letters = (
        analyzer.text.read(text).reliability
        for text in (
            "i passed the exam but my best friend didn't",
            "Ich bin heute sehr glücklich über das Wetter",
            "xqzt kfjw plmqz wqrtz",
        )
    )
    assert plain == 1 and letters < 0.25 < foreign < 0.7
    assert analyzer.text.read("i passed the exam", confidence=0.4).reliability == pytest.approx(0.4)


def test_a_long_text_is_read_to_its_end(analyzer):
    filler = "the meeting is on tuesday in the large room. " * 40
    with_end, without = analyzer.text.predict([filler + "i am terribly sad and i want to cry. " * 20, filler])
    assert with_end[LABELS.index("sad")] > without[LABELS.index("sad")] + 0.1


def test_samples_and_file_give_the_same_voice(analyzer):
    import soundfile

    samples, rate = soundfile.read(GLAD, dtype="float32")
    one = analyzer.analyze(audio=GLAD, transcribe=False).modalities["speech"]
    other = analyzer.analyze(audio=(samples, rate), transcribe=False).modalities["speech"]
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)
    assert one.intensity in ("calm", "neutral", "low", "high") and 60 < one.pitch_hz < 500 and -60 < one.energy_db < 0


def test_how_a_sentence_is_said_moves_the_answer(analyzer):
    """And how near the microphone is does not."""
    calm, lively = (soundfile.read(GLAD.parent / f"{name}.flac", dtype="float32")[0] for name in ("calm", "lively"))
    readings = [analyzer.speech.read(samples) for samples in (calm, lively, 0.3 * lively)]
    assert [LABELS[reading.probabilities.argmax()] for reading in readings] == ["neutral", "happy", "happy"]
    assert readings[1].mood > readings[0].mood + 0.3
    assert np.abs(readings[2].probabilities - readings[1].probabilities).max() < 0.02
    assert readings[0].intensity == "calm" and readings[2].energy_db == pytest.approx(readings[1].energy_db - 10.5, abs=0.2)


def test_audio_given_beside_a_video_replaces_its_sound(analyzer, video):
    silent = (np.zeros(2 * SAMPLE_RATE, np.float32), SAMPLE_RATE)
    assert set(analyzer.analyze(audio=silent, video=video).modalities) == {"face"}


def test_a_picture(analyzer):
    analysis = analyzer.analyze(image=ASTRONAUT)
    assert set(analysis.modalities) == {"face"} and analysis.duration is None and analysis.label == "happy"
    assert analysis.to_dict()["modalities"]["face"]["frames_sampled"] == 1


def codes(analysis):
    return [message.code for message in analysis.codes]


@pytest.mark.parametrize("sound", ["silence", "noise", "tone"])
def test_sound_without_speech_is_no_voice(analyzer, sound):
    n = 10 * SAMPLE_RATE
    samples = {
        "silence": np.zeros(n),
        "noise": np.random.default_rng(0).standard_normal(n) * 0.1,
        "tone": 0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / SAMPLE_RATE),
    }[sound]
    analysis = analyzer.analyze(audio=(samples.astype(np.float32), SAMPLE_RATE))
    assert analysis.modalities == {} and analysis.mood is analysis.label is analysis.agreement is analysis.probabilities is None
    assert "no_voice" in codes(analysis) and analysis.duration == pytest.approx(10, abs=0.01)


def test_a_picture_without_a_face(analyzer):
    analysis = analyzer.analyze(image=np.full((300, 400, 3), 128, np.uint8))
    assert analysis.mood is None and codes(analysis) == ["no_face", "nothing_to_read"]


def test_nothing_given_is_a_normal_result(analyzer):
    for blank in (None, "", "  \n", "\N{WAVING HAND SIGN}"):
        analysis = analyzer.analyze(text=blank)
        assert analysis.mood is None and "nothing_to_read" in codes(analysis)


def test_another_language_leaves_the_words_out(analyzer):
    analysis = analyzer.analyze(audio=GLAD, language="de")
    assert set(analysis.modalities) == {"speech"} and codes(analysis) == ["language_not_written"]


def test_refusals_come_before_any_model_loads(tmp_path):
    fresh = emotion.load("bundled")
    renamed = tmp_path / "notes.wav"
    renamed.write_text("these are notes")
    (tmp_path / "empty.wav").touch()
    for given in (
        {"audio": tmp_path / "missing.wav"},
        {"audio": tmp_path / "empty.wav"},
        {"audio": renamed},
        {"audio": ASTRONAUT},
        {"image": GLAD},
        {"video": ASTRONAUT},
        {"video": GLAD, "image": ASTRONAUT},
        {"text": "x" * (MAX_TEXT_CHARS + 1)},
        {"audio": (np.zeros(0, np.float32), SAMPLE_RATE)},
    ):
        with pytest.raises(InputError) as refusal:
            fresh.analyze(**given)
        assert len(str(refusal.value)) > 15 and "\n" not in str(refusal.value)
    assert {status.state for status in fresh.status().values()} == {State.WAITING}
    fresh.close()


def test_one_modality_that_fails_leaves_the_others(analyzer, video, monkeypatch):
    def broken(samples):
        raise MemoryError("out of luck")

    monkeypatch.setattr(analyzer.speech, "read", broken)
    analysis = analyzer.analyze(video=video, transcribe=False)
    (note,) = analysis.codes
    assert set(analysis.modalities) == {"face"} and note.code == "modality_left_out" and note.fields["modality"] == "speech"
    assert "out of luck" not in str(note)


def test_words_that_cannot_be_read_are_still_written_down(analyzer, monkeypatch):
    monkeypatch.setattr(analyzer.text, "read", lambda *_: 1 / 0)
    analysis = analyzer.analyze(audio=GLAD)
    assert set(analysis.modalities) == {"speech"} and "wonderful" in analysis.transcript.text
    (note,) = analysis.codes
    assert note.code == "modality_left_out" and note.fields["modality"] == "text"
    assert {"transcript", "text"} <= set(analysis.timings_ms) and set(analysis.models) == {"speech", "transcript"}


def test_speech_to_text_past_its_limit_leaves_the_others(analyzer, video, monkeypatch):
    monkeypatch.setattr(limits, "TRANSCRIPT_TIMEOUT_S", 0.05)
    monkeypatch.setattr(limits, "TRANSCRIPT_RATE", 0.0)
    analysis = analyzer.analyze(video=video)
    assert set(analysis.modalities) == {"speech", "face"} and analysis.notes[0].fields["why"].code == "took_too_long"


def test_no_model_changes_within_an_analysis(analyzer, video, monkeypatch):
    slot = analyzer.slots["text"]
    before = slot.get()
    better = Serving(dataclasses.replace(before.choice, name="better"), before.model)
    heard = analyzer.transcribed

    def meanwhile(samples, language, engine):
        monkeypatch.setattr(slot, "_serving", better)
        return heard(samples, language, engine)

    monkeypatch.setattr(analyzer, "transcribed", meanwhile)
    assert analyzer.analyze(video=video).models["text"].name == before.choice.name
    assert analyzer.analyze(text="so glad").models["text"].name == "better"


class LeftError(Exception):
    pass


def test_an_analysis_that_nobody_waits_for_ends_with_its_tasks(analyzer, monkeypatch):
    """Those of speech to text, of a minute of sound: they would take longer than all else."""
    tasks, started = [], threading.Event()
    heard = analyzer.transcribed

    def watched(*arguments):
        tasks.append(heard(*arguments))
        started.set()
        return tasks[-1]

    def progress(share, stage):
        if started.is_set():
            raise LeftError

    monkeypatch.setattr(analyzer, "transcribed", watched)
    noise = np.random.default_rng(0).normal(0, 0.1, 60 * SAMPLE_RATE).astype(np.float32)
    with pytest.raises(LeftError):
        analyzer.analyze(audio=(noise, SAMPLE_RATE), progress=progress)
    assert tasks[0].cancelled()
    assert analyzer.analyze(text="and the next").label is not None


def test_progress_is_told_again_and_again(analyzer, glad, monkeypatch):
    monkeypatch.setattr(analyzer_module, "TOLD_EVERY_S", 0.01)
    told = []
    analyzer.analyze(audio=(glad, SAMPLE_RATE), progress=lambda share, stage: told.append((share, stage.code)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] <= 1
    assert len(told) > 4 and {code for _, code in told} == {"reading_file", "modality_read"}


class Unanswering:
    def read(self, *_):
        raise InputError("remote_off")


def test_where_a_service_does_not_answer_the_bundled_model_does(analyzer, monkeypatch):
    slot = analyzer.slots["text"]
    choice = slot.get().choice
    service = Serving(dataclasses.replace(choice, name="a service", source="remote"), Unanswering())
    monkeypatch.setattr(slot, "_serving", service)
    analysis = analyzer.analyze(text="I am so happy")
    assert analysis.models["text"].name == choice.name and analysis.label == "happy"
    told = {"role": "text", "model": "a service", "fallback": choice.name, "why": Message("remote_off")}
    assert analysis.codes == (Message("model_fell_back", told),)


def test_other_weights_fuse_the_same_readings(analyzer, whole):
    for name, reading in whole.modalities.items():
        alone = analyzer.with_weights(whole, {name: 1})
        np.testing.assert_allclose(alone.probabilities, reading.probabilities, atol=1e-6)
        assert alone.modalities is whole.modalities
    assert analyzer.with_weights(whole, analyzer.weights).mood == pytest.approx(whole.mood)


def test_a_corrected_text_changes_text_and_fusion_only(analyzer, whole):
    corrected = analyzer.with_text(whole, "I am heartbroken and sad")
    assert corrected.transcript.engine == "typed" and LABELS[corrected.modalities["text"].probabilities.argmax()] == "sad"
    assert corrected.modalities["face"] is whole.modalities["face"] and corrected.mood < whole.mood
    removed = analyzer.with_text(whole, "  ")
    assert set(removed.modalities) == {"speech", "face"} and removed.transcript is None


def test_a_parsed_result_fuses_to_the_same_answer(analyzer, whole):
    parsed = emotion.Analysis.from_dict(whole.to_dict())
    again = analyzer.with_weights(parsed, analyzer.weights)
    assert again.mood == pytest.approx(whole.mood, abs=1e-4) and again.label == whole.label


# --- faults


METHOD = {"text": "logits", "speech": "hear", "face": "see", "detector": "detect"}


@pytest.mark.parametrize("name", METHOD)
@pytest.mark.parametrize("fault", ["raises", "hangs", "no numbers"])
def test_a_model_that_fails_leaves_the_others_and_the_next_answer_is_whole(analyzer, video, monkeypatch, name, fault):
    model, released = analyzer.slots[name].get().model, threading.Event()
    given = {"video": video, "text": "I am so happy today"}
    with monkeypatch.context() as patch:
        if fault == "raises":
            patch.setattr(model, METHOD[name], lambda *_, **__: 1 / 0)
        elif fault == "hangs":
            patch.setattr(limits, "READING_TIMEOUT_S", 3.0)
            patch.setattr(model, METHOD[name], lambda *_, **__: released.wait(60))
        elif name == "detector":
            patch.setattr(model, "_scored", lambda square, plain=model._scored: [np.full_like(a, np.nan) for a in plain(square)])
        else:
            patch.setattr(model, "calibrated", lambda logits, plain=model.calibrated: plain(np.full_like(logits, np.nan)))
        analysis = analyzer.analyze(**given)
    released.set()
    left_out = "face" if name == "detector" else name
    assert set(analysis.modalities) == {"text", "speech", "face"} - {left_out}
    (note,) = analysis.codes
    if (name, fault) == ("detector", "no numbers"):
        assert note.code == "no_face"
    else:
        why = {"raises": "unexpected_error", "hangs": "took_too_long", "no numbers": "scores_not_numbers"}[fault]
        assert (note.code, note.fields["modality"], note.fields["why"].code) == ("modality_left_out", left_out, why)
    whole = analyzer.analyze(**given)
    assert set(whole.modalities) == {"text", "speech", "face"} and whole.codes == ()


def test_speech_to_text_that_dies_leaves_the_others(analyzer, monkeypatch):
    monkeypatch.setattr(transcription, "transcribe", die)
    analysis = analyzer.analyze(audio=GLAD)
    assert set(analysis.modalities) == {"speech"} and analysis.notes[0].fields["why"].fields == {"error": "WorkerError"}
    monkeypatch.undo()
    assert set(analyzer.analyze(audio=GLAD).modalities) == {"text", "speech"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(analyzer, value):
    samples = soundfile.read(GLAD, dtype="float32")[0]
    samples[1000:1003] = value
    for read in (lambda: analyzer.speech.predict([samples]), lambda: analyzer.speech.read(samples)):
        with pytest.raises(InputError, match="3 are NaN or infinite"):
            read()


def test_a_decoder_that_dies_costs_one_half_of_one_film(analyzer, video, monkeypatch):
    monkeypatch.setattr(media, "decode_audio", die)
    analysis = analyzer.analyze(video=video)
    assert set(analysis.modalities) == {"face"}
    assert {note.fields["why"].code for note in analysis.codes} == {"decoder_failed"}
    with pytest.raises(InputError, match="crashes the decoder"):
        analyzer.analyze(audio=GLAD)
    monkeypatch.undo()
    assert set(analyzer.analyze(audio=GLAD).modalities) == {"text", "speech"}


def die(*_):
    """In place of what runs in a process of its own."""
    os.kill(os.getpid(), signal.SIGKILL)
