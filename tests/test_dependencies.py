"""Exact versions: they follow from the requirements, they are the same for a Space and for CI, and no index is named."""

import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from emotion.serving.weights import ROOT

SPACE, CI = ROOT / "constraints.txt", ROOT / ".ci" / "requirements.txt"
pytestmark = pytest.mark.skipif(not CI.exists(), reason="a clone alone has them")

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = (  # as markers know them
    {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"},
    {"sys_platform": "linux", "platform_machine": "aarch64", "platform_system": "Linux"},
    {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"},
)
PLACES = [
    {**machine, "python_version": python, "python_full_version": f"{python}.1"} for machine in MACHINES for python in PYTHONS
]


def listed(file) -> list[str]:
    """Lines without comments and options, those that go on joined."""
    lines = file.read_text("utf-8").replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line[:1].isalnum()]


def installed(lines: list[str], place: dict[str, str]) -> Iterator[tuple[str, Requirement]]:
    for line in lines:
        requirement = Requirement(line.partition(" --hash")[0])
        if requirement.marker is None or requirement.marker.evaluate(place):
            yield canonicalize_name(requirement.name), requirement


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place['sys_platform']}-{place['python_version']}")
def test_each_requirement_has_one_exact_version_within_its_range(place):
    for file, names in (
        (SPACE, ["requirements.txt"]),
        (CI, ["requirements.txt", "requirements-train.txt", "requirements-dev.txt"]),
    ):
        exact = list(installed(listed(file), place))
        versions = {name: str(requirement.specifier).removeprefix("==") for name, requirement in exact}
        assert len(versions) == len(exact)
        for wanted in names:
            for name, requirement in installed(listed(ROOT / wanted), place):
                assert requirement.specifier.contains(versions[name]), f"run .ci/lock: {requirement} in {file.name}"


def test_ci_tests_what_a_space_installs():
    assert set(listed(SPACE)) <= {line.partition(" --hash")[0].strip() for line in listed(CI)}


def test_the_workflow_alone_installs_by_hash():
    assert all(re.fullmatch(r"[^ ]+==[^ ]+( ;.*?)?(\s+--hash=sha256:[0-9a-f]{64})+", line) for line in listed(CI))
    assert "--hash" not in SPACE.read_text("utf-8")
    workflow = YAML(typ="safe").load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert ".ci/run --hashes" in steps and sum(step.startswith("pip-audit ") for step in steps) == 2
    assert "pip-audit" not in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.parametrize("file", [SPACE, CI], ids=["space", "ci"])
def test_no_index_is_named(file):
    text = file.read_text("utf-8")
    assert not re.findall(r"://|--(?:extra-)?index-url|--find-links|^-f|^-i|\.org|\.com", text, re.MULTILINE)
