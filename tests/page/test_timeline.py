"""The timeline: what it is made of, and on the running page."""

import base64
import json
import re
import socket
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from emotion.fusion import fuse
from emotion.labels import LABELS
from emotion.page import frames, launch_options, timeline
from emotion.page.texts import Say
from emotion.page.timeline import Timeline
from emotion.readings import (
    Media,
    Reading,
    SpeechReading,
    Transcript,
    vector,
)
from tests.clips import MEDIA
from tests.page.analyses import TEN_MINUTES, made_up
from tests.page.visitor import (
    ANSWER_MS,
    PHONE,
    WIDE,
    analysis,
    answered,
    delays,
    hand_in,
    headline,
    painted,
    rows,
    set_weight,
    watch_painting,
    wider_than_window,
)

ENGLISH = Say("en")
MOST_BYTES = 800_000  # of a value as JSON
MOVES = 100


@pytest.fixture(scope="module")
def minutes(photograph):
    return made_up(TEN_MINUTES, photograph)


# --- its value


def test_windows_are_those_of_the_analysis(photograph):
    analysis = made_up(13.0, photograph)
    value, expected = Timeline().value(analysis), analysis.to_dict()["timeline"]
    assert value["moods"] == [span["mood"] for span in expected]
    assert value["duration"] == 13.0
    for span, whole in zip(value["spans"], expected, strict=True):
        assert (span["start"], span["end"]) == (whole["start"], whole["end"])
        for name, part in whole["modalities"].items():
            assert span["modalities"][name]["mood"] == part["mood"]
            assert dict(zip(LABELS, span["modalities"][name]["probabilities"], strict=True)) == part["probabilities"]
    assert value["words"] == analysis.to_dict()["transcript"]["segments"]
    assert not value["typed"]


def test_a_short_clip_has_none(photograph):
    short, given = replace(made_up(6.0, photograph), timeline=()), Timeline()
    assert given.value(short) is given.text_value(short) is given.fusion_value(short) is None


def test_only_what_changes_is_sent_again(photograph):
    analysis, given = made_up(13.0, photograph), Timeline()
    kept = replace(analysis, media=Media())  # what a session keeps
    assert set(given.value(analysis)) - set(given.text_value(kept)) == {"recording"}
    assert set(given.fusion_value(kept)) == {"moods"}
    typed = given.text_value(replace(kept, transcript=Transcript("hello", 1.0, "typed")))
    assert (typed["words"], typed["typed"]) == ([], True)
    assert given.value(kept)["recording"]["pictures"] == []  # of an answer whose media are gone, not those before it


def test_ten_minutes_stay_small(minutes):
    value = Timeline().value(minutes)
    sizes = {name: len(json.dumps(part)) for name, part in {**value, **value["recording"]}.items()}
    print(f"ten minutes as JSON: {sizes} bytes")
    assert len(value["spans"]) > 290
    assert len(value["recording"]["pictures"]) == timeline.PICTURES
    assert sizes["moods"] < 5_000
    assert len(json.dumps(value)) < MOST_BYTES


def test_pictures_are_spread_and_small(minutes):
    views = frames.views(minutes, timeline.PICTURES, timeline.SIDE)
    assert (views[0].time, views[-1].time) == (0.0, pytest.approx(599.9))
    assert max(len(view.jpeg) for view in views) < 20_000


def test_pitch_keeps_its_frequencies_and_its_pauses():
    f0 = np.array([0, 65, 120, 600, 0, 700], np.float32)
    pitch = timeline._pitch(SpeechReading(np.full(7, 1 / 7), 1.0, "low", 120.0, -20.0, f0))
    points = np.frombuffer(base64.b64decode(pitch["points"]), np.uint8)
    hertz = 65 * (600 / 65) ** ((points[1:4] - 1) / 254)
    assert hertz == pytest.approx([65, 120, 600], rel=0.01)
    assert points[[0, 4, 5]].tolist() == [0, 0, 0]
    assert pitch["step"] == 0.02
    long = timeline._pitch(SpeechReading(np.full(7, 1 / 7), 1.0, "low", 120.0, -20.0, np.zeros(30_001, np.float32)))
    assert len(long["points"]) <= 20_000 and long["step"] == pytest.approx(0.06)


