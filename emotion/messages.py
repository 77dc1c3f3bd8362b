"""Every sentence that a visitor, a caller or an operator can get: a code with fields.

Codes are public and stable. Their words, in each language, are in messages.yaml and may change. A code becomes a sentence last,
where the reader's language is known.
"""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from numbers import Integral, Real
from typing import Any

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de", "es")

THIN_SPACE = "\u202f"
MOST_LISTED = 20  # items of a list within a sentence: some models have a thousand labels
# {seconds} stands for the field's value. {modality:the} stands for the name that the table has under "the_" and the value.
FIELD = re.compile(r"{(\w+)(?::(\w+))?}")


@dataclass(frozen=True)
class Message:
    """A sentence, not yet in any language.

    Parameters
    ----------
    code : str
        One of ``codes()``.
    fields : mapping from str
        By name, what the sentence is about: text, numbers, booleans, None, messages, InputErrors, and lists of them. An
        InputError becomes its message, a list a tuple, and anything else text.
    """

    code: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", {name: _plain(value) for name, value in self.fields.items()})

    def say(self, language: str = ENGLISH) -> str:
        """The sentence in one of LANGUAGES, its numbers written as in that language."""
        text = _table()["messages"][self.code][language]
        return FIELD.sub(lambda found: said_of(self.fields[found[1]], language, found[2]), text)

    def __str__(self) -> str:
        return self.say()

    def to_dict(self) -> dict[str, Any]:
        """``code`` and ``fields``, ready for JSON; messages among the fields in the same form."""
        return {"code": self.code, "fields": {name: _ready(value) for name, value in self.fields.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Message":
        """The message that ``to_dict()`` gave. Raises ValueError for an unknown code, and for fields that are not the code's."""
        message = cls(data["code"], {name: _parsed(value) for name, value in data["fields"].items()})
        if message.code not in codes() or set(message.fields) != codes()[message.code]:
            raise ValueError(f"no code {message.code!r} has the fields {sorted(message.fields)}")
        return message


class InputError(ValueError):
    """An input that cannot be used, or a model, file or service that an answer needs and cannot have.

    ``str()`` of the error is its English sentence, with the problem, the value and the limit.

    Parameters
    ----------
    code : str
    **fields
        As of a Message.

    Attributes
    ----------
    message : Message
        Of the code and fields.
    """

    def __init__(self, code: str, /, **fields: Any):
        super().__init__(code)  # all that unpickling passes in; the attributes are restored after it
        self.message = Message(code, fields)

    @property
    def code(self) -> str:
        return self.message.code

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.message.fields

    def __str__(self) -> str:
        return self.message.say()


def reason(error: BaseException) -> Message:
    """What went wrong, as a field of another message. Of an unforeseen error a reader learns the type alone, not its text."""
    if isinstance(error, InputError):
        return error.message
    if isinstance(error, TimeoutError):
        return Message("took_too_long")
    return Message("unexpected_error", {"error": type(error).__name__})


def names() -> dict[str, dict[str, str]]:
    """The table's names of things, which are no sentences, by key and language."""
    return _table()["names"]


@functools.cache
def codes() -> dict[str, set[str]]:
    """All codes, each with the names of its fields."""
    return {code: {found[1] for found in FIELD.finditer(said[ENGLISH])} for code, said in _table()["messages"].items()}


def number(value: float, language: str = ENGLISH) -> str:
    """A number with at most three decimals and its thousands separated, as the language writes it."""
    rounded = round(value, 3)
    text = f"{int(rounded) if rounded == int(rounded) else rounded:,}"
    return text if language == ENGLISH else text.translate({ord(","): THIN_SPACE, ord("."): ","})


def said_of(value: Any, language: str = ENGLISH, kind: str | None = None) -> str:
    """A field's value as it stands within a sentence; with a ``kind``, its name in the table under "kind_value"."""
    if isinstance(value, Message):
        return value.say(language).removesuffix(".")
    if isinstance(value, tuple):
        between = "; " if any(isinstance(item, Message) for item in value) else ", "
        return between.join(said_of(item, language, kind) for item in value[:MOST_LISTED]) + " ..." * (len(value) > MOST_LISTED)
    if kind is not None and f"{kind}_{value}" in names():
        return names()[f"{kind}_{value}"][language]
    return number(value, language) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    """A field's value as a Message, a tuple, or what JSON knows."""
    if value is None or isinstance(value, (str, bool, Message)):
        return value
    if isinstance(value, InputError):
        return value.message
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    return tuple(map(_plain, value)) if isinstance(value, (tuple, list)) else str(value)


def _ready(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_dict()
    return [_ready(item) for item in value] if isinstance(value, tuple) else value


def _parsed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Message.from_dict(value)
    return tuple(map(_parsed, value)) if isinstance(value, list) else value


@functools.cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    from ruamel.yaml import YAML  # here: most programs that import this module show no message

    table: dict[str, dict[str, dict[str, str]]]
    table = YAML(typ="safe", pure=True).load((files(__package__) / "messages.yaml").read_text("utf-8"))
    return table
