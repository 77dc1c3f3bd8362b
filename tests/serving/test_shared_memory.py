"""Large arrays come through shared memory as they were, and through the pipe where there is none."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from emotion.readings import Frame
from emotion.serving import shared_memory
from emotion.serving.shared_memory import PIPE_BYTES, SharedMemory


@pytest.fixture
def memory():
    memory = SharedMemory()
    yield memory
    memory.close()


def frames(side=200):
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)
    return tuple(Frame(float(i), image) for i, image in enumerate(images))


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        assert one.time == other.time and one.image.dtype == other.image.dtype and (one.image == other.image).all()


def test_large_arrays_are_not_in_what_goes_through_the_pipe(memory):
    data, sizes = shared_memory.dumps(frames(), memory.place)
    assert sizes == (200 * 200 * 3,) * 3 and len(data) < 1000
    back = memory.loads(data, sizes)
    assert_same(frames(), back)
    back[0].image[:] = 0  # as of any array: whoever gets it may write to it, and each is its own
    assert_same(frames()[1:], back[1:])


def test_small_arrays_are(memory):
    small = np.zeros(PIPE_BYTES, np.uint8)
    data, sizes = shared_memory.dumps([small, np.zeros(PIPE_BYTES + 1, np.uint8)], memory.place)
    assert sizes == (PIPE_BYTES + 1,) and len(data) > PIPE_BYTES
    assert [len(array) for array in memory.loads(data, sizes)] == [PIPE_BYTES, PIPE_BYTES + 1]


def test_arrays_that_are_no_block_of_memory_come_back(memory):
    striped = np.arange(900_000).reshape(900, 1000)[:, ::3]
    assert (memory.loads(*shared_memory.dumps(striped, memory.place)) == striped).all()


def test_where_the_memory_is_closed_everything_goes_through_the_pipe(memory):
    gone = SharedMemory()
    place = gone.place
    gone.close()
    for unusable in (None, place, replace(memory.place, identity=(0, 0))):
        data, sizes = shared_memory.dumps(frames(), unusable)
        assert sizes == ()
        assert_same(frames(), pickle.loads(data))
    assert os.fstat(memory._file.fileno()).st_size == 0  # what was opened by mistake is left as it was


def test_where_there_is_none_everything_goes_through_the_pipe(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    without = SharedMemory()
    assert without.place is None
    assert_same(frames(), without.loads(*shared_memory.dumps(frames(), without.place)))
    without.close()


def test_memory_that_ends_early_is_an_error(memory):
    data, sizes = shared_memory.dumps(frames(), memory.place)
    with pytest.raises(EOFError):
        memory.loads(data, (*sizes[:-1], sizes[-1] + 1))