# --- on the page


def place(page, share: float) -> tuple[float, float]:
    """The pixel at this share of the axis."""
    page.locator("#timeline .chart").scroll_into_view_if_needed()
    box = page.locator("#timeline .cursor").bounding_box()
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def detail(page) -> dict:
    """What is shown of the moment."""
    return page.evaluate(
        """() => {
          const text = (selector) => document.querySelector(`#timeline ${selector}`).textContent;
          const rows = [...document.querySelectorAll("#timeline .told tr:not([hidden])")];
          const part = (row) => [row.dataset.read, [...row.querySelectorAll("td")].map((cell) => cell.textContent)];
          return {
            when: text(".when"), mood: text(".score b"), word: text(".says"), words: text(".told .words"),
            parts: Object.fromEntries(rows.map(part)), picture: text(".picture figcaption"), sound: text(".sound figcaption"),
          };
        }"""
    )


def reading(page) -> dict:
    """What was read there, as shown."""
    shown = detail(page)
    parts = {name: part for name, part in shown["parts"].items() if part != ["–", "–"]}
    return {"mood": shown["mood"], "word": shown["word"], "parts": parts}


def expected(span: dict, say: Say = ENGLISH) -> dict:
    """The same of a span in ``to_dict()``."""
    parts = {name: [f"{part['mood']:.2f}", top(part, say)] for name, part in span["modalities"].items()}
    return {"mood": f"{span['mood']:.2f}", "word": say.mood(span["mood"]), "parts": parts}


def top(part: dict, say: Say = ENGLISH) -> str:
    label = max(part["probabilities"], key=part["probabilities"].get)
    return f"{say.label(label)} {say.percent(part['probabilities'][label])}"


def assert_shown(page, span: dict) -> None:
    assert reading(page) == expected(span)


def heights(page) -> list[float]:
    return [page.locator(f"#timeline {part}").bounding_box()["height"] for part in (".timeline", ".told", ".at")]


@pytest.fixture
def filmed_page(open_page, video):
    """Opens the page, hands in the film, and gives the page and the answer that it shows: another run may give other times."""

    def opened(size: dict = WIDE, scheme: str = "light", **options):
        page = open_page(size, scheme, **options)
        hand_in(page, video)
        page.locator("#timeline .cursor").wait_for()
        return page, analysis(page, *rows(page, 1))

    return opened


def test_a_film_shows_what_was_read_at_each_moment(filmed_page):
    page, read = filmed_page()
    spans = read["timeline"]
    assert_shown(page, spans[0])
    first, tall = detail(page), heights(page)
    assert first["when"] == "0 to 2 s"
    for span in spans:
        middle = (span["start"] + span["end"]) / 2
        page.mouse.move(*place(page, middle / read["duration"]))
        assert_shown(page, span)
        said = " … ".join(
            s["text"] for s in read["transcript"]["segments"] if s["start"] < span["end"] and s["end"] > span["start"]
        )
        assert detail(page)["words"] == (f"“{said}”" if said else "No words here.")
        assert abs(float(detail(page)["picture"].split()[2]) - middle) < 0.25
        assert heights(page) == tall  # nothing jumps
    assert page.locator("#timeline .pitch").get_attribute("d")
    page.mouse.move(5, 5)
    assert detail(page) == first

    page.mouse.click(*place(page, 0.6))
    page.mouse.move(5, 5)
    assert_shown(page, spans[1])  # pinned
    assert page.locator("#timeline .cursor").evaluate("e => e === document.activeElement")

    page.locator("#timeline details details summary").click()
    page.locator("#timeline details details tr td").first.wait_for()
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#timeline details details tbody tr").all()]
    for row, span in zip(rows, spans, strict=True):
        assert [float(cell) for cell in row[:2]] == [span["start"], span["end"]]
        assert row[2] == f"{span['mood']:.2f}"
        parts = span["modalities"]
        assert row[3:] == [top(parts[name]) if name in parts else "–" for name in ("text", "speech", "face")]


