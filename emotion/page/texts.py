"""What the page says, in every language it knows: one table, ``texts.yaml``, for the server, the components and the scripts.

The browser's first language decides: for what Gradio's components say (``everywhere``), for the scripts (``say`` of shared.js,
which reads the same table) and for what the server makes for one visitor (``of``).
"""

import functools
import html
import math
import re
from collections.abc import Callable

import gradio as gr
from gradio.i18n import I18nData
from ruamel.yaml import YAML

from emotion import messages
from emotion.labels import mood_word
from emotion.messages import ENGLISH, LANGUAGES
from emotion.page import assets


class Say:
    """Says the table's texts in one language."""

    def __init__(self, language: str):
        self.language = language

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of ``key`` with its ``{fields}`` filled in."""
        text = _table()[key][self.language]
        return text.format(**values) if values else text

    def inner(self, key: str) -> str:
        """A name within a sentence: German alone keeps its capital."""
        text = self(key)
        return text if self.language == "de" else text[:1].lower() + text[1:]

    def label(self, label: str) -> str:
        """One of ``LABELS``."""
        return self(f"label_{label}")

    def mood(self, mood: float) -> str:
        """The word for a mood from 1 to 5."""
        return self("mood_" + mood_word(mood).replace(" ", "_"))

    def percent(self, share: float) -> str:
        """A share of 1 in whole hundredths, rounded and written as by ``percent`` of shared.js."""
        return self("percent", number=math.floor(100 * share + 0.5))

    def listed(self, names: list[str]) -> str:
        """One, two and three."""
        return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" {self('and')} {names[-1]}"

    def number(self, value: float) -> str:
        """A whole number, its thousands set apart as the language does."""
        return messages.number(round(value), self.language)


def of(request: gr.Request | None) -> Say:
    """In the first language that the visitor's browser asks for, English where the page does not know it."""
    wanted = "" if request is None else request.headers.get("accept-language", "")
    return known(re.split(r"[-_,; ]", wanted.strip().lower(), maxsplit=1)[0])


def known(language: object) -> Say:
    """In ``language``, whatever a browser says that it is, and English where the page does not know it."""
    return Say(language if language in LANGUAGES else ENGLISH)


def element(tag: str, key: str, attributes: str = "", **fields: object) -> str:
    """An element of a script's markup that says ``key``: in English, until ``translate`` of shared.js puts its language in."""
    return f'<{tag} data-say="{key}"{_data(fields)} {attributes}>{html.escape(Say(ENGLISH)(key, **fields))}</{tag}>'


def label(key: str, **fields: object) -> str:
    """The attributes that make ``key`` an element's accessible name, translated as those of ``element``."""
    return f'data-say-label="{key}"{_data(fields)} aria-label="{html.escape(Say(ENGLISH)(key, **fields))}"'


def static(key: str) -> I18nData:
    """A text of the table, or one of ``everywhere``'s blocks, as a component's label or value, which the browser translates."""
    return I18nData(key)


def everywhere(blocks: dict[str, Callable[[Say], str]]) -> gr.I18n:
    """The whole table, and the HTML ``blocks`` made of it, as Gradio hands them to the browser."""
    return gr.I18n(
        **{
            language: {
                **{key: texts[language] for key, texts in _table().items()},
                **{name: make(Say(language)) for name, make in blocks.items()},
            }
            for language in LANGUAGES
        }
    )


def _data(fields: dict[str, object]) -> str:
    """The {fields} of a text as the data attributes from which ``translate`` takes them."""
    return "".join(f' data-{name}="{html.escape(str(value))}"' for name, value in fields.items())


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    table = YAML(typ="safe", pure=True).load(assets.read("texts.yaml"))
    return messages.names() | {key: {language: text.strip() for language, text in texts.items()} for key, texts in table.items()}
