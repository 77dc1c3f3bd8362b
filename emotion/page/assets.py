"""The page's scripts, styles and texts, which stand beside its code."""

import json
from importlib.resources import files

from emotion.figures import COLOURS, MOOD_COLOURS
from emotion.labels import LABELS, MODALITIES, MOOD_WORDS

_SHARED = {  # the last of MOOD_WORDS ends at Infinity: JavaScript, though not JSON
    "LABELS": LABELS,
    "MODALITIES": MODALITIES,
    "COLOURS": COLOURS,
    "MOOD_WORDS": MOOD_WORDS,
    "MOOD_COLOURS": MOOD_COLOURS,
}


def read(*names: str) -> str:
    """Files of this package, one after the other."""
    return "".join((files(__package__) / name).read_text("utf-8") for name in names)


def head(*names: str) -> str:
    """The script that runs before the page: what all scripts share, then the files."""
    return f"window.emotion = {json.dumps(_SHARED)};\n" + read("shared.js", *names)


def component(*names: str, **constants: object) -> str:
    """The script of a component: its own constants, then the files, in which what is shared goes by its own name."""
    own = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    return read("component.js") + own + read(*names)
