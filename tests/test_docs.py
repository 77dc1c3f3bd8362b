"""README and docs: short, their links and commands work, their figures are those of the models."""

import importlib.util
import json
import re
import tomllib

import pytest
from ruamel.yaml import YAML

import emotion.cli
from emotion.fusion import fuse
from emotion.media import limits
from emotion.messages import codes
from emotion.readings import Analysis
from emotion.serving import publishing, weights

ROOT = weights.ROOT
PAGES = sorted([ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + list((ROOT / "docs").glob("*.md")))
EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
README = (ROOT / "README.md").read_text("utf-8").split("\n---\n", 1)[1]  # what a reader sees of it
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def anchors(text: str) -> set[str]:
    """Those that Markdown makes of headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_read_in_five_minutes():
    assert len(README.split()) <= 1000


@EVERY
def test_links_lead_to_files_and_headings_that_a_space_has_too(page):
    for path, anchor in LINK.findall(page.read_text("utf-8")):
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), path
        assert file.relative_to(ROOT).parts[0] in publishing.APP, path
        assert not anchor or anchor in anchors(file.read_text("utf-8")), f"{path}#{anchor}"


@EVERY
def test_the_commands_exist(page):
    text = page.read_text("utf-8")
    modules = set(re.findall(r"`?python -m (emotion\.[\w.]+)", text))
    assert not [module for module in modules if importlib.util.find_spec(module) is None]
    parser = emotion.cli._parser()
    commands = next(action.choices for action in parser._actions if action.dest == "command")
    assert set(re.findall(r"(?:python -m |\n|`)emotion ([a-z]+)", text)) <= set(commands)


@EVERY
def test_files_and_variables_that_are_named_exist(page):
    text = page.read_text("utf-8")
    named = re.findall(r"`(?!my-)((?:emotion|tests|docs)/[\w./]*|[\w.]+/run|[\w-]+\.(?:yaml|txt|py))`", text)
    inside = (ROOT, ROOT / "emotion")
    assert not [name for name in named if "NAME" not in name and not any((folder / name).exists() for folder in inside)]
    code = "".join(file.read_text("utf-8") for file in (ROOT / "emotion").rglob("*.py"))
    roles = {f"EMOTION_{role.upper()}_MODEL" for role in weights.MODALITIES}
    assert not [name for name in set(re.findall(r"EMOTION_[A-Z_]+", text)) - roles if name not in code]


def test_the_figures_of_the_readme_are_the_models_own():
    rows = dict(re.findall(r"^\| (\w[\w ]*) \|.* ([\d.]+) \([\d.-]+\) \|$", README, re.MULTILINE))
    shown = {"text": ("text", "macro_f1"), "voice": ("speech", "uar"), "face": ("face", "accuracy")}
    shown["speech to text"] = ("transcript", "word_error_rate")
    models = {role: weights.bundled(role, weights.DEFAULT_FILE) for role in weights.ROLES}
    assert rows == {name: f"{models[role].figures[figure]:.3f}" for name, (role, figure) in shown.items()}


def test_the_figures_of_a_card_stand_in_the_evaluation_as_they_do_there():
    evaluation = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    for role, column in (("text", "macro_f1"), ("speech", "uar"), ("face", "accuracy")):
        choice = weights.bundled(role, weights.DEFAULT_FILE)
        head, *rows = re.findall(r"^\| (.*) \|$", (choice.path / "README.md").read_text("utf-8"), re.MULTILINE)
        row = next(row for row in rows if row.startswith(choice.figures["part"])).split(" | ")
        assert row[head.split(" | ").index(column)].removesuffix(")") in evaluation, role


def test_the_json_of_the_docs_has_the_keys_of_an_answer():
    shown = re.search(r"```json\n(.*?)```", (ROOT / "docs" / "api.md").read_text("utf-8"), re.DOTALL)[1]
    assert json.loads(shown).keys() == Analysis(fuse({}, {}), {}).to_dict().keys()


def test_the_check_before_a_commit_is_the_one_of_the_requirements():
    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    wanted = (ROOT / "requirements-dev.txt").read_text("utf-8").splitlines()
    assert {line for hook in hooks for line in hook.get("additional_dependencies", ())} <= set(wanted)


def test_the_package_names_the_licences_of_the_code_and_of_every_card():
    cards = "".join(file.read_text("utf-8") for file in (ROOT / "emotion" / "models").glob("*/README.md"))
    named = {"MIT", *re.findall(r"^license: (.*)$", cards, re.MULTILINE)}
    expression = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["license"]
    ours = {"LicenseRef-Emotion-Weights" if name == "other" else name for name in named}
    assert {name.lower() for name in expression.split(" AND ")} == {name.lower() for name in ours}
    assert "LicenseRef-Emotion-Weights" in (ROOT / "LICENSE").read_text("utf-8")


def said(name: str, value: float) -> str:
    """A limit as the table has it."""
    if name.endswith("_S"):
        return f"{value:g} s"
    if name.endswith("_BYTES"):
        return f"{value // 2**20:,} MB" if value % 2**20 == 0 else f"{value / 1000:g} kB"
    return f"{value / 1e6:g} million pixels" if name.endswith("PIXELS") else f"{value:,g}"


def test_the_table_of_limits_is_that_of_the_code():
    page = (ROOT / "docs" / "limits-and-privacy.md").read_text("utf-8")
    rows = re.findall(r"^\|[^|]*\| ([^|]*) \| `([A-Z_]+)` \| ([^|]*) \|$", page, re.MULTILINE)
    of_code = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert {name: shown for shown, name, _ in rows} == {name: said(name, value) for name, value in of_code.items()}
    told = {code for *_, cell in rows for code in re.findall(r"`(\w+)`", cell)}
    of_models = ("baseline_", "entry_", "hub_", "labels_", "model_", "remote_")  # and what a baseline must be, beside its code
    naming_one = {code for code, fields in codes().items() if "limit" in fields and not code.startswith(of_models)}
    assert naming_one <= told <= set(codes())
