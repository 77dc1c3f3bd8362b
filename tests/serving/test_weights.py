"""weights.yaml and model folders."""

import pytest
import torch

from emotion import checkpoint
from emotion.labels import LABELS, MODALITIES
from emotion.messages import InputError
from emotion.serving import weights

GOOD = """text:
  - {name: t, source: bundled, path: t, revision: "1", licence: MIT, temperature: 1.2, fusion_weight: 0.5}
speech:
  - {name: s, source: local, path: s, revision: "1", licence: MIT}
  - {name: s2, source: bundled, path: s2, revision: "1", licence: MIT}
face:
  - {name: f, source: bundled, path: f, revision: "1", licence: MIT}
detector:
  - {name: d, source: bundled, path: d, revision: "4", licence: MIT}
transcript:
  - {name: p, source: pip, revision: "5", licence: BSD}
"""
NEUTRAL = "neutral: {angry: 0.1, disgust: 0.1, fear: 0.1, happy: 0.1, neutral: 0.4, sad: 0.1, surprise: 0.1}"
HUB = f"""face:
  - name: h
    source: hub
    repo: a/b
    revision: {"ab" * 20}
    files:
      model.onnx: {"a" * 64}
      config.json:
    loader: onnx
    labels: [angry, disgust, fear, happy, neutral, sad, surprise]
    input_size: 112
    megabytes: 4.8
    licence: MIT
"""


def write(folder, text):
    file = folder / "weights.yaml"
    file.write_text(text)
    return file


def test_the_projects_own_file_names_a_bundled_model_with_everything_known_for_each_modality():
    for role in MODALITIES:
        choice = weights.bundled(role, weights.DEFAULT_FILE)
        assert choice.temperature > 0 and choice.fusion_weight >= 0 and choice.figures and choice.licence
        assert choice.path.is_dir() and list(choice.path.glob("*.safetensors")) and (choice.path / "README.md").exists()


def test_the_projects_own_file_pins_what_it_takes_from_the_hub_and_ends_with_what_needs_no_network():
    for role, choices in weights.read(weights.DEFAULT_FILE).items():
        assert choices[-1].source in weights.OFFLINE, role
        for choice in choices[:-1]:
            assert choice.source == "hub" and choice.megabytes and choice.loader and choice.licence
            heavy = [digest for name, digest in choice.files.items() if name.endswith(weights.WEIGHTS)]
            assert heavy and all(heavy)


def test_bundled_files_are_small_and_hold_no_pickle():
    files = [file for file in (weights.ROOT / "emotion" / "models").rglob("*") if file.is_file()]
    assert all(file.stat().st_size < 10_000_000 for file in files) and sum(file.stat().st_size for file in files) < 64_000_000
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".md", ".onnx", ".tflite", ".svg", ""}


def names(choices, role, source):
    return [choice.name for choice in weights.allowed(choices, role, source)]


def test_choices_that_the_source_allows(tmp_path):
    choices = weights.read(write(tmp_path, GOOD.replace("face:\n", HUB)))
    assert names(choices, "speech", "auto") == ["s", "s2"] and names(choices, "speech", "bundled") == ["s2"]
    assert names(choices, "transcript", "bundled") == ["p"]
    assert names(choices, "face", "auto") == ["h", "f"] and names(choices, "face", "hub") == ["h"]
    assert names(choices, "text", "hub") == ["t"]  # the file names none of the Hub
    assert choices["text"][0].path == weights.ROOT / "t"  # bundled: with the code
    assert choices["speech"][0].path == tmp_path / "s"
    assert choices["text"][0].info.calibrated and not choices["face"][0].info.calibrated
    hub = choices["face"][0]
    assert hub.files == {"model.onnx": "a" * 64, "config.json": None} and hub.labels == LABELS and hub.input_size == 112
    with pytest.raises(InputError, match="auto, hub, bundled"):
        weights.allowed(choices, "text", "elsewhere")


