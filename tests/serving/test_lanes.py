"""Whose turn it is: bounded, fair between visitors and between their addresses, with an honest estimate."""

import contextlib
import threading
import time

import numpy as np
import pytest
import soundfile as sf

from emotion import media
from emotion.messages import InputError
from emotion.serving import lanes as lanes_module
from emotion.serving.lanes import CLIP_S, LANES, LEAST_BYTES_A_SECOND, Lane, Lanes, lane_of
from tests.clips import ASTRONAUT, GLAD

PATIENCE_S = 30  # for another thread, on a busy machine


class Gone(Exception):
    pass


class Crowd:
    """Requests in threads of their own. ``begun`` names them in the order of their turns; each ends when it is told to."""

    def __init__(self, **lane):
        self.now = 0.0
        self.lanes = Lanes({"one": Lane(**{"running": 1, "waiting": 24, "seconds": 5.0} | lane)}, lambda: self.now)
        self.begun, self.refused, self.gone = [], [], []
        self.ends, self.threads = {}, {}

    @property
    def state(self):
        return self.lanes.states()["one"]

    def ask(self, name, *visitor, waits=lambda seconds: None, fails=False):
        """A request of a visitor, which is in the lane when this returns. It comes a second after the last."""
        self.now += 1
        self.ends[name] = threading.Event()

        def request():
            try:
                with self.lanes.turn("one", visitor, waits):
                    self.begun.append(name)
                    assert self.ends[name].wait(PATIENCE_S)
                    if fails:
                        raise Gone
            except InputError as e:
                self.refused.append((name, e.code, e.fields["seconds"]))
            except Gone:
                self.gone.append(name)

        before = self.known
        self.threads[name] = threading.Thread(target=request, daemon=True)
        self.threads[name].start()
        until(lambda: self.known > before)

    @property
    def known(self):
        return len(self.begun) + len(self.refused) + len(self.gone) + self.state.waiting

    def end(self, name, seconds=1.0):
        self.now += seconds
        running = len(self.begun)
        waiting = self.state.waiting
        self.ends[name].set()
        self.threads[name].join(PATIENCE_S)
        if waiting:
            until(lambda: len(self.begun) > running)

    def end_all(self):
        for name in self.begun:  # grows while it is walked through
            if self.threads[name].is_alive():
                self.end(name)


def until(happened):
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(lanes_module, "TOLD_EVERY_S", 0.01)


def test_a_free_lane_lets_in_at_once_and_a_full_one_in_order():
    crowd = Crowd(running=2)
    for name in "abcd":
        crowd.ask(name, name)
    assert set(crowd.begun) == {"a", "b"} and crowd.state.waiting == 2
    crowd.end_all()
    assert crowd.begun[2:] == ["c", "d"]
    assert crowd.state.answered == 4 and crowd.state.running == crowd.state.waiting == 0


def test_ten_requests_of_one_do_not_delay_anothers_first():
    crowd = Crowd()
    for i in range(10):
        crowd.ask(f"greedy {i}", "here", "greedy")
    crowd.ask("first", "here", "other")
    crowd.ask("second", "here", "other")
    crowd.end_all()
    assert crowd.begun[:4] == ["greedy 0", "first", "greedy 1", "second"]
    assert crowd.begun[4:] == [f"greedy {i}" for i in range(2, 10)]


def test_many_sessions_of_one_address_count_as_one_beside_another_address():
    crowd = Crowd()
    for i in range(6):
        crowd.ask(f"many {i}", "address", f"session {i}")
    crowd.ask("alone", "elsewhere", "session")
    crowd.end_all()
    assert crowd.begun[:2] == ["many 0", "alone"]


def test_who_was_served_waits_no_longer_than_those_who_came_before():
    """Newcomers do not go ahead for ever."""
    crowd = Crowd()
    crowd.ask("a1", "a")
    crowd.ask("a2", "a")
    for i in range(5):
        crowd.ask(f"new {i}", f"new {i}")
        crowd.end(crowd.begun[-1])
    assert crowd.begun.index("a2") == 2  # after the one that came while its visitor was being served
    crowd.end_all()


