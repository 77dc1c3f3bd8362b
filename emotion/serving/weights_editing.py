"""Changes weights.yaml in place: comments and order stay."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def update_entry(file: Path, role: str, wanted: Callable[[dict], bool], values: dict[str, Any]) -> bool:
    """Set ``values`` in the first entry of a role that is ``wanted``; comments stay. False when there is none."""
    with edited(file) as content:
        for entry in content.get(role, ()):
            if wanted(entry):
                for key, value in values.items():
                    if isinstance(value, dict) and entry.get(key):
                        entry[key].update(value)  # in place: what stands after it in the file stays
                    else:
                        entry[key] = value
                return True
    return False


def update_fusion(file: Path, figures: dict[str, Any]) -> None:
    """Put the figures that justify the fusion weights beside them."""
    with edited(file) as content:
        content.setdefault("fusion", {}).clear()
        content["fusion"].update(figures)  # in place: the comments stay


@contextlib.contextmanager
def edited(file: Path) -> Iterator[Any]:
    """The content of weights.yaml, written back with its comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 130
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(file.read_text("utf-8"))
    yield content
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
