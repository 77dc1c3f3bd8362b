"""The live session: nothing of the sound is lost, nothing grows, nothing waits in line."""

import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import soundfile

from emotion import media
from emotion.analyzer import Analyzer
from emotion.checkpoint import Choice
from emotion.face.tracking import Follower, follow
from emotion.labels import LABELS
from emotion.live import session as live
from emotion.live.buffers import Latest, Ring, Tail
from emotion.live.columns import COLUMN, COLUMNS, ColumnBuffer
from emotion.live.session import LiveSession
from emotion.live.sessions import Sessions
from emotion.media import limits
from emotion.messages import InputError
from emotion.readings import Frame, Segment, SpeechReading, TextReading, Transcript
from emotion.serving import transcription
from emotion.serving.slots import Slot, Slots
from emotion.sound import SAMPLE_RATE
from tests.clips import ASTRONAUT, GLAD, blazeface

WAIT_S = 30  # for another thread, on a busy machine


def even(label: int) -> np.ndarray:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[label] = 0.7
    return probabilities


class Stub:
    """An analyzer without models but the face detector. ``heard``: what its voice model was given; ``label``: what it reads."""

    def __init__(self, label: int = 3):
        self.label = label
        self.answers = threading.Event()  # cleared, its voice model begins and does not end
        self.answers.set()
        self.foreign = False
        self.weights = {"text": 0.3, "speech": 0.4, "face": 0.3}
        self.heard: list[int] = []
        self.looked = 0
        self.failures = 0  # of the checks of phrases to come
        models = {
            "speech": SimpleNamespace(read=self.read_voice),
            "text": SimpleNamespace(read=lambda text, confidence, explained: TextReading(even(label), confidence)),
            "face": SimpleNamespace(look=self.look),
            "detector": blazeface(),
            "transcript": None,
        }
        choices = [Choice("stub", "bundled", "1", "MIT")]
        self.slots = Slots((role, Slot(role, choices, lambda _, model=model: model, None)) for role, model in models.items())

    def read_voice(self, samples: np.ndarray) -> SpeechReading:
        self.heard.append(len(samples))
        assert self.answers.wait(WAIT_S)
        return SpeechReading(even(self.label), 1.0, "neutral", 120.0, -20.0)

    def look(self, frame: Frame, sighting: object) -> np.ndarray:
        self.looked += 1
        return even(self.label)

    def speech_to_text(self, function, samples: np.ndarray, *arguments) -> Transcript:
        """Hears a phrase wherever the sound is loud, from its beginning to its end."""
        if function is transcription.checked:
            if self.failures:
                self.failures -= 1
                raise TimeoutError
            return Transcript("", 0.2, "stub", foreign=True) if self.foreign else arguments[0]
        loud = np.flatnonzero(np.abs(samples) > 0.05) / SAMPLE_RATE
        if not len(loud):
            return Transcript("", 0.0, "stub")
        text = f"words of {self.label}"
        return Transcript(text, 0.5, "stub", (Segment(float(loud[0]), float(loud[-1]), text),))


@pytest.fixture
def opened():
    """Makes sessions and ends them."""
    sessions: list[LiveSession] = []

    def make(analyzer: Stub | None = None, language: str = "en") -> LiveSession:
        sessions.append(LiveSession(analyzer or Stub(), language))
        return sessions[-1]

    yield make
    for session in sessions:
        session.finish()