def test_a_full_lane_refuses_with_the_seconds_that_its_queue_takes():
    crowd = Crowd(waiting=2, seconds=4.0)
    for name in "abcd":
        crowd.ask(name, name)
    until(lambda: crowd.refused)
    ((name, code, seconds),) = crowd.refused
    assert (name, code) == ("d", "busy") and crowd.state.refused == 1
    assert seconds == 2 * 4 + 4 - 3  # two wait, and one runs since three seconds
    assert crowd.state.wait_s == 9
    crowd.end_all()
    assert crowd.begun == ["a", "b", "c"]


def test_whoever_holds_the_most_places_of_a_full_lane_gives_one_up():
    crowd = Crowd(waiting=3)
    for i in range(4):
        crowd.ask(f"greedy {i}", "greedy")
    crowd.ask("other", "other")
    until(lambda: crowd.refused)
    assert [name for name, *_ in crowd.refused] == ["greedy 3"]
    crowd.end_all()
    assert "other" in crowd.begun and crowd.state.answered == 4


def test_the_estimate_follows_what_ran_lately():
    crowd = Crowd(seconds=5.0)
    for i in range(30):
        crowd.ask(f"{i}", "a")
        crowd.end(f"{i}", seconds=2.0)
    crowd.ask("now", "a")
    assert crowd.state.wait_s == pytest.approx(2.0)
    crowd.ask("waits", "b")
    assert crowd.state.wait_s == pytest.approx(2.0 + 1.0)
    crowd.end_all()


def test_what_failed_counts_in_no_estimate():
    crowd = Crowd(seconds=5.0)
    crowd.ask("fails", "a", fails=True)
    crowd.end("fails", seconds=0.0)
    crowd.ask("now", "a")
    assert crowd.state.wait_s == 5.0 and crowd.state.answered == 0
    crowd.end_all()


def test_who_waits_is_told_how_long_and_who_leaves_gives_up_the_place():
    crowd, told = Crowd(seconds=5.0), []
    leaves = threading.Event()

    def waits(seconds):
        told.append(seconds)
        if leaves.is_set():
            raise Gone

    crowd.ask("runs", "a")
    crowd.ask("leaves", "b", waits=waits)
    crowd.ask("stays", "c")
    until(lambda: told)
    leaves.set()
    crowd.threads["leaves"].join(PATIENCE_S)
    assert crowd.gone == ["leaves"] and crowd.state.waiting == 1
    assert 3.0 <= told[0] <= 4.0  # one runs since a second or two
    crowd.end_all()
    assert crowd.begun == ["runs", "stays"]


def test_lanes_do_not_wait_for_each_other():
    lanes = Lanes()
    with contextlib.ExitStack() as held:
        for name, lane in LANES.items():
            for i in range(lane.running):
                held.enter_context(lanes.turn(name, (str(i),)))
        assert [state.running for state in lanes.states().values()] == [lane.running for lane in LANES.values()]


def test_nothing_is_kept_of_visitors_who_are_served():
    lanes = Lanes()
    for i in range(50):
        with lanes.turn("text", ("address", str(i))):
            pass
    assert not lanes._queues["text"].ended


def test_what_takes_as_long_as_a_film_goes_with_the_films(tmp_path, video):
    long, headless = tmp_path / "long.wav", tmp_path / "headless"
    sf.write(long, np.zeros(round(16_000 * (CLIP_S + 1)), np.float32), 16_000)
    headless.write_bytes(bytes(round(LEAST_BYTES_A_SECOND * (CLIP_S - 1))))
    unknown = lambda path: media.Probe("audio", True, False, None)  # noqa: E731
    assert lane_of(media.probe, text="a") == "text"
    assert lane_of(media.probe, audio=GLAD) == lane_of(media.probe, video=GLAD) == lane_of(media.probe, image=ASTRONAUT) == "clip"
    assert lane_of(media.probe, audio=long) == lane_of(media.probe, video=video) == "film"
    assert lane_of(unknown, audio=headless) == "clip"
    headless.write_bytes(bytes(round(LEAST_BYTES_A_SECOND * (CLIP_S + 1))))
    assert lane_of(unknown, audio=headless) == "film"