def test_a_model_on_trial_comes_first(tmp_path, monkeypatch):
    file = write(tmp_path, GOOD)
    monkeypatch.setenv("EMOTION_SPEECH_MODEL", "some.one/wav2vec2-emotion@abc")
    trial, *others = weights.read(file)["speech"]
    assert (trial.repo, trial.revision, trial.source, trial.temperature) == ("some.one/wav2vec2-emotion", "abc", "hub", None)
    assert [choice.name for choice in others] == ["s", "s2"] and len(weights.read(file)["text"]) == 1
    monkeypatch.setenv("EMOTION_SPEECH_MODEL", "not a repository")
    with pytest.raises(InputError, match="EMOTION_SPEECH_MODEL"):
        weights.read(file)


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("repo: a/b", "repo: ab", 4, "owner/name"),
        (f"{'ab' * 20}\n    files:\n      model.onnx: {'a' * 64}", "main\n    files:\n      model.onnx:", 5, "SHA-256 for every"),
        ("revision: " + "ab" * 20, "revision: v1", 5, "40 hexadecimal"),
        ("model.onnx: " + "a" * 64, "model.onnx: abc", 6, "SHA-256 of model.onnx"),
        ("model.onnx", "pytorch_model.bin", 6, "pytorch_model.bin"),
        ("model.onnx", "../model.onnx", 6, "model.onnx"),
        ("      model.onnx: " + "a" * 64 + "\n", "", 6, "no weights"),
        ("loader: onnx", "loader: pickle", 9, "pickle"),
        ("loader: onnx", "loader: inference", 9, "remote"),
        ("labels: [angry,", "labels: [joyful,", 10, "labels"),
        ("input_size: 112", "input_size: 2", 11, "input_size"),
        ("source: hub", "source: remote", 9, "inference"),
    ],
)
def test_a_mistake_about_a_repository_is_named_with_its_line(tmp_path, old, new, line, word):
    head, tail = GOOD.split("face:\n")
    assert old in HUB
    with pytest.raises(InputError, match=rf"line {line}: .*{word}"):
        weights.read(write(tmp_path, HUB.replace(old, new) + tail + head))


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("temperature: 1.2", "temperature: -1", 2, "temperature"),
        ("temperature: 1.2", "temprature: 1", 2, "temprature"),
        ("source: local", "source: web", 4, "web"),
        ("source: local", "source: pip", 4, "only speech to text"),
        ("source: local, path: s,", "source: local,", 4, "path"),
        ("name: f, ", "", 7, "name"),
        ("transcript:\n  - {name: p, source: pip, revision: \"5\", licence: BSD}", "transcript: []", 10, "transcript"),
        ("face:", "faces:", 6, "faces"),
        ("fusion_weight: 0.5", "fusion_weight: .nan", 2, "fusion_weight"),
        ("fusion_weight: 0.5", "neutral: {angry: 0.5, neutral: 0.5}", 2, "each of angry"),
        ("fusion_weight: 0.5", "neutral: 0.9", 2, "between 0 and 1"),
        ("fusion_weight: 0.5", NEUTRAL.replace("0.4", "0"), 2, "between 0 and 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, line, word):
    assert old in GOOD
    with pytest.raises(InputError, match=rf"line {line}: .*{word}"):
        weights.read(write(tmp_path, GOOD.replace(old, new)))


def test_what_plain_readings_are_is_known_of_our_own_voice_and_face_alone(tmp_path):
    choices = weights.read(write(tmp_path, GOOD.replace("fusion_weight: 0.5", NEUTRAL)))
    assert tuple(choices["text"][0].neutral) == LABELS and choices["text"][0].neutral["neutral"] == 0.4
    known = {choice.name for models in weights.read(weights.DEFAULT_FILE).values() for choice in models if choice.neutral}
    assert known == {"emotion-speech", "emotion-face"}


@pytest.mark.parametrize("text", ["", "- a", "text: [", "a: 1"])
def test_what_is_no_weights_file_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"weights\.yaml"):
        weights.read(write(tmp_path, text))
    with pytest.raises(InputError, match="no weights file"):
        weights.read(tmp_path / "missing.yaml")


def test_broken_tensors_are_refused(tmp_path):
    with pytest.raises(InputError, match="no safetensors"):
        checkpoint.tensors(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04cnt\nsystem\n")
    with pytest.raises(InputError, match="not a whole"):
        checkpoint.tensors(tmp_path)
    with pytest.raises(InputError, match=r"config\.json"):
        checkpoint.config(tmp_path)


def test_tensors_that_do_not_fit_are_refused(tmp_path):
    network = torch.nn.Linear(3, 2)
    checkpoint.fill(network, {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, tmp_path)
    assert network.weight.sum() == 6
    for state, word in (
        ({"weight": torch.ones(2, 3)}, "bias"),
        ({"weight": torch.ones(2, 3), "bias": torch.zeros(2), "head": torch.zeros(1)}, "head"),
        ({"weight": torch.ones(2, 4), "bias": torch.zeros(2)}, "weight"),
    ):
        with pytest.raises(InputError, match=f"1 tensors, {word}"):
            checkpoint.fill(network, state, tmp_path)


def test_a_model_of_other_labels_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"labels": ["good", "bad"]}')
    with pytest.raises(InputError, match="good, bad"):
        checkpoint.config(tmp_path)
