import pytest

from emotion.media import sandbox
from emotion.messages import InputError
from emotion.serving.workers import Workers


@pytest.fixture(scope="session")
def pool():
    """A worker as the app has them. The tests' own process has threads, beside which a fork can wait for ever."""
    with Workers(max_workers=1) as pool:
        pool.warm(sandbox.warm)
        yield pool


@pytest.fixture
def decoded(pool):
    """What the app gets when it gives a file to a decoder."""
    return lambda function, path: pool.submit(sandbox.decoded, function, path, timeout=60).result()


@pytest.fixture
def refused(decoded):
    """The code that a file is refused with."""

    def refused(function, path) -> str:
        with pytest.raises(InputError) as caught:
            decoded(function, path)
        assert "\n" not in str(caught.value)
        return caught.value.code

    return refused