def test_the_keyboard_goes_from_window_to_window(filmed_page):
    page, read = filmed_page()
    spans = read["timeline"]
    slider = page.get_by_role("slider", name="Moment of the recording")
    slider.focus()
    assert (slider.get_attribute("aria-valuemin"), float(slider.get_attribute("aria-valuemax"))) == ("0", read["duration"])
    for key, index in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 2), ("Home", 0)):
        page.keyboard.press(key)
        span = spans[index]
        assert_shown(page, span)
        assert float(slider.get_attribute("aria-valuenow")) == pytest.approx((span["start"] + span["end"]) / 2, abs=0.06)
        said = slider.get_attribute("aria-valuetext")
        assert f"{span['mood']:.2f}" in said
        assert all(top(part) in said for part in span["modalities"].values())


def test_weights_move_the_mood_line_and_nothing_else(filmed_page):
    page, read = filmed_page()
    line, picture = page.locator("#timeline .line"), page.locator("#timeline .picture img")
    before, source = line.get_attribute("d"), picture.get_attribute("src")
    strip = page.locator("#timeline .strip path").first.get_attribute("d")
    set_weight(page, "speech", "0")
    set_weight(page, "text", "0")
    set_weight(page, "face", "1")
    page.wait_for_function("document.querySelector('#shares').innerText.includes('100%')", timeout=ANSWER_MS)
    face = [span["modalities"]["face"]["mood"] for span in read["timeline"] if "face" in span["modalities"]]
    page.wait_for_function("mood => document.querySelector('#timeline .score b').textContent === mood", arg=f"{face[0]:.2f}")
    assert line.get_attribute("d") != before
    assert picture.get_attribute("src") == source
    assert page.locator("#timeline .strip path").first.get_attribute("d") == strip
    for name in ("speech", "text"):
        set_weight(page, name, "0.5")
    parts = {
        n: Reading(vector(p["probabilities"]), read["modalities"][n]["reliability"])
        for n, p in read["timeline"][0]["modalities"].items()
    }
    mood = fuse(parts, {"text": 0.5, "speech": 0.5, "face": 1.0}).mood
    page.wait_for_function("mood => document.querySelector('#timeline .score b').textContent === mood", arg=f"{mood:.2f}")


def test_a_corrected_transcript_takes_the_words_off_the_axis(filmed_page):
    page, _ = filmed_page()
    before, picture = headline(page), page.locator("#timeline .picture img").get_attribute("src")
    page.locator("#transcript textarea").fill("I hate this, it is disgusting and I am furious")
    page.locator("#transcript textarea").press("Enter")
    answered(page, before)
    page.locator("#timeline .words", has_text="Typed words have no times.").wait_for()
    assert set(detail(page)["parts"]) == {"speech", "face"}
    assert not page.locator("#timeline .strip[data-read=text]").is_visible()
    assert page.locator("#timeline .picture img").get_attribute("src") == picture


def test_what_has_no_course_hides_it_and_the_next_film_shows_it_again(filmed_page, video):
    page, _ = filmed_page()
    hand_in(page, MEDIA / "astronaut.jpg")
    page.locator("#timeline").wait_for(state="hidden")
    hand_in(page, video)
    page.locator("#timeline .cursor").wait_for()
    assert page.locator("#timeline .picture img").evaluate("image => image.naturalWidth") > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_needs_no_sideways_scrolling(filmed_page, scheme):
    page, read = filmed_page(PHONE, scheme)
    tall = heights(page)
    page.mouse.click(*place(page, 0.6))
    assert_shown(page, read["timeline"][1])
    assert heights(page) == tall
    page.locator("#timeline details details summary").click()
    page.locator("#timeline .scroll").wait_for()
    assert wider_than_window(page) <= 0


