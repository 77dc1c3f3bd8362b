"""The table of what the page says, and the sentences of the package in other languages."""

import contextlib
import re
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import soundfile as sf

import emotion
from emotion import analyzer, media
from emotion.labels import LABELS, mood_word
from emotion.live import sessions as live_sessions
from emotion.page import method, texts, wording
from emotion.page.texts import LANGUAGES, Say
from emotion.readings import InputError

TABLE = texts._table()


@pytest.mark.parametrize("key", TABLE)
def test_every_language_says_it_with_the_same_fields(key):
    said = TABLE[key]
    assert tuple(said) == LANGUAGES and all(said.values())
    assert len({tuple(sorted(re.findall(r"{(\w+)}", text))) for text in said.values()}) == 1


def test_percentages_are_written_as_the_language_does():
    assert [Say(language).percent(0.445) for language in LANGUAGES] == ["45%", "45\u00a0%", "45\u00a0%"]
    assert Say("es").sentence("downloading 43%") == "descargando, 43\u00a0%"
    for said in TABLE.values():
        assert not re.search(r"\s%", said["en"])
        assert not re.search(r"(?<!\u00a0)%", said["de"] + said["es"])


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
        ("fr-FR,de;q=0.5", "en"),
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


def test_a_sentence_of_the_package_is_said_in_every_language():
    for language in LANGUAGES:
        assert Say(language).sentence(live_sessions.BUSY) == Say(language)("said_live_busy", people=live_sessions.SESSIONS)
    assert Say("de").sentence("Nobody ever said this.") == "Nobody ever said this."


def test_what_a_browser_says_of_its_language_is_checked():
    assert [texts.known(said).language for said in ("es", "xx", None, ["de"])] == ["es", "en", "en", "en"]


def test_the_browser_gets_the_whole_table():
    sent = texts.everywhere(wording.BLOCKS | method.BLOCKS).translations_dict
    assert set(sent) == set(LANGUAGES) and all(set(TABLE) <= set(sent[language]) for language in LANGUAGES)


def complaints(tmp_path) -> list[str]:
    """What the package says to bad input, as it says it."""
    words, empty, silent = tmp_path / "words.wav", tmp_path / "empty.wav", tmp_path / "silent.wav"
    words.write_text("only words, no sound")
    empty.write_bytes(b"")
    sf.write(silent, np.zeros(100), 16_000)
    broken = tmp_path / "broken.png"
    broken.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:60])
    huge = tmp_path / "huge.png"
    huge.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([0, 0, 0, 13]) + b"IHDR" + struct.pack(">II", 20_000, 20_000) + bytes(30))
    still = tmp_path / "still.png"
    cv2.imwrite(str(still), np.zeros((64, 64, 3), np.uint8))
    calls = [
        *(lambda file=file: media.decode_audio(file) for file in (words, empty, silent)),
        *(lambda file=file: media.decode_image(file) for file in (words, broken, huge)),
        lambda: analyzer._checked_text("a" * (media.MAX_TEXT_CHARS + 1)),
    ]
    said = []
    for call in calls:
        with pytest.raises(InputError) as error:
            call()
        said.append(str(error.value))
    return said


@pytest.mark.parametrize("language", ["de", "es"])
def test_what_the_package_complains_of_is_said_in_other_languages(tmp_path, language):
    for sentence in complaints(tmp_path):
        told = Say(language).sentence(sentence)
        assert told != sentence, sentence
        assert set(re.findall(r"\d+", told)) <= set(re.findall(r"\d+", sentence))  # the numbers are its own
        name = re.match(r"\w+\.(wav|png)", sentence)
        assert name is None or name[0] in told


@pytest.mark.parametrize("language", ["de", "es"])
def test_warnings_of_an_answer_are_said_in_other_languages(language):
    reader = emotion.load("bundled")
    with contextlib.closing(reader):
        warnings = [
            *reader.analyze(audio=(np.zeros(32_000, np.float32), 16_000)).warnings,
            *reader.analyze(image=np.full((64, 64, 3), 128, np.uint8)).warnings,
            *reader.analyze(text="...").warnings,
            *reader.analyze(audio=(np.zeros(32_000, np.float32), 16_000), language="other").warnings,
        ]
    assert len(set(warnings)) >= 5
    assert [warning for warning in warnings if Say(language).sentence(warning) == warning] == []


def test_reasons_numbers_and_names_within_a_sentence(tmp_path):
    late = "Reading the words failed and was left out: The text holds no word."
    assert Say("de").sentence(late).endswith(Say("de")("said_no_word"))
    assert "12\u202f000" in Say("es").sentence("The text has 12,000 characters; the limit is 5,000.")
    named = tmp_path / "1,000 tones at 50%.wav"
    named.touch()
    with pytest.raises(InputError) as error:
        media.decode_audio(named)
    assert named.name in Say("de").sentence(str(error.value)) != str(error.value)
    assert Say("en").number(4577.2) == "4,577" and Say("de").number(4577.2) == "4\u202f577"
    fell = "Reading the face fell to emotion-face, as a/model gave no answer: it did not answer within 20 seconds."
    assert Say("es").sentence(fell).startswith("Para la cara respondió emotion-face")


def test_what_is_in_no_table_stays_as_it_is():
    assert Say("de").sentence("Something new.") == "Something new."
    assert Say("en").sentence("waiting") == "waiting"
