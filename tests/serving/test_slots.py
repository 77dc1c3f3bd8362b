"""Which model serves: laws of a slot and of the deadline, with choices and loaders of the test's own."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from emotion.checkpoint import Choice
from emotion.messages import InputError, Message
from emotion.serving import hub
from emotion.serving.slots import DEADLINE_S, Fetcher, Slot, State, Status

HUB = Choice("better", "hub", "0" * 40, "MIT", repo="a/b", files={"model.safetensors": None}, megabytes=1.0)
OWN = Choice("own", "bundled", "1", "MIT", path=Path("own"))
SERVICE = Choice("service", "remote", "1", "MIT", repo="a/c", loader="inference")
PATIENCE_S = 20


class Models:
    """Loads and fetches what it is told to, and counts."""

    def __init__(self, refused=(), unreachable=False):
        self.refused, self.unreachable = refused, unreachable
        self.loaded, self.fetched = [], []
        self.arrive = threading.Event()
        self.arrive.set()

    def load(self, choice):
        self.loaded.append(choice.name)
        if choice.name in self.refused:
            raise InputError("model_without_tokenizer", model=choice.name)
        return f"model {choice.name} of {choice.path}"

    def fetch(self, choice):
        self.fetched.append(choice.name)
        assert self.arrive.wait(PATIENCE_S)
        if self.unreachable:
            raise InputError("hub_unreachable")
        return Path("fetched")

    def slot(self, *choices, kind=Slot):
        return kind("text", choices, self.load, self.fetch)


def test_the_best_that_can_be_had_serves_and_the_rest_is_not_touched():
    models = Models()
    slot = models.slot(HUB, OWN)
    assert slot.status == Status(State.WAITING) and slot.expected() is OWN
    assert slot.get().model == "model better of fetched" and slot.status == Status(State.READY, model="better")
    assert models.loaded == ["better"] and slot.expected().path == Path("fetched")
    broken = Models(refused=("mine",))
    mine = dataclasses.replace(OWN, name="mine", source="local")
    assert broken.slot(mine, OWN).get().choice is OWN and broken.loaded == ["mine", "own"]
    own_first = Models()
    assert own_first.slot(OWN, HUB).get().choice is OWN and own_first.fetched == []


def test_what_cannot_be_had_is_said_and_the_bundled_model_serves():
    for models, why in (
        (Models(unreachable=True), Message("hub_unreachable")),
        (Models(refused=("better",)), Message("model_without_tokenizer", {"model": "better"})),
    ):
        slot = models.slot(HUB, OWN)
        assert slot.get().choice is OWN and slot.status == Status(State.BUNDLED, reason=(why,), model="own")


def test_nothing_at_all_is_an_error_that_says_why_and_is_tried_again():
    models = Models(refused=("better", "own"))
    slot = models.slot(HUB, OWN)
    with pytest.raises(InputError, match=r"better has no tokenizer\.json; own has no tokenizer\.json") as raised:
        slot.get()
    assert slot.status == Status(State.FAILED, reason=raised.value.fields["why"])
    models.refused = ()
    assert slot.get().choice.name == "better"


def test_an_error_says_why_even_while_another_thread_tries_again():
    class Busy(Slot):
        def settle(self):
            refused = super().settle()
            self._status = Status(State.LOADING)  # as the other thread would
            return refused

    with pytest.raises(InputError, match=r"own has no tokenizer\.json"):
        Models(refused=("own",)).slot(OWN, kind=Busy).get()


def test_what_is_settled_stays_when_it_is_warmed_again():
    for choice, state in ((HUB, State.READY), (SERVICE, State.REMOTE)):
        models = Models()
        slot = models.slot(choice, OWN)
        slot.settle()
        slot.warm()
        assert slot.status == Status(state, model=choice.name) and models.loaded == [choice.name]


def test_of_the_fallback_nothing_is_kept_once_a_better_one_serves():
    models = Models()
    slot = models.slot(HUB, OWN)
    slot.warm()
    assert models.loaded == ["own", "better"] and slot.now().choice.name == "better"
    slot.fallback()
    assert models.loaded == ["own", "better", "own"]  # it had to be loaded again


def test_a_model_loads_once_however_many_ask():
    models = Models()
    slot = models.slot(OWN)
    threads = [threading.Thread(target=slot.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert models.loaded == ["own"]


def test_the_bundled_model_answers_while_a_better_one_is_on_its_way_and_then_gives_way():
    models = Models()
    models.arrive.clear()
    slot = models.slot(HUB, OWN)
    warming = threading.Thread(target=slot.warm)
    warming.start()
    first = slot.get()  # does not wait for the download
    end = time.monotonic() + PATIENCE_S
    while slot.status.state is not State.DOWNLOADING and time.monotonic() < end:
        time.sleep(0.01)
    assert first.choice is OWN and slot.status.state is State.DOWNLOADING and slot.status.passing
    models.arrive.set()
    warming.join(PATIENCE_S)
    assert slot.get().choice.name == "better" and slot.status == Status(State.READY, model="better")
    assert first.model == "model own of own"  # whoever began with it goes on with it
    assert models.loaded == ["own", "better"]


def test_a_service_keeps_a_spare():
    models = Models()
    slot = models.slot(SERVICE, OWN)
    assert slot.get().choice is SERVICE and slot.status == Status(State.REMOTE, model="service")
    assert slot.fallback().choice is OWN and slot.fallback() is slot.fallback()
    assert models.slot(SERVICE).fallback() is None


def test_share_fetched_grows_with_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    blobs = tmp_path / "models--a--b" / "blobs"
    assert hub.share_fetched(HUB) == 0
    blobs.mkdir(parents=True)
    (blobs / "x.incomplete").write_bytes(bytes(250_000))
    assert hub.share_fetched(HUB) == 0.25
    (blobs / "y").write_bytes(bytes(2_000_000))
    assert hub.share_fetched(HUB) == 0.99
    assert hub.share_fetched(SERVICE) is None


def test_the_deadline_ends_a_download_that_hangs(monkeypatch):
    monkeypatch.setattr(hub, "cached", lambda choice: None)
    monkeypatch.setattr(hub, "fetch", time.sleep)  # a function that a worker can import
    fetch = Fetcher(deadline_s=3.0)
    with pytest.raises(InputError, match="within 3 s"):
        fetch(PATIENCE_S)
    assert fetch._workers is None
    with pytest.raises(InputError, match="within 3 s"):  # the next has time of its own
        fetch(PATIENCE_S)


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", "inf"])
def test_a_deadline_that_is_none_is_refused(monkeypatch, seconds):
    monkeypatch.setenv("EMOTION_HUB_DEADLINE", seconds)
    with pytest.raises(InputError, match="EMOTION_HUB_DEADLINE"):
        Fetcher()
    monkeypatch.delenv("EMOTION_HUB_DEADLINE")
    assert Fetcher().deadline_s == DEADLINE_S
