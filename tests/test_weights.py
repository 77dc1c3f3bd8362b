"""weights.yaml and model folders."""

import pytest

from emotion import weights
from emotion.labels import MODALITIES
from emotion.readings import InputError

GOOD = """text:
  - {name: t, source: bundled, path: t, revision: "1", licence: MIT, temperature: 1.2, fusion_weight: 0.5}
speech:
  - {name: s, source: local, path: s, revision: "1", licence: MIT}
  - {name: s2, source: bundled, path: s2, revision: "1", licence: MIT}
face:
  - {name: f, source: bundled, path: f, revision: "1", licence: MIT}
transcript:
  - {name: p, source: pip, revision: "5", licence: BSD}
"""


def write(folder, text):
    file = folder / "weights.yaml"
    file.write_text(text)
    return file


def test_the_projects_own_file_names_a_bundled_model_with_everything_known_for_each_modality():
    choices = weights.read(weights.DEFAULT_FILE)
    for role in MODALITIES:
        choice = weights.choose(choices, role, "bundled")
        assert choice.temperature > 0 and choice.fusion_weight >= 0 and choice.figures and choice.licence
        assert choice.path.is_dir() and list(choice.path.glob("*.safetensors")) and (choice.path / "README.md").exists()


def test_bundled_files_are_small_and_hold_no_pickle():
    files = [file for file in (weights.ROOT / "emotion" / "models").rglob("*") if file.is_file()]
    assert all(file.stat().st_size < 10_000_000 for file in files) and sum(file.stat().st_size for file in files) < 64_000_000
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".md", ".onnx"}


def test_first_choice_that_the_source_allows(tmp_path):
    choices = weights.read(write(tmp_path, GOOD))
    assert weights.choose(choices, "speech", "auto").name == "s"
    assert weights.choose(choices, "speech", "bundled").name == "s2"
    assert weights.choose(choices, "transcript", "bundled").name == "p"
    assert choices["text"][0].path == tmp_path / "t" and choices["text"][0].info.calibrated and not choices["face"][0].info.calibrated
    with pytest.raises(InputError, match="hub"):
        weights.choose(choices, "text", "hub")
    with pytest.raises(InputError, match="auto, hub, bundled"):
        weights.choose(choices, "text", "elsewhere")


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("temperature: 1.2", "temperature: -1", 2, "temperature"),
        ("temperature: 1.2", "temprature: 1", 2, "temprature"),
        ("source: local", "source: web", 4, "web"),
        ("source: local, path: s,", "source: local,", 4, "path"),
        ("name: f, ", "", 7, "name"),
        ("transcript:\n  - {name: p, source: pip, revision: \"5\", licence: BSD}", "transcript: []", 8, "transcript"),
        ("face:", "faces:", 6, "faces"),
        ("fusion_weight: 0.5", "fusion_weight: .nan", 2, "fusion_weight"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, line, word):
    assert old in GOOD
    with pytest.raises(InputError, match=rf"line {line}: .*{word}"):
        weights.read(write(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize("text", ["", "- a", "text: [", "a: 1"])
def test_what_is_no_weights_file_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"weights\.yaml"):
        weights.read(write(tmp_path, text))
    with pytest.raises(InputError, match="no weights file"):
        weights.read(tmp_path / "missing.yaml")


def test_broken_tensors_are_refused(tmp_path):
    with pytest.raises(InputError, match="no safetensors"):
        weights.tensors(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04cnt\nsystem\n")
    with pytest.raises(InputError, match="not a whole"):
        weights.tensors(tmp_path)
    with pytest.raises(InputError, match=r"config\.json"):
        weights.config(tmp_path)
