"""The README as a Space's card, and the app as a Space runs it."""

import subprocess
import sys

from ruamel.yaml import YAML

from emotion.serving import weights

ROOT = weights.ROOT


def card():
    _, head, _ = (ROOT / "README.md").read_text("utf-8").split("---\n", 2)
    return YAML(typ="safe").load(head)


def hub_choices():
    return [c for choices in weights.read(weights.DEFAULT_FILE).values() for c in choices if c.source == "hub"]


def test_the_card_preloads_what_weights_yaml_names_at_the_same_revisions():
    wanted = set()
    for choice in hub_choices():
        pinned = "" if choice.revision == "main" else f" {choice.revision}"
        wanted.add(f"{choice.repo} {','.join(choice.files)}{pinned}")
    assert set(card()["preload_from_hub"]) == wanted and len(wanted) >= 4
    assert set(card()["models"]) == {choice.repo for choice in hub_choices()}


def test_the_card_asks_for_the_installed_gradio_and_a_python_that_the_requirements_know():
    requirements = (ROOT / "requirements.txt").read_text("utf-8")
    head = card()
    assert f"gradio=={head['sdk_version']}" in requirements and head["sdk"] == "gradio" and (ROOT / head["app_file"]).is_file()
    assert head["python_version"] == "3.12" and 'python_version >= "3.12"' in requirements
    assert len(head["short_description"]) <= 60 and head["title"] and head["license"] and head["tags"]


def test_zero_gpu_is_offered_a_function_where_the_platform_asks_for_one(tmp_path):
    (tmp_path / "spaces.py").write_text("def GPU(function):\n    print('offered', callable(function))\n")
    code = "import app; app.offer_gpu()"
    for asked, said in ({"SPACES_ZERO_GPU": "true"}, "offered True\n"), ({}, ""):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(tmp_path), **asked}, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, said), done.stderr
