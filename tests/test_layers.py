"""The package's folders: what may import what."""

import ast
import importlib
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from emotion.bench import imports
from emotion.serving.loaders import LOADERS

DOCUMENT = imports.ROOT.parent / "docs" / "how-it-works.md"

# From the ground up. A module or folder may import those of the lines before its own, and its neighbours in its own line where
# that makes no circle.
LAYERS = (
    ("labels", "environment", "logs"),
    ("mood", "messages"),
    ("readings",),
    ("fusion", "sound", "checkpoint"),
    ("recogniser", "media"),
    ("text", "speech", "face", "transcript"),
    ("serving", "timeline", "figures"),
    ("analyzer",),
    ("", "live"),  # "": the package's own names
    ("page", "training"),
    ("api",),
    ("bench",),
    ("cli",),
    ("__main__",),
)


START, END = "<!-- imports:begin -->", "<!-- imports:end -->"  # of the drawing in its document


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return imports.modules()


def test_every_folder_has_its_layer(graph):
    assert imports.folders(graph).keys() == {name for layer in LAYERS for name in layer}


def test_imports_point_down(graph):
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    found = imports.folders(graph)
    assert not [f"{one} imports {other}" for one, others in found.items() for other in others if level[other] > level[one]]


def test_no_imports_go_in_circles(graph):
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle, if there is one
    TopologicalSorter(imports.folders(graph)).prepare()


def test_the_reader_sees_every_way_to_import(tmp_path):
    file = tmp_path / "module.py"
    file.write_text("import a.b\ndef f():\n    from c import d, e as g\nif TYPE_CHECKING:\n    from h.i import j\n")
    assert imports.imported(file) == {("a.b", ""), ("c", "d"), ("c", "e"), ("h.i", "j")}


def test_what_a_longer_way_implies_is_not_drawn():
    graph = {"page": {"fusion", "labels", "analyzer"}, "analyzer": {"fusion"}, "fusion": {"labels"}, "labels": set()}
    assert imports.reduced(graph) == {"page": {"analyzer"}, "analyzer": {"fusion"}, "fusion": {"labels"}, "labels": set()}
    with pytest.raises(CycleError):
        imports.reduced(graph | {"labels": {"page"}})


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the installed package has no documents")
def test_the_drawing_in_the_documents_is_that_of_the_code(graph):
    _, drawn, _ = re.split(f"{START}|{END}", DOCUMENT.read_text("utf-8"))
    assert drawn.strip() == imports.drawing(imports.folders(graph)), "python -m emotion.bench.imports prints what belongs there"


def test_what_a_module_marks_as_its_own_stays_there():
    used = []
    for file in (*imports.ROOT.rglob("*.py"), imports.ROOT.parent / "app.py"):
        taken = {name for _, name in imports.imported(file)}
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls", "os"):
                taken.add(node.attr)
        used += [f"{file.name}: {name}" for name in taken if name.startswith("_") and not name.endswith("__")]
    assert not used


def test_no_test_imports_another():
    """What two of them need is a fixture of a conftest.py, or in a module of its own."""
    found = [
        f"{file.name} imports {module} {name}"
        for file in (imports.ROOT.parent / "tests").rglob("*.py")
        for module, name in imports.imported(file)
        for part in (*module.split("."), name)
        if part.startswith("test_") or part == "conftest"
    ]
    assert not found


def test_each_loader_is_a_class_of_its_module():
    for module, name in LOADERS.values():
        assert isinstance(getattr(importlib.import_module(module), name), type)


def test_importing_the_package_costs_nothing_heavy():
    heavy = "torch gradio cv2 av transformers plotly"
    code = f"import sys, emotion; print(*(set({heavy.split()}) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_help_needs_no_numpy():
    code = "import sys, emotion.cli; emotion.cli._parser().format_help(); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_what_serves_knows_no_training(graph):
    found = imports.folders(graph)
    offline = {"training", "bench"}
    assert not [name for name, others in found.items() if others & offline and name not in offline | {"cli", "__main__"}]
    assert not [name for name in offline if found[name] & {"page", "live", "cli"}]


def test_what_is_imported_is_declared():
    """What serves needs requirements.txt alone; training and benchmarks what requirements-train.txt adds."""
    root, offline = imports.ROOT.parent, {imports.ROOT / "training", imports.ROOT / "bench"}
    declared = {}
    for name in ("requirements.txt", "requirements-train.txt"):
        lines = (line.partition(" #")[0] for line in (root / name).read_text("utf-8").splitlines() if line[:1].isalpha())
        declared[name] = {canonicalize_name(Requirement(line).name) for line in lines}
    distributions = packages_distributions()
    missing = []
    for file in imports.ROOT.rglob("*.py"):
        known = declared["requirements.txt"] | (declared["requirements-train.txt"] if offline & set(file.parents) else set())
        for package in {module.split(".")[0] for module, _ in imports.imported(file)} - {
            imports.PACKAGE,
            *sys.stdlib_module_names,
        }:
            if not known & {canonicalize_name(name) for name in distributions.get(package, [])}:
                missing.append(f"{file.relative_to(root)} imports {package}")
    assert not missing