def test_it_speaks_german(filmed_page, german):
    page, read = filmed_page(within=german)
    say = Say("de")
    assert detail(page)["when"] == "0 bis 2 s"
    assert reading(page) == expected(read["timeline"][0], say)
    text = page.locator("#timeline").inner_text()
    for key in ("timeline_heading", "mood_short", "together", "timeline_table", "name_text", "label_surprise"):
        assert say(key) in text
    assert (
        page.get_by_role("slider", name=say("timeline_cursor")).get_attribute("aria-valuetext").startswith("0 bis 2 s: Stimmung")
    )
    assert_names_clear_of_ticks(page)
    page.set_viewport_size(PHONE)
    assert_names_clear_of_ticks(page)


def assert_names_clear_of_ticks(page) -> None:
    name, tick = (page.locator(f"#timeline .name.moods {part}").bounding_box() for part in ("> span", "b >> nth=0"))
    assert name["x"] + name["width"] < tick["x"]


# --- ten minutes


@pytest.fixture(scope="module")
def long_page(launch, browser, minutes):
    """A page with the timeline of ten minutes, and nothing else."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML("<p>Ten minutes</p>")
        component = Timeline()
        blocks.load(lambda: component.value(minutes), None, component.component)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, url, _ = blocks.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **launch_options())
    page = browser.new_page()
    page.set_viewport_size(WIDE)
    page.goto(url)
    page.locator("#timeline .fold > summary").click()
    page.locator("#timeline .cursor").wait_for(timeout=ANSWER_MS)
    yield page
    page.close()
    blocks.close()


def test_every_window_of_ten_minutes_can_be_reached(long_page, minutes):
    spans = minutes.to_dict()["timeline"]
    long_page.locator("#timeline .cursor").focus()
    long_page.keyboard.press("Home")
    for index in range(20):
        assert_shown(long_page, spans[index])
        long_page.keyboard.press("ArrowRight")
    long_page.keyboard.press("PageUp")
    assert_shown(long_page, spans[30])
    long_page.keyboard.press("End")
    assert_shown(long_page, spans[-1])
    assert "599" in detail(long_page)["picture"]
    long_page.locator("#timeline details details summary").click()
    long_page.locator("#timeline details details tbody tr").last.wait_for()
    assert long_page.locator("#timeline details details tbody tr").count() == len(spans)


def test_where_nothing_was_read_is_said(long_page):
    long_page.mouse.click(*place(long_page, 7 / TEN_MINUTES))
    long_page.mouse.move(5, 5)
    shown = detail(long_page)
    assert (shown["when"], shown["mood"], shown["word"]) == ("6 to 8 s", "–", "nothing was read here")
    assert shown["words"] == "“word 6 <b>”"  # as text
    assert shown["sound"].startswith("Sound, 5 to 9 s")


def test_moments_follow_the_pointer_at_once(long_page, minutes):
    """At once: in the first picture after each move; how late that comes is printed, not judged."""
    watch_painting(long_page, "pointermove", "#timeline .when")
    box = long_page.locator("#timeline .cursor").bounding_box()
    x, y = place(long_page, 0.1)
    for step in range(MOVES):
        long_page.mouse.move(x + 5 * step, y)
        found = painted(long_page, step + 1)
    print(f"pointer to picture: {delays(found)}")
    for one in found:
        moment = (one["x"] - box["x"]) / box["width"] * TEN_MINUTES
        start, end = (float(time) for time in re.match(r"([\d.]+) to ([\d.]+) s", one["texts"][0]).groups())
        assert start <= moment <= end
    assert len({one["texts"][0] for one in found}) > MOVES / 2
