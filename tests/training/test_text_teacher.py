"""The teacher of the text model and what the student learns from it, at a size of seconds."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import MPNetConfig, MPNetModel

from emotion.labels import LABELS
from emotion.readings import InputError
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.text.recogniser import TextNetwork
from emotion.training import text, text_student, text_teacher
from emotion.training.datasets import Example
from tests.training.corpora import corpus_folder

WORDS = [
    "<s>",
    "<pad>",
    "</s>",
    "[UNK]",
    "<mask>",
    *"sentence number says this what of there is a fine one writer was glad".split(),
]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder that looks like all-mpnet-base-v2, one layer more than are frozen, and data sets; slices of two steps."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": text_teacher.FROZEN + 1, "num_attention_heads": 2, "intermediate_size": 32}
    settings = MPNetConfig(vocab_size=len(WORDS), max_position_embeddings=140, **sizes)
    settings.save_pretrained(folder)
    save_file(MPNetModel(settings, add_pooling_layer=True).state_dict(), folder / "model.safetensors")
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.save(str(folder / "tokenizer.json"))
    monkeypatch.setattr(text_teacher, "SHA256", hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())
    monkeypatch.setattr(text_teacher, "SLICE", 2)
    monkeypatch.setenv("EMOTION_DATA", str(corpus_folder(tmp_path).parent))
    return folder


def test_the_teacher_learns_above_what_is_frozen_and_goes_on(small, tmp_path):
    out = tmp_path / "teacher"
    text_teacher.train(small, out, slices=1)
    before, after = load_file(small / "model.safetensors"), load_file(out / "model.safetensors")
    last = f"encoder.layer.{text_teacher.FROZEN}."
    changed = {name: not torch.equal(tensor, after[f"encoder.{name}"]) for name, tensor in before.items() if "pooler" not in name}
    assert not any(new for name, new in changed.items() if not name.startswith(last))
    assert changed[f"{last}attention.attn.q.weight"] and changed[f"{last}output.dense.weight"]

    whole = text_teacher.Teacher(out).predict(["this is fine", "what of it"])
    assert whole.shape == (2, 7) and np.allclose(whole.sum(axis=1), 1, atol=1e-5)
    (out / "model.safetensors").unlink()
    assert np.array_equal(text_teacher.Teacher(out).predict(["this is fine", "what of it"]), whole)  # from its checkpoint
    text_teacher.train(small, out, slices=2)
    assert torch.load(out / text_teacher.CHECKPOINT, weights_only=True)["epoch"] == 2
    assert not np.array_equal(text_teacher.Teacher(out).predict(["this is fine", "what of it"]), whole)


def test_another_file_is_no_teacher(small, tmp_path, monkeypatch):
    monkeypatch.setattr(text_teacher, "SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"model\.safetensors is not .* 0{64}"):
        text_teacher.train(small, tmp_path / "teacher")
    with pytest.raises(InputError, match="holds no teacher"):
        text_teacher.Teacher(tmp_path)
    assert text_teacher.main(["--pretrained", str(tmp_path), "--out", str(tmp_path / "out")]) == 1


def test_rare_labels_are_drawn_more_often():
    labels = np.zeros((110, 7), np.float32)
    labels[:90, 0], labels[90:100, 1] = 1, 1  # the last ten have none
    drawn = text_teacher.draw_probabilities(labels)
    assert drawn.sum() == pytest.approx(1) and drawn[95] / drawn[0] == pytest.approx(9**text_teacher.POWER)
    assert drawn[0] < drawn[105] < drawn[95]
    assert text_teacher.draw_probabilities(labels[100:]) == pytest.approx(np.full(10, 0.1))


def test_what_was_read_is_not_read_again_but_by_another_teacher(tmp_path, monkeypatch):
    monkeypatch.setattr(text_student, "CHUNK", 2)

    class Reader:
        def __init__(self, seed):
            torch.manual_seed(seed)
            self.network, self.seen = torch.nn.Module(), []
            self.network.label = torch.nn.Linear(2, 7)

        def logits(self, texts):
            self.seen += texts
            lengths = np.array([[len(t)] for t in texts], np.float32)
            return np.tile(lengths, 7), np.tile(-lengths, 28)

    reader, texts = Reader(0), ["a", "bb", "ccc", "dddd", "eeeee"]
    labels, emotions = text_student.read_by(reader, texts, tmp_path)
    assert labels[:, 0].tolist() == [1, 2, 3, 4, 5] and emotions.shape == (5, 28) and (emotions == -labels[:, :1]).all()
    text_student.read_by(reader, [*texts[:4], "ffffff"], tmp_path)
    assert reader.seen == [*texts, "ffffff"]
    other = Reader(1)
    text_student.read_by(other, texts, tmp_path)
    assert other.seen == texts


def test_the_student_is_drawn_to_the_teacher_and_to_the_labels():
    happy, sad = LABELS.index("happy"), LABELS.index("sad")
    rows = [Example("1", "a", happy, "1"), Example("2", "b", -1, "2")]
    read = torch.zeros(2, 7)
    read[:, sad] = 4.0
    wanted = text_student.DistillationTargets(text.Targets.of(rows), read, torch.zeros(2, 28))
    loss = wanted.loss(0.0, 0.0)

    def of(row, label, emotions=0.0):
        logits = read[[row]] * 0
        logits[0, label] = 4.0
        return float(loss((logits, torch.full((1, 28), emotions)), wanted.only(np.array([row]))))

    assert of(1, sad) < of(1, happy) and of(1, sad) < of(1, sad, emotions=2.0)
    assert of(0, happy) - of(1, happy) < of(0, sad) - of(1, sad)  # its own label speaks for the first
    drawn = text_student.draw_probabilities(wanted)
    assert drawn.sum() == pytest.approx(1)


def test_a_student_is_distilled_and_read(small, tmp_path, monkeypatch):
    tokenizer = Tokenizer.from_file(str(bundled("text", DEFAULT_FILE).path / "tokenizer.json"))
    monkeypatch.setattr(
        text, "begun", lambda examples, layers: (TextNetwork(tokenizer.get_vocab_size(), layers=layers), tokenizer)
    )
    text_teacher.train(small, tmp_path / "teacher", slices=1)
    text_student.train(tmp_path / "teacher", tmp_path / "student", layers=6, slices=1)
    student = text_student.student(tmp_path / "student")
    probabilities = student.predict(["this is fine", "what of it"])
    assert probabilities.shape == (2, 7) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert student.shows(["this is fine"]).shape == (1, 7)
    assert list((tmp_path / "teacher" / "read").glob("*.npy"))
    assert text_student.main(["--teacher", str(tmp_path), "--out", str(tmp_path / "other")]) == 1


def test_a_deeper_student_begins_with_each_layer_twice():
    network = TextNetwork(50)
    state = {
        name.removeprefix("encoder."): tensor for name, tensor in network.state_dict().items() if name.startswith("encoder.")
    }
    before = list(range(40))
    same = text.starting_network(dict(state), before).state_dict()
    deeper = text.starting_network(dict(state), before, layers=12).state_dict()
    for number in range(12):
        name = "encoder.encoder.layer.{}.output.dense.weight"
        assert torch.equal(deeper[name.format(number)], same[name.format(number // 2)])
    assert torch.equal(
        deeper["encoder.embeddings.word_embeddings.weight"], network.encoder.embeddings.word_embeddings.weight[:40]
    )
