"""The visitor's own baseline: set from an answer, kept by the browser, taken along, carried out and in, removed."""

import json

import pytest

from emotion.baseline import MODALITIES, Baseline
from emotion.labels import LABELS
from tests.page.visitor import ANSWER_MS, PHONE, analysis, answered, headline, rows, type_text, wider_than_window


@pytest.fixture(autouse=True)
def nothing_stays(app, browser):
    """All pages share what the browser keeps."""
    yield
    page = browser.new_page()
    page.goto(app.url)
    page.evaluate("localStorage.removeItem('emotion-baseline')")
    page.close()


@pytest.fixture
def plain(open_page):
    """A page whose answer is a plain voice's."""
    page = open_page()
    page.locator("#example_report").click()
    answered(page)
    page.locator("#own summary").click()
    return page


def read(page) -> dict:
    """The latest analysis."""
    return analysis(page, rows(page, page.locator("#history tbody tr[data-id]").count())[0])


def voice(page) -> list[float]:
    return list(read(page)["modalities"]["speech"]["probabilities"].values())


def kept(page) -> str | None:
    return page.evaluate("localStorage.getItem('emotion-baseline')")


def state(page) -> str:
    return page.locator("#own .state").inner_text()


def set_it(page) -> None:
    before = headline(page)
    page.locator("#own .set").click()
    answered(page, before)


def remove(page) -> None:
    before = headline(page)
    page.locator("#own .remove").click()
    answered(page, before)


def test_a_baseline_is_set_seen_kept_applied_and_removed(plain, app):
    page, before = plain, voice(plain)
    assert state(page) == "not set" and kept(page) is None and not page.locator("#own .remove").is_visible()
    set_it(page)
    assert state(page) == "for the voice" and "baseline was applied to the voice" in headline(page)
    changed, found = voice(page), read(page)["modalities"]["speech"]["without_baseline"]
    assert changed[LABELS.index("neutral")] > before[LABELS.index("neutral")]
    assert list(found["probabilities"].values()) == pytest.approx(before)
    assert set(json.loads(kept(page))) == {"speech"}
    page.goto(app.url)
    page.locator("#headline .invitation").wait_for()
    page.wait_for_function("document.querySelector('#own .own.active')")
    page.locator("#example_turn").click()
    assert "baseline was applied to the voice" in answered(page)
    page.locator("#own summary").click()
    remove(page)
    assert state(page) == "not set" and kept(page) is None and "baseline" not in headline(page)
    assert read(page)["modalities"]["speech"]["without_baseline"] is None


def test_a_baseline_goes_out_as_a_file_and_comes_in_again(plain, tmp_path):
    page = plain
    set_it(page)
    with page.expect_download() as waiting:
        page.locator("#own .export").click()
    path = tmp_path / "own.json"
    waiting.value.save_as(path)
    assert set(Baseline.from_json(path.read_text()).offsets) == {"speech"}
    remove(page)
    plain_again = headline(page)
    page.locator("#own input").set_input_files(path)
    assert "baseline was applied to the voice" in answered(page, plain_again)
    assert json.loads(kept(page)) == json.loads(path.read_text())


@pytest.mark.parametrize("content", ["no JSON", '{"speech": {"happy": 1}}', '{"words": {}}', " " * 5000])
def test_a_file_that_is_no_baseline_is_refused_with_the_reason(plain, tmp_path, content):
    path = tmp_path / "own.json"
    path.write_text(content)
    plain.locator("#own input").set_input_files(path)
    plain.wait_for_function("document.querySelector('#own .trouble').textContent", timeout=ANSWER_MS)
    assert "aseline" in plain.locator("#own .trouble").inner_text()
    assert kept(plain) is None and state(plain) == "not set"


def test_words_alone_and_a_page_without_an_answer_set_none(open_page):
    page = open_page()
    page.locator("#own summary").click()
    page.locator("#own .set").click()
    page.get_by_text("Record yourself first").wait_for()
    type_text(page, "What a day")
    page.locator("#own .set").click()
    page.get_by_text("A baseline needs a recording").wait_for()
    assert kept(page) is None


def test_both_modalities_have_a_name_of_their_own(open_page, app):
    page = open_page(PHONE)
    offsets = json.dumps({name: dict.fromkeys(LABELS, 0.0) for name in MODALITIES})
    page.evaluate("offsets => localStorage.setItem('emotion-baseline', offsets)", offsets)
    page.goto(app.url)
    page.locator("#headline .invitation").wait_for()
    page.wait_for_function("document.querySelector('#own .own.active')")
    assert state(page) == "for voice and face"
    page.locator("#own summary").click()
    assert wider_than_window(page) <= 0