def until(happened) -> None:
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def sound(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Noise without a voice, int16."""
    noise = np.random.default_rng(seed).normal(0, 3000, round(seconds * rate))
    return np.clip(noise, -32767, 32767).astype(np.int16)


def jpeg(shift: int = 0) -> bytes:
    picture = cv2.resize(cv2.imread(str(ASTRONAUT)), (480, 360))
    return cv2.imencode(".jpg", np.roll(picture, shift, axis=1))[1].tobytes()


# --- sound


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("seed", range(4))
def test_no_sound_is_lost_or_doubled_however_it_is_cut(opened, rate, seed):
    whole, generator = sound(7, rate, seed), np.random.default_rng(seed)
    session, at = opened(), 0
    while at < len(whole):
        size = int(generator.choice([0, 1, 3, 128, 999, 12_000, 40_000]))
        session.hear(whole[at : at + size], rate)
        at += size
    np.testing.assert_allclose(session.finish().samples, media.from_samples(whole, rate), atol=1e-6)


def test_a_packet_that_is_sent_again_counts_once(opened):
    whole, session = sound(4, 16_000), opened()
    for packet, start in ((0, 0), (0, 0), (1, 16_000), (0, 0), (1, 16_000), (2, 32_000), (3, 48_000)):
        session.hear(whole[start : start + 16_000], 16_000, packet)
    np.testing.assert_allclose(session.finish().samples, media.from_samples(whole, 16_000), atol=1e-6)
    with pytest.raises(InputError, match="packet 7"):
        session.hear(whole, 16_000, 7)


def test_the_rate_may_not_change(opened):
    session = opened()
    session.hear(sound(1, 48_000), 48_000)
    with pytest.raises(InputError, match="48,000 to 44,100"):
        session.hear(sound(1, 44_100), 44_100)


def test_ring_keeps_the_end():
    ring, numbers = Ring(1000), np.arange(5000, dtype=np.float32)
    for start in range(0, 5000, 700):
        ring.add(numbers[start : start + 700])
        end = min(start + 700, 5000)
        np.testing.assert_array_equal(ring.since(end - 10), numbers[end - 10 : end])
        np.testing.assert_array_equal(ring.since(0), numbers[max(0, end - 1000) : end])
    ring.add(np.arange(3000, dtype=np.float32))  # more than fits
    np.testing.assert_array_equal(ring.since(0), np.arange(2000, 3000))


def test_tail_gives_what_is_new():
    tail = Tail(3)
    for number in range(10):
        tail.add(number)
    assert (tail.since(8).first, tail.since(8).items) == (8, (8, 9))
    assert (tail.since(0).first, tail.since(0).items) == (7, (7, 8, 9))
    assert tail.since(10).items == () == tail.since(99).items


def test_columns_are_the_same_however_the_sound_is_cut():
    samples, generator = sound(13, SAMPLE_RATE).astype(np.float32) / 32767, np.random.default_rng(0)
    whole, parts, at = ColumnBuffer(), ColumnBuffer(), 0
    whole.add(samples)
    while at < len(samples):
        size = int(generator.integers(0, 9000))
        parts.add(samples[at : at + size])
        at += size
    one, other = whole.since(0), parts.since(0)
    assert one.first == other.first == 13 * SAMPLE_RATE // COLUMN - COLUMNS
    for name in ("low", "high", "bands"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_columns_show_a_tone_at_its_pitch_and_its_level():
    buffer, time_s = ColumnBuffer(), np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buffer.add((0.5 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32))
    columns = buffer.since(0)
    assert (columns.high[-1], columns.low[-1]) == (64, -64)
    strongest = np.geomspace(60, 8000, columns.bands.shape[1])[columns.bands[-1].argmax()]
    assert strongest == pytest.approx(1000, rel=0.07)


# --- what it keeps


def test_ten_minutes_leave_no_more_than_one(opened):
    session, second, picture = opened(), sound(1, 16_000), jpeg()
    kept = []
    for at in range(600):
        session.hear(second, 16_000)
        for part in range(8):
            session.see(picture, at + part / 8)
        if at in (90, 599):
            now = session.snapshot()
            parts = (
                now.columns.bands,
                now.points.items,
                now.phrases.items,
                session._pictures,
                session._views,
                session._sound.since(0),
            )
            kept.append([len(part) for part in parts])
    early, late = kept
    assert late[0] == COLUMNS
    assert late[1] <= live.POINTS
    assert late[3] <= live.KEPT_S * media.FRAME_RATE
    assert late[5] == early[5] == live.KEPT_S * SAMPLE_RATE
    finished = session.finish()
    assert len(finished.samples) == live.KEPT_S * SAMPLE_RATE
    assert len(finished.frames) <= media.MAX_FRAMES
    assert finished.frames[0].time >= 0
    assert finished.frames[-1].time <= live.KEPT_S
    assert len(session._follower._tracks) <= 10


def test_snapshots_do_not_change(opened):
    session = opened()
    session.hear(sound(2, 16_000), 16_000)
    before = session.snapshot()
    bands = before.columns.bands.copy()
    session.hear(sound(12, 16_000, seed=1), 16_000)
    np.testing.assert_array_equal(before.columns.bands, bands)
    with pytest.raises(ValueError, match="read-only"):
        before.columns.bands[0] = 0
    with pytest.raises(AttributeError):
        before.heard = 0.0


def test_snapshot_gives_only_what_is_new(opened):
    session = opened()
    session.hear(sound(4, 16_000), 16_000)
    columns = session.snapshot(column=75).columns
    assert (columns.first, len(columns.low)) == (75, 5)


# --- what it reads


def test_voice_face_and_words_are_read_and_fused(opened):
    samples, rate = soundfile.read(GLAD, dtype="int16")
    session = opened()
    session.hear(np.concatenate([samples, np.zeros(rate, np.int16)]), rate)
    end = len(samples) / rate + 1
    for step in range(40):
        session.see(jpeg(step % 5), end - 4 + step / 10)
        now = session.snapshot()
        if len(now.readings) == 3 and now.face:
            break
        time.sleep(0.1)
    until(lambda: len(session.snapshot().readings) == 3)
    now = session.snapshot()
    assert [name for name, _ in now.readings] == ["text", "speech", "face"]
    assert now.fusion.label == now.face.label == "happy"
    assert now.phrases.items[0].text == "words of 3"
    x, y, width, height = now.face.box
    assert 0.25 < x + width / 2 < 0.6
    assert 0.1 < y + height / 2 < 0.45
    assert now.points.items[-1].mood is not None


def test_only_the_newest_is_read_while_a_model_is_slow(opened):
    analyzer = Stub()
    analyzer.answers.clear()
    session = opened(analyzer)
    session.hear(sound(1, 16_000), 16_000)
    until(lambda: analyzer.heard)
    for _ in range(20):
        session.hear(sound(0.25, 16_000), 16_000)
    analyzer.answers.set()
    until(lambda: session.snapshot().voice_until == pytest.approx(6.0))
    assert analyzer.heard == [SAMPLE_RATE, live.VOICE_S * SAMPLE_RATE]


def test_pictures_between_two_looks_are_left_out(opened):
    analyzer = Stub()
    session = opened(analyzer)
    for step in range(200):
        session.see(jpeg(), step / 100)
    until(lambda: session.snapshot().looked == pytest.approx(1.99))
    assert analyzer.looked <= 50


def test_old_readings_do_not_count(opened):
    session = opened()
    session.hear(sound(2, 16_000), 16_000)
    until(lambda: session.snapshot().readings)
    session.see(jpeg(), 2.0 + live.VOICE_LASTS_S + 0.5)
    assert dict(session.snapshot().readings).get("speech") is None


def test_another_language_has_no_words(opened):
    samples, rate = soundfile.read(GLAD, dtype="int16")
    session = opened(language="other")
    session.hear(np.concatenate([samples, np.zeros(rate, np.int16)]), rate)
    until(lambda: session.snapshot().readings)
    time.sleep(2 * live.WORDS_EVERY_S)
    assert session.snapshot().phrases.items == ()


def test_two_sessions_do_not_mix(opened):
    one, other = opened(Stub(label=3)), opened(Stub(label=5))
    for session, seed in ((one, 1), (other, 2)):
        session.hear(sound(3, 16_000, seed), 16_000)
        session.see(jpeg(), 0.0)
    until(lambda: one.snapshot().readings and other.snapshot().readings)
    assert (one.snapshot().fusion.label, other.snapshot().fusion.label) == (LABELS[3], LABELS[5])
    for session, seed in ((one, 1), (other, 2)):
        np.testing.assert_allclose(session.finish().samples, media.from_samples(sound(3, 16_000, seed), 16_000), atol=1e-6)


@pytest.mark.parametrize(
    "picture, at", [(b"GIF89a", 0.0), (b"\xff\xd8\xff" + bytes(limits.LIVE_PICTURE_BYTES), 0.0), (None, float("nan"))]
)
def test_what_is_no_picture_is_refused(opened, picture, at):
    with pytest.raises(InputError):
        opened().see(picture or jpeg(), at)


def test_a_damaged_picture_harms_nothing(opened):
    session = opened()
    session.see(jpeg()[:2000], 0.0)
    session.see(b"\xff\xd8\xff" + b"nothing", 0.3)
    session.see(jpeg(), 0.6)
    until(lambda: session.snapshot().looked == 0.6)


def test_a_voice_model_that_fails_is_called_again():
    calls, done = [], threading.Event()

    def read() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise RuntimeError("once")
        done.set()

    reader = Latest("test", read, 0.01)
    until(lambda: reader.tell() or done.is_set())
    reader.close()


def test_words_are_shown_before_the_phrase_ends_and_then_replaced(opened):
    session = opened()
    session.hear(sound(2, 16_000), 16_000)
    until(lambda: session.snapshot().unfinished == "words of 3")
    assert session.snapshot().phrases.items == ()
    assert session.snapshot().words_until == pytest.approx(2.0)
    session.hear(np.zeros(16_000, np.int16), 16_000)
    until(lambda: session.snapshot().phrases.items)
    now = session.snapshot()
    assert ([phrase.text for phrase in now.phrases.items], now.unfinished) == (["words of 3"], "")
    assert dict(now.readings)["text"].reliability == pytest.approx(0.5)


def test_who_speaks_without_a_pause_is_written_down_all_the_same(opened):
    session = opened()
    session.hear(sound(live.PHRASE_S + 2, 16_000), 16_000)
    until(lambda: len(session.snapshot().phrases.items) == 1)
    session.hear(sound(0.3, 16_000), 16_000)
    until(lambda: session.snapshot().unfinished)
    assert len(session.snapshot().phrases.items) == 1
    assert live.PHRASE_S / 2 - 0.1 < session.snapshot().phrases.items[0].end <= live.PHRASE_S


def test_a_phrase_whose_check_fails_is_heard_again(opened):
    analyzer = Stub()
    analyzer.failures = 1
    session = opened(analyzer)
    session.hear(np.concatenate([sound(1, 16_000), np.zeros(32_000, np.int16)]), 16_000)
    until(lambda: analyzer.failures == 0)
    session.hear(np.zeros(8_000, np.int16), 16_000)
    until(lambda: session.snapshot().phrases.items)
    assert [phrase.text for phrase in session.snapshot().phrases.items] == ["words of 3"]


def test_phrases_in_another_language_are_left_out_and_told(opened):
    analyzer = Stub()
    analyzer.foreign = True
    session = opened(analyzer)
    session.hear(np.concatenate([sound(2, 16_000), np.zeros(16_000, np.int16)]), 16_000)
    until(lambda: session.snapshot().foreign)
    now = session.snapshot()
    assert (now.phrases.items, now.unfinished, dict(now.readings).get("text")) == ((), "", None)


@pytest.mark.parametrize(
    ("ends", "length", "ended", "until_s"),
    [
        ((), 5.0, 0, 5 - live.MARGIN_S),  # silence
        ((1.0,), 1.5, 0, 0.0),  # in the middle of it
        ((1.0,), 1.0 + live.PAUSE_S + 0.1, 1, 1.1 + live.PAUSE_S - live.MARGIN_S),
        ((1.0, 2.0), 2.1, 1, 1.0),  # the next has begun
    ],
)
def test_phrases_end_at_pauses(ends, length, ended, until_s):
    segments = [Segment(end - 1, end, "words") for end in ends]
    assert live.finished(segments, length) == ended
    assert live.transcribed_until(segments, ended, length) == pytest.approx(until_s)


def test_follower_sees_what_follow_sees():
    picture = cv2.cvtColor(cv2.resize(cv2.imread(str(ASTRONAUT)), (480, 360)), cv2.COLOR_BGR2RGB)
    film = [Frame(i / 8, np.roll(picture, 3 * i, axis=1)) for i in range(30)]
    follower = Follower()
    seen = [follower.see(frame, blazeface()) for frame in film]
    known = {sighting.time: sighting.box for sighting in follow(film, blazeface()).sightings}
    found = [sighting for sighting in seen if sighting is not None]
    assert len(found) >= 25
    for sighting in found:
        assert np.abs(np.subtract(sighting.box, known[sighting.time])).max() <= 12
    blank = np.full_like(picture, 128)
    assert [follower.see(Frame(10 + i, blank), blazeface()) for i in range(8)][-1] is None


def test_frames_of_a_stream_are_checked_as_any_input():
    analyzer, frame = Analyzer("bundled"), Frame(0.0, np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(InputError, match="61 frames"):
        analyzer.analyze(video=[frame] * 61)
    with pytest.raises(InputError, match="made of frames"):
        analyzer.analyze(video=[frame.image])


# --- many visitors


def test_sessions_are_few_and_forgotten_when_silent():
    now = [0.0]
    sessions = Sessions(Stub(), clock=lambda: now[0])
    tokens = [sessions.open() for _ in range(limits.LIVE_SESSIONS)]
    assert len(set(tokens)) == limits.LIVE_SESSIONS
    with pytest.raises(InputError, match="live here just now"):
        sessions.open()
    now[0] = limits.LIVE_IDLE_S
    assert sessions.get(tokens[0]) is not None
    now[0] += 1
    sessions.sweep()
    assert sessions.get(tokens[0]) is not None
    assert sessions.get(tokens[1]) is None
    assert sessions.get("something else") is None
    assert sessions.finish(tokens[0]) is not None
    assert sessions.get(tokens[0]) is None


def test_no_session_lasts_for_ever():
    now = [0.0]
    sessions = Sessions(Stub(), clock=lambda: now[0])
    token = sessions.open()
    while now[0] < limits.LIVE_LONGEST_S:
        assert sessions.get(token) is not None
        now[0] += limits.LIVE_IDLE_S / 2
        sessions.sweep()
    now[0] += 1
    sessions.sweep()
    assert sessions.get(token) is None


def test_a_closed_tab_gives_its_place_to_whoever_comes():
    now = [0.0]
    sessions = Sessions(Stub(), clock=lambda: now[0])
    tokens = [sessions.open() for _ in range(limits.LIVE_SESSIONS)]
    now[0] = 2.0
    for token in tokens[1:]:
        sessions.get(token)
    now[0] = 10.0
    assert sessions.get(tokens[2]) is not None
    newcomer = sessions.open()
    assert sessions.get(newcomer) is not None and sessions.get(tokens[0]) is None  # the one that was silent the longest
    assert all(
        sessions.get(token) is not None for token in tokens[1:]
    )  # the others were silent too, but nobody needed their place


def test_a_place_is_not_taken_from_a_connection_that_stalls_for_a_moment():
    now = [0.0]
    sessions = Sessions(Stub(), clock=lambda: now[0])
    for _ in range(limits.LIVE_SESSIONS):
        sessions.open()
    now[0] = limits.LIVE_AWAY_S
    with pytest.raises(InputError, match="live here just now"):
        sessions.open()


def test_the_minute_stays_for_another_try_and_holds_no_place():
    now = [0.0]
    sessions = Sessions(Stub(), clock=lambda: now[0])
    tokens = [sessions.open() for _ in range(limits.LIVE_SESSIONS)]
    whole = sound(3, 16_000)
    sessions.get(tokens[0]).hear(whole, 16_000)
    tries = []
    for _ in range(3):
        tries.append(sessions.finish(tokens[0]).finish().samples)
        now[0] += limits.LIVE_RETRY_S / 3
    for samples in tries:
        np.testing.assert_allclose(samples, media.from_samples(whole, 16_000), atol=1e-6)
    assert sessions.get(tokens[0]) is None
    sessions.sweep()
    assert sessions.finish(tokens[0]) is not None
    now[0] += 1
    sessions.sweep()
    assert sessions.finish(tokens[0]) is None


def test_of_finished_sessions_no_more_are_kept_than_there_are_places():
    sessions = Sessions(Stub())
    tokens = []
    for _ in range(limits.LIVE_SESSIONS + 1):
        tokens.append(sessions.open())
        sessions.finish(tokens[-1])
    assert [sessions.finish(token) is not None for token in tokens] == [False] + [True] * limits.LIVE_SESSIONS


def test_a_small_picture_that_unfolds_to_a_huge_one_is_refused(opened):
    blank = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))[1].tobytes()
    at = blank.index(b"\xff\xc0") + 5
    bomb = blank[:at] + (6000).to_bytes(2, "big") + (6000).to_bytes(2, "big") + blank[at + 4 :]
    with pytest.raises(InputError, match=r"6,000 x 6,000 = 36 million pixels; the limit is 2\.1"):
        opened().see(bomb, 0.0)
