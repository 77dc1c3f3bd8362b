"""The package's folders: what may import what."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import emotion
from emotion.serving.loaders import LOADERS

ROOT = Path(emotion.__file__).parent

# From the ground up: a module or folder may import those of the lines before its own, and its neighbours in its own line as far as that
# makes no circle.
LAYERS = (
    ("labels", "environment"),
    ("mood",),
    ("readings",),
    ("fusion", "sound", "checkpoint"),
    ("recogniser", "media"),
    ("text", "speech", "face", "transcript"),
    ("serving", "timeline", "figures"),
    ("analyzer",),
    ("", "live"),  # "": the package's own names
    ("page", "training"),
    ("bench",),
    ("cli",),
    ("__main__",),
)


def modules() -> dict[str, Path]:
    """The package's modules, by the name below ``emotion``."""
    names = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts).removesuffix("__init__").removesuffix(".")] = file
    return names


def imported(file: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "emotion":
            module = node.module.removeprefix("emotion").removeprefix(".")
            inside = [f"{module}.{name.name}".removeprefix(".") for name in node.names]
            found |= {name if name in known else module for name in inside}
        elif isinstance(node, ast.Import):
            found |= {n.name.removeprefix("emotion").removeprefix(".") for n in node.names if n.name.split(".")[0] == "emotion"}
    return found


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imported(file, known) - {name} for name, file in known.items()}


def room(module: str) -> str:
    return module.split(".")[0]


def test_every_folder_has_its_layer(graph):
    assert {room(module) for module in graph} == {name for layer in LAYERS for name in layer}


def test_imports_point_down(graph):
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    upward = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if room(module) != room(other) and level[room(other)] > level[room(module)]
    ]
    assert not upward


def test_no_imports_go_in_circles(graph):
    visiting, done = [], set()

    def visit(module):
        assert module not in visiting, " -> ".join([*visiting[visiting.index(module) :], module])
        if module in done:
            return
        visiting.append(module)
        for other in graph.get(module, ()):
            visit(other)
        visiting.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_what_a_module_marks_as_its_own_stays_there():
    used = []
    for file in (*modules().values(), ROOT.parent / "app.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = (
                [node.attr] if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls", "os") else []
            )
            names += [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            used += [f"{file.name}:{node.lineno} {name}" for name in names if name.startswith("_") and not name.endswith("__")]
    assert not used


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
    serving = (module for module in graph if room(module) not in ("training", "bench", "cli", "__main__"))
    assert not [module for module in serving if {room(other) for other in graph[module]} & {"training", "bench"}]
    apart = (module for module in graph if room(module) in ("training", "bench"))
    assert not [module for module in apart if {room(other) for other in graph[module]} & {"page", "live", "cli"}]
