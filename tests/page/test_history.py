"""This visit's analyses in a table of the browser, what is taken along of them, and the link that carries settings."""

import csv
import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from emotion.analyzer import Analyzer
from emotion.labels import LABELS, MODALITIES
from emotion.messages import Message
from emotion.page import examples, settings, wording
from emotion.page.history import Entry, History
from emotion.page.texts import Say
from emotion.readings import Analysis
from tests.clips import MEDIA
from tests.page.analyses import TEN_MINUTES, made_up
from tests.page.calls import call
from tests.page.visitor import (
    ANSWER_MS,
    PHONE,
    ROWS,
    analysis,
    answered,
    hand_in,
    headline,
    rows,
    set_weight,
    show,
    taken,
    type_text,
    visit,
    wider_than_window,
)

ENGLISH = Say("en")
GLAD, FURIOUS = "I am so glad that you came", "I hate this, it is disgusting and I am furious"
HOSTILE = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script> what a lovely day"


# --- what a visitor does


def why(page, row, language: str) -> str:
    """The sentences with which the page explains its answer, which is the row's."""
    said = page.locator("#headline p").inner_text()
    agreement = wording.agreement(Say(language), Analysis.from_dict(analysis(page, row)))
    assert len(said) > len(agreement) and said.endswith(f" {agreement}")
    return said.removesuffix(agreement)


def cell(row, name: str) -> str:
    return row.locator(f".{name}").inner_text()


def pick(*chosen) -> None:
    for row in chosen:
        row.locator("input").check()


def correct(page, text: str) -> None:
    before = headline(page)
    page.locator("#transcript textarea").fill(text)
    page.locator("#transcript textarea").press("Enter")
    answered(page, before)


def clear(page) -> None:
    page.locator("#history .clear").click()
    page.locator("#history .clear").click()


# --- the table


def test_each_analysis_is_a_row_and_its_json_is_what_the_api_returns(open_page, app):
    page = open_page()
    assert not page.locator("#history").is_visible()
    type_text(page, GLAD)
    type_text(page, FURIOUS)
    newest, oldest = rows(page, 2)
    for row, text in ((newest, FURIOUS), (oldest, GLAD)):
        found, expected = analysis(page, row), call(app, "analyze_text", text)[1][0]
        assert set(found) == set(expected) and set(found["modalities"]["text"]) == set(expected["modalities"]["text"])
        assert (found["probabilities"], found["mood"]) == (expected["probabilities"], expected["mood"])
        assert Analysis.from_dict(found).label == found["label"]
        assert cell(row, "source") == "Text"
        assert cell(row, "mood").startswith(f"{found['mood']:.1f} ")
        assert cell(row, "label") == f"{found['label']} {ENGLISH.percent(found['probabilities'][found['label']])}"
        assert (cell(row, "agreement"), cell(row, "read"), cell(row, "length")) == ("–", "Words", "no timeline")
        assert row.locator("[data-take=csv]").is_disabled()
        assert "4 seconds" in row.locator("[data-take=csv]").get_attribute("title")
    assert "this browser tab" in page.locator("#history .where").inner_text()


def test_weights_and_words_update_the_row_of_their_analysis(open_page, video):
    page = open_page()
    hand_in(page, video)
    (row,) = rows(page, 1)
    before = analysis(page, row)
    assert set(before["modalities"]) == set(MODALITIES)
    assert (cell(row, "agreement"), cell(row, "length")) == (f"{before['agreement']:.2f}", f"{before['duration']:.1f} s")
    set_weight(page, "speech", "0")
    changed = f"shown => document.querySelector('{ROWS} .agreement').innerText !== shown"
    page.wait_for_function(changed, arg=f"{before['agreement']:.2f}", timeout=ANSWER_MS)
    after = analysis(page, *rows(page, 1))
    assert after["modalities"]["speech"]["weight"] == 0 < before["modalities"]["speech"]["weight"]
    assert after["mood"] != before["mood"] and after["timeline"] != before["timeline"]
    time = cell(row, "time")
    correct(page, FURIOUS)
    after = analysis(page, *rows(page, 1))
    assert after["transcript"]["text"] == FURIOUS and cell(row, "time") == time
    type_text(page, GLAD)
    assert [cell(row, "source") for row in rows(page, 2)] == ["Text", "Upload"]


