"""The page in browsers that ask for German and Spanish: it says the table's texts in their language, and nothing in English."""

import re

import pytest

from emotion.messages import Message
from emotion.page import texts
from emotion.page.texts import ENGLISH, Say
from tests.clips import MEDIA
from tests.page.calls import of_live
from tests.page.live import RECORD, stop, wait_for
from tests.page.visitor import ANSWER_MS, PHONE, hand_in, show, wider_than_window

LONG = 15  # letters of a text that are recognised in the middle of another

# Lines of text, accessible names, hints and placeholders of what is visible in a part of the page.
VISIBLE = """(part) => {
  const names = ["aria-label", "aria-valuetext", "title", "placeholder"];
  const all = [part, ...part.querySelectorAll("*")].filter((element) => element.checkVisibility());
  return [...part.innerText.split("\\n"), ...all.flatMap((element) => names.map((name) => element.getAttribute(name)))];
}"""


# Texts that are longer than their place.
TIGHT = """(part) => [...part.querySelectorAll("button, th, span, label, p, h3, h4")]
  .filter((element) => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1 && element.clientWidth)
  .map((element) => element.innerText)"""


@pytest.fixture(scope="module", params=["de-DE", "es-ES"])
def browser(launch, request):
    context = launch(locale=request.param)
    yield context
    context.close()


@pytest.fixture
def spoken_page(open_page):
    """The page, and what says its texts."""
    page = open_page()
    return page, Say(page.evaluate("window.emotion.language()"))


def visible(page, place: str) -> list[str]:
    page.locator(place).wait_for(timeout=ANSWER_MS)
    said = page.locator(place).evaluate(VISIBLE)
    return [" ".join(text.split()) for text in said if text and text.strip()]


def pieces(text: str) -> set[str]:
    """What of a text of the table stands on the page as it is: between its {fields}, paragraphs and Markdown."""
    return {" ".join(piece.split()) for piece in re.split(r"{\w+}|\n\n|[*#]+|<br>", text)} - {""}


def english(page, place: str, say: Say) -> list[str]:
    """The English of the table, as far as it is no word of the visitor's language too, that a part of the page shows."""
    shown, table = visible(page, place), texts._table().values()
    own = {piece for said in table for piece in pieces(said[say.language])}
    foreign = {piece for said in table for piece in pieces(said[ENGLISH])} - own
    return [piece for piece in foreign if piece in shown or (len(piece) >= LONG and any(piece in text for text in shown))]


def test_live_speaks_the_visitors_language(spoken_page):
    page, say = spoken_page
    show(page, "Live")
    assert say("live_invitation") in visible(page, "#live")
    assert english(page, "#live", say) == []
    page.evaluate(RECORD)
    page.get_by_role("button", name=say("live_start"), exact=True).click()
    wait_for(page, "a.mood !== null && a.face && a.voice > 0")
    answer = page.evaluate("window.answers.findLast(a => a.mood !== null)")
    mood, share = say.mood(answer["mood"]), say("live_share_face", share="0%").removesuffix("0%")
    assert mood in answer["sentence"].lower() and share in answer["detail"]
    page.wait_for_function("document.querySelector('#live .pace').textContent")
    shown = [*visible(page, "#live"), *visible(page, "#live-now")]
    assert {say("live_stop"), say.label("surprise"), say("of_5"), say("live_overlay")} <= set(shown)
    assert english(page, "#live", say) == english(page, "#live-now", say) == []
    stop(page)
    assert page.locator("#live .state").inner_text() == say("live_finished")


def test_live_says_its_troubles_in_the_visitors_language(open_page, launch, app, spoken_page):
    page, say = spoken_page
    show(page, "Live")
    for device in ("microphone", "camera"):
        page.locator(f"#live .{device}").uncheck()
    page.locator("#live .start").click()
    assert page.locator("#live .trouble").inner_text() == say("live_tick")
    language = {"language": say.language}
    assert of_live(app, "exchange", {"token": "gone", **language})["trouble"] == Message("live_ended").say(say.language)
    token = {"token": of_live(app, "begin", {"spoken": "en", **language})["token"]}
    for jpeg, key in (("AAAA", "live_picture_type"), ("A" * 200_000, "live_packet_type")):
        message = {**token, **language, "known": [0, 0, 0], "picture": {"jpeg": jpeg, "time": 0}}
        assert of_live(app, "exchange", message)["trouble"] == Message(key, {"limit": 80_000}).say(say.language)


