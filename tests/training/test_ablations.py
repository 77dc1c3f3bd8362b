"""Ablations: its parts by hand, and each table from a handful of examples."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emotion.fusion import calibrate
from emotion.labels import LABELS
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.speech.recogniser import ENCODER_MELS, N_FEATURES, STATES, SpeakerEncoder
from emotion.training import ablations, datasets, metrics, speech, text
from emotion.training.datasets import Example

NEUTRAL = LABELS.index("neutral")


@pytest.fixture(autouse=True)
def few_draws_of_what_is_here(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("EMOTION_DATA", str(tmp_path))
    (tmp_path / "text").mkdir()
    monkeypatch.setattr(metrics, "RESAMPLES", 100)


def clip_name(actor, number, emotion):
    return f"03-01-{emotion:02d}-01-01-{number:02d}-{actor:02d}"


def test_the_second_layer_is_what_the_shipped_encoder_gives(monkeypatch):
    whole = torch.nn.LSTM(ENCODER_MELS, STATES, num_layers=3)
    weights = {f"lstm.{name}": tensor for name, tensor in whole.state_dict().items()} | {"linear.weight": torch.zeros(1)}
    monkeypatch.setattr(speech, "pretrained_weights", lambda: weights)
    mel = torch.rand(1, 38, ENCODER_MELS)
    with torch.inference_mode():
        states = ablations.EncoderLayers.pretrained()(mel)
        torch.testing.assert_close(states[..., STATES : 2 * STATES], speech.pretrained_encoder()(mel))
    assert states.shape == (1, 5, 3 * STATES) and isinstance(speech.pretrained_encoder(), SpeakerEncoder)
    first, both = ablations.layers([[states[0]]], 0, 1), ablations.layers([[states[0]]], 0, 2)
    assert torch.equal(first[0][0], states[0, :, :STATES]) and both[0][0].shape == (5, 2 * STATES)


def test_calm_is_a_class_of_its_own_until_it_is_merged():
    names = [clip_name(13, 1, emotion) for emotion in (1, 2, 3)] + ["03a02Nc"]
    examples = [Example(name, "", label, "") for name, label in zip(names, (NEUTRAL, NEUTRAL, 3, NEUTRAL), strict=True)]
    labels = np.array([e.label for e in examples])
    assert ablations.calm_apart(examples, labels).tolist() == [NEUTRAL, len(LABELS), 3, NEUTRAL]
    logits = np.random.default_rng(0).standard_normal((5, len(LABELS) + 1))
    apart, together = (torch.as_tensor(rows).softmax(dim=1).numpy() for rows in (logits, ablations.merged(logits)))
    expected = apart[:, :-1].copy()
    expected[:, NEUTRAL] += apart[:, -1]
    np.testing.assert_allclose(together, expected)


def test_mean_weights():
    networks = [torch.nn.Linear(2, 1) for _ in range(3)]
    for value, network in enumerate(networks):
        torch.nn.init.constant_(network.weight, 3.0 * value)
    mean = ablations.mean_weights(networks)
    assert mean.weight.tolist() == [[3.0, 3.0]] and [n.weight[0, 0].item() for n in networks] == [0.0, 3.0, 6.0]


def test_offsets_bring_back_what_a_bias_took():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(LABELS), 700)
    logits = np.eye(len(LABELS))[truth] + 0.3 * rng.standard_normal((700, len(LABELS)))
    biased = logits - 0.8 * np.eye(len(LABELS))[2]
    offsets = ablations.best_offsets(biased, truth)
    before, after, whole = (metrics.report(rows, truth)["macro_f1"] for rows in (biased, biased + offsets, logits))
    assert before < 0.9 and after >= whole and offsets[2] - np.delete(offsets, 2).mean() == pytest.approx(0.8, abs=0.25)


def test_table_of_the_voice(monkeypatch):
    rng = np.random.default_rng(0)
    names = [(actor, number) for actor in range(1, 21) for number in range(7)]
    examples = [
        Example(clip_name(actor, number, (5, 7, 6, 3, 2, 4, 8)[number]), "", number, f"{actor}") for actor, number in names
    ]
    frames = [[torch.as_tensor(rng.standard_normal((40, N_FEATURES)), dtype=torch.float32)] * 2 for _ in names]
    states = [[torch.as_tensor(rng.standard_normal((10, 3 * STATES)), dtype=torch.float32)] * 2 for _ in names]
    for copies, example in zip(states, examples, strict=True):
        copies[0][:, STATES + 20 * example.label : STATES + 20 * (example.label + 1)] += 3.0  # in the second layer alone
    monkeypatch.setattr(speech, "corpus", lambda: examples)
    monkeypatch.setattr(speech, "prepare", lambda *_: speech.Clips(frames, states))
    monkeypatch.setattr(ablations.EncoderLayers, "pretrained", lambda: None)
    monkeypatch.setattr(speech, "RECIPE", replace(speech.RECIPE, epochs=1, batch_size=28))
    rows = ablations.speech_ablations()
    assert len(rows) == 8 and {row["n"] for row in rows} == {56} and "ships" in rows[1]["voice"]  # actors 13-20
    one = float(rows[0]["UAR"].split(" (")[0])
    figures, gained = zip(*((float(x) for x in row["UAR"].split(" (")[0].split(", ")) for row in rows[1:]), strict=True)
    assert np.allclose(np.subtract(figures, one), gained, atol=1e-3)
    first, second, third = figures[-3:]
    assert second == 1.0 and max(first, third) < 0.5


def test_table_of_the_text(monkeypatch):
    shipped = bundled("text", DEFAULT_FILE)
    said = {"i am so happy": 3, "i am furious": 0, "i am afraid of it": 2, "that is disgusting": 1, "i miss her so much": 5}
    examples = [Example(words, words, label, words) for words, label in said.items()]
    model = text.TextRecogniser(shipped)
    monkeypatch.setattr(text, "examples_of", lambda folder: (examples, [*examples, Example("", "x", -1, "", valence=3.0)]))
    monkeypatch.setattr(datasets, "load", lambda *_: examples)
    monkeypatch.setattr(text, "begun", lambda examples: (text.TextNetwork(model.tokenizer.get_vocab_size()), model.tokenizer))
    monkeypatch.setattr(text, "RECIPE", replace(text.RECIPE, epochs=1, batch_size=2))
    rows = ablations.text_ablations()
    assert [list(row) for row in rows] == [["text", *ablations.COLUMNS]] * 6 and "shipped" in rows[0]["text"]
    held, *dev = ablations.COLUMNS
    assert rows[0][held].startswith("1.000 (") and rows[-1][held] == "" and rows[-1][dev[0]].startswith("1.000, +0.000 (")
    for row in rows[1:-1]:  # of networks that nobody trained before
        assert float(row[held].split(",")[0]) < 0.7 and float(row[held].split()[1]) < -0.3


def test_table_of_the_calibration(monkeypatch):
    rng = np.random.default_rng(0)
    held = [Example(str(i), str(i), i % 7, ("ed7", f"meld-{i}", f"isear-{i}")[i % 3]) for i in range(300)]
    sure = {str(i): np.log(rng.dirichlet(np.ones(7)) + 0.2 * np.eye(7)[i % 7]) for i in range(300)}
    monkeypatch.setattr(text, "examples_of", lambda folder: ([], held))
    monkeypatch.setattr(datasets, "load", lambda *_: held[:60])
    monkeypatch.setattr(text.TextRecogniser, "logits", lambda self, texts: np.array([sure[t] for t in texts]))
    shipped, together = ablations.calibration_ablations()
    names = [f"{name}, held out" for name in ("goemotions", "isear", "meld")] + ["goemotions, dev", "meld, dev"]
    assert list(shipped) == list(together) == ["temperature", *names] and "shipped" in shipped["temperature"]
    temperature = float(together["temperature"].split(",")[0])
    truth, logits = np.array([e.label for e in held[::3]]), np.array([sure[e.item] for e in held[::3]])
    assert float(together[names[0]]) == pytest.approx(metrics.calibration_error(calibrate(logits, temperature), truth), abs=2e-3)
    assert float(shipped["temperature"].split(",")[0]) == round(bundled("text", DEFAULT_FILE).temperature, 3) != temperature


def test_table_of_the_mood(monkeypatch):
    rated = {"wow what a surprise": 4.0, "the meeting starts at ten": 3.0, "i am so happy": 4.8, "he died and i am alone": 1.2}
    examples = [Example(words, words, -1, words, valence=value) for words, value in rated.items()]
    monkeypatch.setattr(text, "examples_of", lambda folder: ([], [*examples, Example("a", "a", 1, "a")]))
    rows = ablations.mood_ablations()
    assert [row["valence of surprise"] for row in rows] == ["0 (shipped)", "-0.4", "-0.2", "-0.1", "0.1", "0.2", "0.4", "0.6"]
    assert {row["n"] for row in rows} == {4}
    figures = [float(row["rank correlation"].split()[0]) for row in rows]
    assert figures[-1] > figures[1]  # for a good surprise


def test_without_data_the_command_says_so(monkeypatch, capsys):
    monkeypatch.delenv("EMOTION_DATA")
    assert ablations.main(["mood"]) == 1 and "EMOTION_DATA" in capsys.readouterr().err
