"""The page's scripts, styles and texts, which stand beside its code."""

from importlib.resources import files


def read(name: str) -> str:
    """A file of this package."""
    return (files(__package__) / name).read_text("utf-8")
