"""Damaged files: a fixed few of them in each run of the tests. ``python -m tests.fuzz`` makes as many as wanted."""

import contextlib
import time
import urllib.request

from tests.fuzz import containers
from tests.fuzz.harness import ask, bait, decode

SEED = 20_260_000


def test_whatever_is_given_to_the_decoders_is_decoded_or_refused():
    outcome = decode(range(SEED, SEED + 40))
    assert not outcome.faults
    assert outcome.counts["decoded"] > 10 and len(outcome.counts) > 5  # the harm is not all of one kind


def test_whatever_is_given_to_the_app_is_answered_or_refused(app):
    outcome = ask(app, range(SEED + 100, SEED + 108))
    assert not outcome.faults
    assert outcome.counts["refused"]


def test_a_seed_makes_the_same_file_again_and_another_seed_another():
    originals = containers.seeds()
    files = [containers.case(seed, originals, "/bait") for seed in range(200)]
    assert files == [containers.case(seed, originals, "/bait") for seed in range(200)]
    assert len({content for _, content in files}) > 190
    assert {made_of.partition(":")[0] for made_of, _ in files} == {*originals, "none"}


def test_the_bait_tells_who_took_it(tmp_path):
    with bait(tmp_path) as laid:
        assert not laid.touched
        laid.file.read_bytes()
        assert laid.touched
    with bait(tmp_path) as laid:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(laid.address, timeout=0.2)
        end = time.monotonic() + 30  # the visit is counted in a thread of its own
        while not laid.touched and time.monotonic() < end:
            time.sleep(0.01)
        assert laid.touched