def test_examples_are_told_apart_by_what_their_buttons_say(open_page, browser, german):
    for within, count in ((browser, 5), (german, 2)):
        page = open_page(within=within)
        page.locator("#examples button").nth(4).wait_for()
        buttons = page.locator("#examples button").all()[-count:]
        for done, button in enumerate(buttons):
            button.click()
            rows(page, done + 1)
        named = [cell(row, "source") for row in reversed(rows(page, count))]
        assert named == [button.inner_text() for button in buttons]
        assert len(set(named)) == count
    assert named[-1] == f"„{examples.SENTENCES[-1]}“"


def test_two_are_compared_by_the_numbers_that_they_hold(open_page):
    page = open_page()
    hand_in(page, MEDIA / "astronaut.jpg")
    correct(page, GLAD)
    for text in (GLAD, FURIOUS):
        type_text(page, text)
    newest, middle, oldest = rows(page, 3)
    assert not page.locator("#history .pair").is_visible()
    pick(newest, middle, oldest)
    assert [row.locator("input").is_checked() for row in (newest, middle, oldest)] == [False, True, True]  # two at most
    newest.locator("input").check()
    middle.locator("input").uncheck()
    newest.locator("input").check()
    a, b = analysis(page, oldest), analysis(page, newest)  # the earlier one is A
    for side, one in (("A", a), ("B", b)):
        place = page.locator(f"#history .set[data-set={side}]")
        assert place.locator(".score b").inner_text() == f"{one['mood']:.2f}"
        assert one["label"] in place.locator(".says").inner_text()
        for name in MODALITIES:
            expected = f"{one['modalities'][name]['mood']:.2f}" if name in one["modalities"] else "not read"
            assert page.locator(f"#history [data-part={name}] [data-set={side}]").inner_text() == expected
    for label in LABELS:
        row = page.locator(f"#history tr[data-label={label}]")
        shown = [int(text.rstrip("%")) for text in row.locator(".bar span").all_inner_texts()]
        assert shown == pytest.approx([100 * a["probabilities"][label], 100 * b["probabilities"][label]], abs=0.51)
        assert int(row.locator(".change span").inner_text().replace("−", "-")) == shown[1] - shown[0]
    said = page.locator("#history .difference").inner_text()
    assert said == f"B is {round(a['mood'], 2) - round(b['mood'], 2):.2f} lower than A; A says {a['label']}, B says {b['label']}."


def test_an_answer_without_a_mood_is_a_row_too(open_page):
    page = open_page()
    type_text(page, GLAD)
    type_text(page, "?!")
    newest, oldest = rows(page, 2)
    assert (cell(newest, "mood"), cell(newest, "label"), cell(newest, "read")) == ("no mood", "–", "–")
    assert analysis(page, newest)["mood"] is None
    pick(newest, oldest)
    assert "No mood could be read in B" in page.locator("#history .difference").inner_text()
    assert page.locator("#history [data-label=happy] .bar[data-set=B] span").inner_text() == "–"
    assert "No mood could be read" in taken(page, newest, "report")


def weighed(page, name: str, weight: str, share: str) -> None:
    """Moves a weight and waits until the table has what came of it."""
    set_weight(page, name, weight)
    latest = "JSON.parse(Object.entries(sessionStorage).find(([key]) => key.startsWith('emotion'))[1]).analysis.modalities"
    page.wait_for_function(f"([name, share]) => {latest}[name].weight.toFixed(2) === share", arg=[name, share], timeout=ANSWER_MS)


