"""The architectures that are compared, and the table that comes of it."""

import numpy as np
import pytest
import torch

from emotion.labels import LABELS
from emotion.speech.recogniser import N_FEATURES, SpectralNetwork
from emotion.training import experiments, speech


@pytest.mark.parametrize("name", experiments.FRAME_NETWORKS)
def test_every_network_answers_and_learns_from_clips_of_any_length(name):
    torch.manual_seed(0)
    network = experiments.FRAME_NETWORKS[name]()
    x, lengths = speech.stack([torch.randn(count, N_FEATURES) for count in (9, 40, 61)])
    logits = network(x, lengths)
    logits.square().sum().backward()
    assert logits.shape == (3, len(LABELS)) and logits.isfinite().all()
    reached = [p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters()]
    assert sum(reached) >= len(reached) - 1  # a bias under a softmax has no gradient


def test_a_row_of_the_table_by_hand():
    labels, folds = np.tile(np.arange(7), 10), np.repeat(np.arange(5), 14)
    logits = np.eye(7, dtype=np.float32)[labels]
    logits[folds == 2] = logits[folds == 2][:, ::-1]  # every label but the one in the middle is wrong there
    row = experiments._speech_row("CNN", logits, labels, folds, [SpectralNetwork().eval()])
    assert row["UAR (folds)"] == f"{4 / 5 + 1 / 35:.3f} (0.143-1.000)" and row["parameters"] > 300_000 and float(row["ms"]) > 0
    assert experiments.table([row]).splitlines()[0] == "| voice | parameters | UAR (folds) | ms |"
    assert experiments.table([row]).splitlines()[2].startswith("| CNN | 0.37 M | 0.829 ")


def test_the_recurrent_network_reads_words_and_not_their_padding():
    network = experiments.TextRecurrent(50).eval()
    ids, mask = torch.tensor([[1, 5, 7, 2], [1, 9, 2, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.inference_mode():
        labels, emotions = network(ids, mask)
        alone, _ = network(ids[:1], mask[:1])
    assert labels.shape == (2, 7) and emotions.shape == (2, 28)
    torch.testing.assert_close(labels[:1], alone)
