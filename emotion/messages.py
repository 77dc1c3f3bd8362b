"""Every sentence that a visitor, a caller or an operator can get: a code with fields.

Codes are public and stable. Their words, in each language, are in messages.yaml and may change. A code becomes a sentence last,
where the reader's language is known.
"""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from numbers import Integral, Real
from typing import Any

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de", "es")

THIN_SPACE = "\u202f"
MOST_LISTED = 20  # items of a list within a sentence: some models have a thousand labels
MOST_NESTED = 20  # messages and lists within one another that are parsed: far more than the package makes
LEAST_DECIMAL, MOST_DIGITS = 0.001, 10**15  # numbers nearer to 0 or farther from it are said to three significant digits
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
        """The sentence in one of LANGUAGES, its numbers written as in that language; of an unknown code, code and fields."""
        said = _table()["messages"].get(self.code)
        if said is None:
            fields = ", ".join(f"{name}: {said_of(value, language)}" for name, value in self.fields.items())
            return f"{self.code} ({fields})" if fields else self.code
        return FIELD.sub(lambda found: said_of(self.fields[found[1]], language, found[2]), said[language])

    def __str__(self) -> str:
        return self.say()

    def to_dict(self) -> dict[str, Any]:
        """``code`` and ``fields``, ready for JSON; messages among the fields in the same form."""
        return {"code": self.code, "fields": {name: _ready(value) for name, value in self.fields.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], room: int = MOST_NESTED) -> "Message":
        """The message that ``to_dict()`` gave.

        Raises ValueError for an unknown code, for fields that are not the code's, and where more than ``room`` messages and lists
        lie within one another.
        """
        message = cls(data["code"], {name: _parsed(value, room - 1) for name, value in data["fields"].items()})
        if message.code not in codes() or set(message.fields) != codes()[message.code]:
            raise ValueError(f"no code {message.code!r} has the fields {sorted(message.fields)}")
        return message


class InputError(ValueError):
    """An input that cannot be used, or a model, file or service that an answer needs and cannot have.

    ``str()`` of the error is its English sentence, with the problem, the value and the limit. ``fields`` may hold messages;
    ``to_dict()`` has them ready for JSON.

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

    def to_dict(self) -> dict[str, Any]:
        """``code`` and ``fields``, as ``Message.to_dict()``."""
        return self.message.to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "InputError":
        """The error that ``to_dict()`` gave. Raises ValueError as ``Message.from_dict``."""
        message = Message.from_dict(data)
        return cls(message.code, **message.fields)

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
    """A number with at most three decimals and its thousands separated, as the language writes it.

    One below LEAST_DECIMAL or from MOST_DIGITS on has three significant digits instead.
    """
    if abs(value) >= MOST_DIGITS:
        text = f"{Decimal(value):.3g}"  # an integer may be too large for a float
    elif 0 < abs(value) < LEAST_DECIMAL:
        text = f"{value:.3g}"
    else:
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


def _parsed(value: Any, room: int) -> Any:
    if not room:
        raise ValueError("too many messages and lists lie within one another")
    if isinstance(value, Mapping):
        return Message.from_dict(value, room)
    return tuple(_parsed(item, room - 1) for item in value) if isinstance(value, list) else value


@functools.cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    from ruamel.yaml import YAML  # here: most programs that import this module show no message

    table: dict[str, dict[str, dict[str, str]]]
    table = YAML(typ="safe", pure=True).load((files(__package__) / "messages.yaml").read_text("utf-8"))
    return table