def test_moved_weights_leave_the_json_what_the_package_gives_out(open_page, video):
    page = open_page()
    hand_in(page, video)
    (row,) = rows(page, 1)
    before, fitted = analysis(page, row), page.locator("#weight-speech input[type=number]").input_value()
    weighed(page, "speech", "0", "0.00")
    moved = analysis(page, row)
    weighed(page, "speech", fitted, f"{before['modalities']['speech']['weight']:.2f}")
    assert analysis(page, row) == before
    weights = {name: float(page.locator(f"#weight-{name} input[type=number]").input_value()) for name in MODALITIES}
    whole = Analyzer("bundled").with_weights(Analysis.from_dict(before), weights | {"speech": 0.0}).to_dict()
    assert list(moved) == list(whole)
    assert_alike(moved, json.loads(json.dumps(whole)))


def assert_alike(one, other):
    """Equal, but for the last digit of numbers, which rounding twice may change."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_alike(value, other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_alike(*pair)
    else:
        assert one == (pytest.approx(other, abs=1e-5) if isinstance(other, float) else other)


def test_a_moved_weight_sends_only_what_it_changes(photograph):
    entry, history = Entry(made_up(TEN_MINUTES, photograph), "upload"), History()
    sent = history.fusion_value(ENGLISH, entry)
    assert sent["id"] == entry.id and set(sent["weights"]) == set(entry.analysis.modalities)
    sizes = [len(json.dumps(value)) for value in (history.value(ENGLISH, entry), sent)]
    print(f"ten minutes as JSON: {sizes} bytes, whole and after a weight")
    assert sizes[1] < sizes[0] / 20


def test_what_counts_for_nothing_is_not_said_to_agree(open_page, video):
    page = open_page()
    hand_in(page, video)
    (row,) = rows(page, 1)
    assert cell(row, "read") == "Words, Voice, Face"
    weighed(page, "speech", "0", "0.00")
    weighed(page, "face", "0", "0.00")
    assert (cell(row, "read"), cell(row, "agreement")) == ("Words", "–")
    said = taken(page, row, "report")
    assert "Read from the words alone." in said and "Agreement" not in said
    assert why(page, row, "en") in said and "counted most (" not in said


# --- files


def test_the_timeline_is_a_table_of_numbers(open_page, video):
    page = open_page()
    hand_in(page, video)
    (row,) = rows(page, 1)
    timeline = analysis(page, row)["timeline"]
    table = list(csv.DictReader(io.StringIO(taken(page, row, "csv"))))
    assert list(table[0]) == ["start", "end", "mood", *(f"{name}_{what}" for name in MODALITIES for what in ("mood", *LABELS))]
    assert len(table) == len(timeline) >= 2
    for line, span in zip(table, timeline, strict=True):
        assert [float(line[key]) for key in ("start", "end", "mood")] == [span["start"], span["end"], span["mood"]]
        for name in MODALITIES:
            part = span["modalities"].get(name)
            expected = [part["mood"], *part["probabilities"].values()] if part else [""] * 8
            found = [line[f"{name}_{what}"] for what in ("mood", *LABELS)]
            assert (list(map(float, found)) if part else found) == expected


def opened_alone(page, text: str, tmp_path):
    """A report as a page of its own, and what it asked for."""
    path = tmp_path / "report.html"
    path.write_text(text, "utf-8")
    alone, requests = page.context.new_page(), []
    alone.context.set_offline(True)
    alone.on("request", lambda request: requests.append(request.url))
    try:
        alone.goto(path.as_uri())
    finally:
        alone.context.set_offline(False)
    assert requests == [path.as_uri()]
    return alone


def test_the_report_opens_offline_and_holds_the_numbers_and_no_media(open_page, video, tmp_path):
    page = open_page()
    hand_in(page, video)
    (row,) = rows(page, 1)
    one, text = analysis(page, row), taken(page, row, "report")
    report = opened_alone(page, text, tmp_path)
    said = report.locator("body").inner_text()
    assert report.title() and report.locator("html").get_attribute("lang") == "en"
    assert f"{one['mood']:.2f}" in said and f"{one['agreement']:.2f} of 1" in said and one["transcript"]["text"] in said
    assert report.locator(".answer p").inner_text().startswith(why(page, row, "en"))
    tables = report.locator("table.bars").all()
    readings = [one, *one["modalities"].values()]
    for table, reading in zip(tables, readings, strict=True):
        shown = [int(share.rstrip("%")) for share in table.locator("td:last-child").all_inner_texts()]
        assert shown == pytest.approx([100 * p for p in reading["probabilities"].values()], abs=0.51)
    for reading in one["modalities"].values():
        assert f"{reading['mood']:.2f}" in said
        assert f"Reliability {reading['reliability']:.2f} of 1, share in the answer {ENGLISH.percent(reading['weight'])}" in said
    voice, face = one["modalities"]["speech"], one["modalities"]["face"]
    assert f"Intensity {voice['intensity']}, pitch {voice['pitch_hz']:.0f} Hz, energy {voice['energy_db']:.0f} dB" in said
    assert f"Face found in {face['frames_with_face']} of {face['frames_sampled']} frames" in said
    assert report.locator("body > *").count() == report.locator("body > main").count() == 1
    assert [word for word in report.locator(".words span").all_inner_texts()] == [
        w["word"] for w in one["modalities"]["text"]["words"]
    ]
    titles = report.locator(".chart circle title").evaluate_all("all => all.map(e => e.textContent)")
    assert [title.split(": ")[1] for title in titles] == [f"{span['mood']:.2f}" for span in one["timeline"]]
    assert all(model["name"] in said and str(model["revision"]) in said for model in one["models"].values())
    assert "not a reading of feelings" in said
    assert report.locator("script, img, audio, video, link, iframe").count() == 0
    assert "url(" not in text and "base64" not in text
    report.set_viewport_size(PHONE)
    assert wider_than_window(report) <= 0
    for part in (report.locator(".chart"), *report.locator(".chart text").all()):  # nothing is cut or small
        box = part.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] and box["height"] >= 12
    report.close()


def test_hostile_words_are_shown_and_not_run(open_page, tmp_path):
    page = open_page()
    type_text(page, HOSTILE)
    (row,) = rows(page, 1)
    assert analysis(page, row)["transcript"]["text"] == HOSTILE
    report = opened_alone(page, taken(page, row, "report"), tmp_path)
    assert report.locator(".said").inner_text() == HOSTILE
    assert report.locator("script, img").count() == 0
    assert "run" not in (report.title(), page.title())
    report.close()


# --- what stays and what goes


def test_reloading_keeps_the_visit_and_another_visit_knows_nothing(open_page, app):
    page = open_page()
    type_text(page, GLAD)
    type_text(page, FURIOUS)
    before = [(row.inner_text(), analysis(page, row)) for row in rows(page, 2)]
    visit(page, app.url)
    assert [(row.inner_text(), analysis(page, row)) for row in rows(page, 2)] == before
    assert not open_page().locator("#history").is_visible()


def test_what_is_stored_in_another_format_goes_and_leaves_the_rest(open_page, app):
    page = open_page()
    type_text(page, GLAD)
    before = [row.inner_text() for row in rows(page, 1)]
    old = "JSON.stringify({...JSON.parse(Object.values(sessionStorage)[0]), id: 'old', why: undefined})"
    page.evaluate(f"sessionStorage['emotion-analysis:old'] = {old}")
    foreign = ["{", "null", "3", "[]", "{}", '{"analysis": {"mood": 3}}', '{"analysis": {"mood": 3, "modalities": "text"}}']
    page.evaluate("foreign => foreign.forEach((text, i) => (sessionStorage[`emotion-analysis:${i}`] = text))", foreign)
    visit(page, app.url)
    assert [row.inner_text() for row in rows(page, 1)] == before
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('emotion')).length") == 1
    type_text(page, FURIOUS)
    rows(page, 2)


def test_clearing_asks_once_more_and_is_for_good(open_page, app):
    page = open_page()
    type_text(page, GLAD)
    type_text(page, FURIOUS)
    rows(page, 2)
    button = page.locator("#history .clear")
    button.click()
    assert button.inner_text() == "Yes, delete all 2"
    button.blur()
    assert button.inner_text() == "Clear" and len(rows(page, 2)) == 2
    clear(page)
    rows(page, 0)
    assert "deleted" in page.locator("#history .noted").inner_text()
    assert page.evaluate("document.activeElement.matches('#history summary')")
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('emotion')).length") == 0
    correct(page, GLAD)  # what was cleared does not come back with its next change
    rows(page, 0)
    type_text(page, FURIOUS)
    rows(page, 1)
    clear(page)
    visit(page, app.url)
    assert not page.locator("#history").is_visible()


def test_the_oldest_go_when_the_browser_is_full_and_it_is_said(open_page, app):
    page = open_page()
    type_text(page, FURIOUS)  # the longer one: its place is enough
    rows(page, 1)
    page.evaluate(
        """() => { for (let size = 1e6; size >= 1; size /= 10) for (let i = 0; ; i++) {
          try { sessionStorage.setItem(`full-${size}-${i}`, "x".repeat(size)) } catch { break } } }"""
    )
    type_text(page, GLAD)
    page.wait_for_function("document.querySelector('#history .noted').innerText.includes('left out')", timeout=ANSWER_MS)
    (row,) = rows(page, 1)
    assert analysis(page, row)["transcript"]["text"] == GLAD
    visit(page, app.url)
    (row,) = rows(page, 1)
    assert analysis(page, row)["transcript"]["text"] == GLAD


def test_a_browser_that_keeps_nothing_still_has_the_table(open_page):
    page = open_page()
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('off', 'SecurityError') } }")
    type_text(page, GLAD)
    type_text(page, FURIOUS)
    rows(page, 2)
    assert "keeps nothing" in page.locator("#history .where").inner_text()


# --- reached by everybody


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    type_text(page, GLAD)
    type_text(page, FURIOUS)
    rows(page, 2)
    page.locator("#history .clear").focus()
    reached, report = [], None
    for _ in range(8):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.getAttribute('aria-label')")
        reached.append(name.split(":")[0])
        if name.startswith("Compare"):
            page.keyboard.press("Space")
        if name.startswith("Report") and report is None:
            with page.expect_download() as waiting:
                page.keyboard.press("Enter")
            report = waiting.value.path().read_text("utf-8")
        if reached.count("Report") == 2:
            break
    assert reached == ["Compare", "JSON", "Report"] * 2  # CSV is disabled: not on the way
    assert FURIOUS in report
    assert page.locator("#history .pair").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_needs_no_sideways_scrolling(open_page, scheme):
    page = open_page(PHONE, scheme)
    type_text(page, GLAD)
    type_text(page, FURIOUS)
    pick(*rows(page, 2))
    page.locator("#settings-link button").click()
    page.locator("#settings-link input").wait_for()
    assert wider_than_window(page) <= 0
    for place in (
        *page.locator("#history button").all(),
        *page.locator("#history .set").all(),
        page.locator("#settings-link input"),
    ):
        box = place.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    assert page.locator("#history .scroll").evaluate("e => e.scrollWidth - e.clientWidth") <= 0


def test_a_german_browser_is_spoken_to_in_german(open_page, german, tmp_path):
    page = open_page(within=german)
    page.locator("[data-tab-id=text]").click()
    for text in ("?!", GLAD):
        before = headline(page)
        page.locator("#typed textarea").fill(text)
        page.locator("#typed textarea").press("Enter")
        answered(page, before)
    glad, unread = rows(page, 2)
    assert page.locator("#history h3").inner_text() == "Analysen dieses Besuchs"
    assert cell(glad, "label") == f"fröhlich {Say('de').percent(analysis(page, glad)['probabilities']['happy'])}"
    assert cell(glad, "length") == "kein Zeitverlauf"
    assert "4 Sekunden" in glad.locator("[data-take=csv]").get_attribute("title")
    assert cell(unread, "mood") == "nicht lesbar"
    report = opened_alone(page, taken(page, glad, "report"), tmp_path)
    assert report.locator("html").get_attribute("lang") == "de"
    assert "kein Einblick in Gefühle" in report.locator("body").inner_text()
    assert why(page, glad, "de") in report.locator(".answer p").inner_text()
    report.close()
    assert Message("no_word").say("de") in taken(page, unread, "report")  # the package's own sentence


# --- the link


def test_the_link_carries_weights_and_tab_and_nothing_else(open_page, app):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app.url)
    visit(page, f"{app.url}?__theme=light&secret=1#part")
    type_text(page, FURIOUS)
    for name, weight in zip(MODALITIES, ("0.25", "0.4", "0.05"), strict=True):
        set_weight(page, name, weight)
    show(page, "Live")
    page.locator("#settings-link button").click()
    page.locator("#settings-link input").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.locator("#settings-link input").input_value() == f"{app.url}?weights=0.25,0.40,0.05&tab=live"
    assert set(parse_qs(urlsplit(link).query)) == {"weights", "tab"}

    page = open_page()
    visit(page, link)
    page.wait_for_function("document.querySelector('[data-tab-id=live]').ariaSelected === 'true'")
    type_text(page, GLAD)
    for name, weight in zip(MODALITIES, (0.25, 0.4, 0.05), strict=True):
        assert float(page.locator(f"#weight-{name} input[type=number]").input_value()) == weight
    assert "0.25" in page.locator("#shares").inner_text()
    assert not page.locator(".link-trouble").count()


def test_the_link_is_shown_where_the_browser_does_not_copy(open_page):
    page = open_page()
    type_text(page, GLAD)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')) }")
    page.locator("#settings-link button").click()
    field = page.locator("#settings-link input")
    page.wait_for_function("document.activeElement.matches('#settings-link input')")
    assert field.evaluate("e => e.selectionEnd - e.selectionStart") == len(field.input_value())
    assert "Ctrl+C" in page.locator("#settings-link .said").inner_text()


def test_what_a_link_gets_wrong_is_left_out_and_said(open_page, app):
    page = open_page()
    visit(page, f"{app.url}?weights=0.2,<b>,9&tab=text")
    trouble = page.locator(".link-trouble")
    trouble.wait_for()
    assert "the weights" in trouble.inner_text() and "the tab" not in trouble.inner_text()
    assert page.locator("[data-tab-id=text]").get_attribute("aria-selected") == "true"
    type_text(page, GLAD)
    assert page.locator("#weight-text input[type=number]").input_value() not in ("0.2", "0")
    visit(page, f"{app.url}?weights=1,1,1&tab=<img src=x>")
    trouble.wait_for()
    assert "the tab" in trouble.inner_text() and "the weights" not in trouble.inner_text()
    assert page.locator("[data-tab-id=microphone]").get_attribute("aria-selected") == "true"


@pytest.mark.parametrize("weights", ["", "1", "1,1", "1,1,1,1", "1,1,-0.1", "1,1,1.01", "nan,1,1", "inf,1,1", "a,b,c", "1;1;1"])
def test_only_three_numbers_from_0_to_1_are_weights(weights):
    assert settings.parsed(weights) is None
    assert settings.parsed("0,0.256,1") == [0, 0.26, 1]
