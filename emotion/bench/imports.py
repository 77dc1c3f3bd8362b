"""Draws the package's folders and what they import, as Mermaid: python -m emotion.bench.imports

A box with a slash is a folder of ``emotion``, one without a module beside them. An arrow points to what is imported, anywhere in
a file. An arrow that a longer way already implies is left out. Fails with the circle, where there is one.
"""

import ast
from collections.abc import Mapping, Set
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT.name
Graph = Mapping[str, Set[str]]  # of each module or folder, what it imports


def main() -> None:
    print(drawing(folders(modules())))


def modules() -> dict[str, set[str]]:
    """What each module of the package imports of it, by the names below the package."""
    files = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts).removesuffix("__init__").removesuffix(".")] = file
    return {name: _inside(imported(file), files.keys()) - {name} for name, file in files.items()}


def imported(file: Path) -> set[tuple[str, str]]:
    """What a file imports: the module, and the name that is taken from it, "" for the whole module."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
    return found


def _inside(imports: set[tuple[str, str]], known: Set[str]) -> set[str]:
    """The package's modules among imports; a name that is itself a module is that module."""
    found = set()
    for module, name in imports:
        if module.split(".")[0] == PACKAGE:
            below = module.removeprefix(PACKAGE).removeprefix(".")
            whole = f"{below}.{name}".strip(".")
            found.add(whole if whole in known else below)
    return found


def folder(module: str) -> str:
    """The folder that a module lies in, or the module itself where it lies in none."""
    return module.split(".")[0]


def folders(graph: Graph) -> dict[str, set[str]]:
    """What each folder imports of the others."""
    found: dict[str, set[str]] = {}
    for module, others in graph.items():
        found.setdefault(folder(module), set()).update(map(folder, others))
    return {name: others - {name} for name, others in found.items()}


def reduced(graph: Graph) -> dict[str, set[str]]:
    """The least arrows with the same ways (Aho, Garey & Ullman 1972). Raises graphlib.CycleError for a circle."""
    reached: dict[str, set[str]] = {}
    direct = {}
    for name in TopologicalSorter(graph).static_order():  # what is imported comes first
        beyond = set().union(*(reached[other] for other in graph[name]))
        direct[name] = set(graph[name]) - beyond
        reached[name] = beyond | graph[name]
    return direct


def drawing(graph: Graph) -> str:
    """The folders and their ``reduced`` imports as a Mermaid flow chart, what imports above what is imported."""
    names = {name: name or PACKAGE for name in sorted(graph)}  # the package's own module has none below it
    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    {shown}["{shown}{"/" if name and (ROOT / name).is_dir() else ""}"]' for name, shown in names.items()]
    arrows = reduced(graph)
    lines += [f"    {shown} --> {names[other]}" for name, shown in names.items() for other in sorted(arrows[name])]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    main()
