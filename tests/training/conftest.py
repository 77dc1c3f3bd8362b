import pytest

from emotion.training import metrics


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the bootstrap: scikit-learn's figures take a millisecond each."""
    monkeypatch.setattr(metrics, "RESAMPLES", 50)
