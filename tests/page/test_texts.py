"""The table of what the page says, and the sentences of the package in other languages."""

import re
from types import SimpleNamespace

import pytest

from emotion.labels import LABELS, mood_word
from emotion.page import method, texts, wording
from emotion.page.texts import LANGUAGES, Say

TABLE = texts._table()


@pytest.mark.parametrize("key", TABLE)
def test_every_language_says_it_with_the_same_fields(key):
    said = TABLE[key]
    missing = [language for language in LANGUAGES if not said.get(language)]
    assert not missing, f"{key} lacks {missing}"
    assert tuple(said) == LANGUAGES
    assert len({tuple(sorted(re.findall(r"{(\w+)}", text))) for text in said.values()}) == 1


def test_percentages_are_written_as_the_language_does():
    assert [Say(language).percent(0.445) for language in LANGUAGES] == [
        "45%" if language == "en" else "45\u00a0%" for language in LANGUAGES
    ]
    for said in TABLE.values():
        assert not re.search(r"\s%", said["en"])
        assert not re.search(r"(?<!\u00a0)%", "".join(text for language, text in said.items() if language != "en"))


def test_nothing_stands_under_two_keys():
    keys: dict[tuple, list[str]] = {}
    for key, said in TABLE.items():
        keys.setdefault(tuple(said.values()), []).append(key)
    assert [alike for alike in keys.values() if len(alike) > 1] == [["label_neutral", "mood_neutral", "intensity_neutral"]]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("es", "es"),
        ("en-GB", "en"),
        ("xx-XX,de;q=0.5", "en"),
        ("", "en"),
        ("*", "en"),
        ("DE", "de"),
    ],
)
def test_the_first_language_of_the_browser_decides(asked, answered):
    assert texts.of(SimpleNamespace(headers={"accept-language": asked})).language == answered


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_and_moods_have_words_of_their_own(language):
    say = Say(language)
    assert len({say.label(label) for label in LABELS}) == len(LABELS)
    words = {say.mood(mood) for mood in (1.0, 2.0, 3.0, 4.0, 5.0)}
    assert len(words) == 5 and (language != "en" or mood_word(1.0) in words)


def test_what_a_browser_says_of_its_language_is_checked():
    assert [texts.known(said).language for said in ("es", "xx", None, ["de"])] == ["es", "en", "en", "en"]


def test_the_browser_gets_the_whole_table():
    sent = texts.everywhere(wording.BLOCKS | method.BLOCKS).translations_dict
    assert set(sent) == set(LANGUAGES) and all(set(TABLE) <= set(sent[language]) for language in LANGUAGES)


def test_whole_numbers():
    assert Say("en").number(4577.2) == "4,577" and Say("de").number(4577.2) == "4\u202f577"
