"""Messages: every code in every language, and the code that raises them."""

import ast
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import emotion
from emotion import media, messages
from emotion.messages import FIELD, LANGUAGES, InputError, Message
from emotion.serving.workers import Workers

TABLE = messages._table()["messages"]


def made() -> list[tuple[str, ast.expr, set[str | None]]]:
    """Where the package makes a message: the place, what stands for the code, and the names of the fields."""
    found = []
    for file in sorted(Path(emotion.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            kind = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else None
            if kind == "InputError":
                fields = {keyword.arg for keyword in node.keywords}
            elif kind == "Message" and ast.unparse(node) != "Message(code, fields)":  # the constructor of InputError
                assert len(node.args) == 1 or isinstance(node.args[1], ast.Dict), f"{file.name}:{node.lineno}"
                fields = {ast.literal_eval(key) for key in node.args[1].keys if key} if len(node.args) > 1 else set()
            else:
                continue
            found.append((f"{file.name}:{node.lineno}", node.args[0], fields))
    return found


def test_every_message_is_made_of_a_code_of_the_table_and_its_fields():
    codes = messages.codes()
    for place, code, fields in made():
        assert isinstance(code, ast.Constant), f"{place}: a code is written out where it is used"
        assert code.value in codes, f"{place}: {code.value} is not in messages.yaml"
        assert fields == codes[code.value], f"{place}: {code.value} has the fields {sorted(codes[code.value])}"


def test_every_code_of_the_table_is_used():
    assert set(TABLE) == {code.value for _, code, _ in made()}


@pytest.mark.parametrize("code", TABLE)
def test_every_language_says_it_with_the_same_fields(code):
    missing = [language for language in LANGUAGES if not TABLE[code].get(language)]
    assert not missing, f"{code} lacks {missing}"
    assert re.fullmatch(r"[a-z][a-z0-9_]+", code) and tuple(TABLE[code]) == LANGUAGES
    for language in LANGUAGES:
        assert {name for name, _ in FIELD.findall(TABLE[code][language])} == messages.codes()[code]
        fields = {name: f"<{name}>" for name in messages.codes()[code]}
        said = Message(code, fields).say(language)
        assert "{" not in said and all(value in said for value in fields.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_codes_share_a_sentence(language):
    assert len({said[language] for said in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize("names", messages.names().values(), ids=messages.names())
def test_names_have_a_word_in_every_language(names):
    assert tuple(names) == LANGUAGES and all(names.values())


def test_numbers_lists_names_and_reasons_are_said_as_the_language_does():
    error = InputError("audio_too_short", file="1,000 tones.wav", seconds=np.float32(0.031), limit=1234.0)
    assert str(error) == "1,000 tones.wav is too short: 0.031 s of sound; the least is 1,234 s."
    assert error.message.say("de") == "1,000 tones.wav ist zu kurz: 0,031 s Ton; mindestens 1\u202f234 s."
    assert Message("entry_without_weights", {"known": ["a", "b"]}).say() == "files name no weights (a, b)"
    left_out = Message("modality_left_out", {"modality": "face", "why": (error.message, Message("took_too_long"))})
    assert left_out.say("es").startswith("La respuesta llega sin la cara, porque la lectura falló: 1,000 tones.wav es ")
    assert left_out.say("en").endswith("least is 1,234 s; it took too long.")
    many = Message("labels_unclear", {"labels": [f"LABEL_{i}" for i in range(1000)]}).say()
    assert "LABEL_19 ..." in many and "LABEL_20" not in many
    assert [messages.number(value) for value in (4577.2, 4577, 0.1234, -0.0)] == ["4,577.2", "4,577", "0.123", "0"]
    assert [messages.number(value) for value in (-0.0001, 0.00051, 1e35, 10**400)] == [
        "-0.0001",
        "0.00051",
        "1.00e+35",
        "1.00e+400",
    ]
    assert messages.number(0.00025, "de") == "0,00025" and messages.number(999_999_999_999_999) == "999,999,999,999,999"


def test_what_a_field_holds_is_ready_for_json():
    fields = {"weight": float("nan"), "modality": Path("a")}
    assert InputError("weight_invalid", **fields).message.to_dict()["fields"] == {"weight": "nan", "modality": "a"}
    inner = InputError("hub_off")
    outer = InputError("not_published", repo="a/b", why=inner)
    assert outer.fields == {"repo": "a/b", "why": inner.message} and outer.code == "not_published"
    assert Message.from_dict(outer.to_dict()) == outer.message
    assert outer.to_dict()["fields"]["why"] == {"code": "hub_off", "fields": {}}


def test_a_code_that_is_not_in_the_table_is_said_as_it_is():
    assert str(InputError("of_my_own")) == str(Message("of_my_own")) == "of_my_own"
    outer = Message("of_my_own", {"seconds": 0.5, "why": InputError("no_such_code")})
    assert str(outer) == "of_my_own (seconds: 0.5, why: no_such_code)"


@pytest.mark.parametrize("error", [MemoryError("of /home/me"), KeyError("token")])
def test_of_an_unforeseen_error_no_more_than_its_kind_is_told(error):
    assert messages.reason(error).say() == f"an unexpected error ({type(error).__name__})"
    assert messages.reason(InputError("no_voice")) == Message("no_voice")
    assert messages.reason(TimeoutError()) == Message("took_too_long")


def test_an_error_comes_whole_out_of_a_worker():
    error = pickle.loads(pickle.dumps(InputError("file_empty", file="a.wav")))
    assert (error.code, dict(error.fields)) == ("file_empty", {"file": "a.wav"})
    with Workers(1) as workers, pytest.raises(emotion.InputError) as raised:
        workers.submit(media.probe, "missing.wav", timeout=60).result()
    assert raised.value.message == Message("file_not_found", {"file": "missing.wav"})


def test_a_message_costs_no_import_until_it_is_said():
    code = "import sys, emotion; emotion.InputError('no_face'); print(*({'ruamel', 'ruamel.yaml', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
