"""Where things stand: the answer in one look, folded sections below it, and nothing that jumps."""

import itertools

import pytest

from tests.page.live import start, wait_for
from tests.page.visitor import (
    ANSWER_MS,
    HEAD,
    PHONE,
    SECTIONS,
    answered,
    headline,
    is_open,
    settled,
    show,
    type_text,
    wider_than_window,
)

DESK = {"width": 1280, "height": 800}
MOST_HEIGHT = 1600  # of the page with its sections closed, at DESK
MOST_SHIFT = 0.05  # of the layout while an answer arrives, as browsers count it
LANGUAGES = ("en-US", "de-DE", "es-ES")

# Adds up the layout shifts that no input of the visitor explains; notes when the result came and when its summary was painted.
WATCH = """() => {
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
  }).observe({ type: "layout-shift" });
  const parse = JSON.parse;
  JSON.parse = function (text) {
    if (String(text).includes("data-mood")) window.came ??= performance.now();
    return parse.apply(this, arguments);
  };
  const empty = document.querySelector("#fused .js-plotly-plot");
  new MutationObserver((_, observer) => {
    const bars = document.querySelector("#fused .js-plotly-plot:has(.bars .point)");
    if (!bars || (bars === empty && !bars.data[0].x.some(Boolean)) || !document.querySelector("#each .reading")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => (window.drawn = performance.now())));
  }).observe(document, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module", params=LANGUAGES)
def spoken_browser(launch, request):
    context = launch(locale=request.param)
    yield context
    context.close()


def lower_edge(page, place: str) -> float:
    box = page.locator(place).first.bounding_box()
    return box["y"] + box["height"]


def film_answered(page) -> None:
    """Has the example film read, in words, voice and face."""
    page.locator("#language input").first.wait_for()
    settled(page)
    page.evaluate(WATCH)
    page.locator("#try-film").click()
    answered(page)
    page.wait_for_function("window.drawn", timeout=ANSWER_MS)
    page.wait_for_timeout(1000)  # what is going to jump has jumped
    print(
        f"layout shift {page.evaluate('shift'):.3f}; summary drawn {page.evaluate('drawn - came'):.0f} ms after the result came"
    )
    assert page.evaluate("shift") <= MOST_SHIFT


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_answer_is_seen_in_one_look(open_page, spoken_browser, scheme):
    page = open_page(DESK, scheme, spoken_browser, sections=())
    film_answered(page)
    for place in (".gauge", "#headline p", "#fused", "#each"):
        assert lower_edge(page, place) <= DESK["height"]
    assert page.evaluate("document.documentElement.scrollHeight") <= MOST_HEIGHT
    assert page.locator("#input").bounding_box()["x"] < page.locator("#result").bounding_box()["x"]
    assert page.evaluate("scrollY") == 0 and wider_than_window(page) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_goes_to_the_answer_and_folds_the_input(open_page, spoken_browser, scheme):
    page = open_page(PHONE, scheme, spoken_browser, sections=())
    film_answered(page)
    for place in ("#headline .score", "#headline p", "#fused"):
        box = page.locator(place).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= PHONE["height"]
    again = page.locator("#again")
    assert again.bounding_box()["y"] >= 0 and lower_edge(page, "#again") < page.locator("#headline .score").bounding_box()["y"]
    assert not page.get_by_role("tab").first.is_visible()
    assert wider_than_window(page) <= 0
    again.click()
    assert page.get_by_role("tab").first.is_visible() and not again.is_visible()
    before = headline(page)
    page.locator("#example_sentence_0").click()
    answered(page, before)
    again.wait_for()


def test_the_input_stays_in_view_beside_a_long_answer(open_page):
    page = open_page(DESK)
    page.locator("#example_turn").click()
    answered(page)
    page.locator("#details").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > page.locator("#columns").evaluate("e => e.offsetTop")
    assert page.get_by_role("tab").first.bounding_box()["y"] >= 0


def test_nothing_is_drawn_before_its_section_is_opened(open_page):
    page = open_page(DESK, sections=())
    page.locator("#try-film").click()
    answered(page)
    page.locator(f"#history {HEAD}").wait_for()
    inside = {
        "why": "#part-text, #shares, #transcript",
        "compare": "#compare .bar span:not(:empty)",
        "timeline": "#timeline .axis span, #timeline image[href], #timeline img[src]",
        "media": "#sound, #frames",
        "times": "#details",
        "history": "#history tr[data-id]",
    }
    assert tuple(inside) == SECTIONS
    for name, places in inside.items():
        assert not is_open(page, name) and page.locator(places).count() == 0
    assert page.locator(".js-plotly-plot").count() == page.locator("#fused .js-plotly-plot").count() == 1
    for name, places in inside.items():
        page.locator(f"#{name} {HEAD}").first.click()
        page.locator(places).first.wait_for(state="attached")
    page.locator("#sound .js-plotly-plot").wait_for()


def test_a_section_is_as_this_browser_left_it(open_page, app):
    page = open_page(DESK, sections=())
    type_text(page, "What a day")
    for name in ("why", "compare"):
        page.locator(f"#{name} {HEAD}").first.click()
    page.locator(f"#compare {HEAD}").first.click()
    page.wait_for_function("localStorage['emotion-open'] === 'why'")
    page.goto(app.url)
    page.locator("#headline .invitation").wait_for()
    type_text(page, "What a day")
    page.locator("#part-text").wait_for()
    assert [name for name in ("why", "compare", "times", "history") if is_open(page, name)] == ["why"]


@pytest.mark.parametrize("name", ["why", "compare", "history"])
def test_a_link_opens_its_section(open_page, app, name):
    page = open_page(DESK, sections=())
    page.goto(f"{app.url}#{name}")
    page.locator("#headline .invitation").wait_for()
    type_text(page, "What a day")
    page.locator(f"#{name} {HEAD}").first.wait_for()
    page.wait_for_function("name => document.querySelector(`#${name} :is(.fold[open], .label-wrap.open)`)", arg=name)
    page.locator(f"#times {HEAD}").click()
    page.wait_for_function("location.hash === '#times'")
    page.locator(f"#times {HEAD}").click()
    page.wait_for_function("location.hash === ''")


def test_the_keyboard_opens_every_section_and_a_screen_reader_is_told(open_page):
    page = open_page(DESK, sections=())
    page.locator("#example_turn").click()
    answered(page)
    page.locator(f"#history {HEAD}").wait_for()
    page.locator("#example_sentence_2").focus()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "document.activeElement.closest('.fold') && document.activeElement.closest('.fold').closest('.block').id"
        )
        if name and name not in reached:
            assert not is_open(page, name)
            reached.append(name)
        if reached == list(SECTIONS):
            break
    assert reached == list(SECTIONS)
    for name, key in zip(SECTIONS, itertools.cycle(("Enter", "Space"))):
        head = page.locator(f"#{name} {HEAD}").first
        head.focus()
        page.keyboard.press(key)
        page.wait_for_function("name => document.querySelector(`#${name} :is(.fold[open], .label-wrap.open)`)", arg=name)
        if head.evaluate("e => e.tagName") == "BUTTON":  # a summary tells by itself
            assert head.get_attribute("aria-expanded") == "true"


def test_the_page_without_an_answer_invites_to_three_things(open_page):
    page = open_page(DESK)
    assert page.locator("#tries button").count() == 3
    page.locator("#try-live").click()
    page.locator("#live .start").wait_for()
    page.locator("#try-speak").click()
    page.locator("#microphone").wait_for()
    type_text(page, "What a day")
    assert not page.locator("#tries").is_visible()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_live_stands_where_the_answer_stands(open_page, size):
    page = open_page(size)
    type_text(page, "What a day")
    show(page, "Live")
    assert not page.locator("#live-now").is_visible()
    start(page, microphone=False)
    wait_for(page, "a.looked > 0")
    assert page.locator("#live-now .now").is_visible()
    assert not page.locator("#headline").is_visible() and not page.locator("#answer").is_visible()
    camera, now = (page.locator(place).bounding_box() for place in ("#live .picture", "#live-now .now"))
    assert camera["x"] + camera["width"] <= now["x"] if size == DESK else camera["y"] + camera["height"] <= now["y"]
    before = headline(page)
    page.locator("#live .start").click()
    answered(page, before)
    assert not page.locator("#live-now").is_visible() and page.locator("#headline").is_visible()