def test_a_refused_device_is_explained_in_the_visitors_language(open_page, launch, spoken_page):
    _, say = spoken_page
    refusing = launch("=deny", say.language)
    page = open_page(within=refusing)
    show(page, "Live")
    page.locator("#live .start").click()
    page.wait_for_function("text => document.querySelector('#live .trouble').innerText === text", arg=say("device_refused"))
    refusing.close()


def test_the_comparison_speaks_the_visitors_language(spoken_page):
    page, say = spoken_page
    hand_in(page, MEDIA / "astronaut.jpg")
    compare = page.locator("#compare")
    assert say("compare_absent_text") in visible(page, "#compare")
    compare.get_by_role("button", name=f"A: {say('compare_only_face')}", exact=True).click()
    assert compare.locator("[data-set=A] .remark").inner_text() == say("read_alone", name=say("from_face"))
    assert say("compare_weight_face", set="B") in visible(page, "#compare")
    spoken = page.locator("#compare-A-face").get_attribute("aria-valuetext")
    assert spoken == say("compare_weight_share", weight="1.00", share=say.percent(1))
    shares = [number / 1000 for number in range(1001)]
    assert page.evaluate("shares => shares.map(emotion.percent)", shares) == [say.percent(share) for share in shares]
    assert compare.locator("tr[data-label=happy] th").inner_text() == say.label("happy")
    assert say.label("happy") in compare.locator(".difference").inner_text()
    compare.get_by_role("button", name=say("compare_neither"), exact=True).click()
    assert say("vote_noted", choice=say("vote_neither")) in visible(page, "#compare")
    compare.get_by_role("button", name=say("compare_copy_set", set="B"), exact=True).click()
    compare.locator(".yaml p").wait_for()
    assert english(page, "#compare", say) == []
    compare.get_by_role("button", name=say("compare_clear"), exact=True).click()
    compare.get_by_role("button", name=say("vote_sure", votes=say("vote_one")), exact=True).click()
    assert english(page, "#compare", say) == []


def test_the_baseline_is_told_in_the_visitors_language(spoken_page):
    page, say = spoken_page
    page.locator("#own summary").click()
    assert {say("own_text"), say("own_of_nothing")} <= set(visible(page, "#own"))
    assert english(page, "#own", say) == []


def test_the_method_is_told_in_the_visitors_language(spoken_page):
    page, say = spoken_page
    show(page, "Models")
    page.locator("#simplex .js-plotly-plot").wait_for(timeout=ANSWER_MS)
    headings = page.locator("#method-tab h2").all_inner_texts()
    assert headings == [
        line.removeprefix("## ")
        for key in ("method_numbers", "method_search", "method_models")
        for line in say(key).splitlines()
        if line.startswith("## ")
    ]
    assert page.locator("#method-tab strong").first.inner_text() == re.search(r"\*\*(.+?)\*\*", say("method_numbers"))[1]
    assert say("weight_text") in page.locator("#simplex").inner_text()
    assert english(page, "#method-tab", say) == []


def test_longer_words_fit_on_a_phone(open_page):
    page = open_page(PHONE)
    hand_in(page, MEDIA / "astronaut.jpg")
    page.locator("#compare .set").first.wait_for()
    show(page, "Live")
    page.locator("#live .start").wait_for()
    assert [page.locator(place).evaluate(TIGHT) for place in ("#compare", "#live")] == [[], []]
    assert wider_than_window(page) <= 0


def test_english_is_found_where_it_is(spoken_page):
    page, say = spoken_page
    show(page, "Live")
    page.locator("#live .start").evaluate("(button, text) => (button.title = text)", Say(ENGLISH)("live_stop"))
    page.locator("#live .state").evaluate("(place, text) => (place.textContent = text)", "x " + Say(ENGLISH)("compare_title"))
    assert set(english(page, "#live", say)) == {Say(ENGLISH)("live_stop"), Say(ENGLISH)("compare_title")}
