"""Two weightings side by side: the browser's fusion against the package's, and the comparison on the running page."""

import contextlib
import csv
import io
import json

import gradio as gr
import numpy as np
import pytest
from ruamel.yaml import YAML

from emotion.analyzer import Analyzer
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.page import assets
from emotion.page.compare import FORMULA, Comparison
from emotion.readings import Analysis, Fusion, Reading, named, vector
from emotion.serving.weights import default_weights, read
from tests.clips import MEDIA
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
    type_text,
    watch_painting,
    wider_than_window,
)

FITTED, EQUAL = default_weights(), {"text": 1.0, "speech": 1.0, "face": 1.0}
MOVES = 50

# --- the formula


def in_browser(browser, cases: list) -> list[dict]:
    page = browser.new_page()
    script = assets.head() + assets.component("fusion.js", **FORMULA)
    try:
        return page.evaluate(
            f"(cases) => {{ {script}; return cases.map(([readings, weights]) => fuse(readings, weights)) }}", cases
        )
    finally:
        page.close()


def random_case(rng: np.random.Generator) -> tuple[dict, dict]:
    """Readings as JSON has them and weights, often at the ends of what may be."""
    names = [name for name in MODALITIES if rng.random() < 0.7] or ["speech"]
    readings = {}
    for name in names:
        p = np.eye(7)[rng.integers(7)] if rng.random() < 0.1 else rng.dirichlet(np.full(7, rng.choice([0.1, 0.5, 3.0])))
        reliability = rng.choice([0.0, 1.0, 1e-6, rng.uniform()], p=[0.1, 0.2, 0.1, 0.6])
        readings[name] = {"probabilities": named(p), "reliability": float(reliability)}
    scale = 10.0 ** rng.choice([0, 0, 0, -320, -200, 300])
    weights = {name: float(scale * rng.uniform() * rng.choice([0, 1, 1, 1, 1e-5])) for name in MODALITIES}
    return readings, weights


def test_the_browser_fuses_as_the_package_does(browser):
    rng = np.random.default_rng(11)
    cases = [random_case(rng) for _ in range(600)]
    cases += [(readings, dict.fromkeys(MODALITIES, 0.0)) for readings, _ in cases[:20]]
    for (readings, weights), found in zip(cases, in_browser(browser, cases), strict=True):
        parts = {name: Reading(vector(part["probabilities"]), part["reliability"]) for name, part in readings.items()}
        expected = fuse(parts, weights)
        assert found["mood"] == pytest.approx(expected.mood, abs=1e-6)
        assert found["agreement"] == pytest.approx(expected.agreement, abs=1e-6)
        assert found["shares"] == pytest.approx(expected.shares, abs=1e-6)
        assert [found["probabilities"][label] for label in LABELS] == pytest.approx(expected.probabilities, abs=1e-6)
        assert (found["label"], found["mixed"]) == (expected.label, expected.mixed)
        assert found["equalised"] == bool(expected.notes)


def test_the_browser_answers_and_refuses_where_the_package_does(browser):
    assert in_browser(browser, [({}, EQUAL)])[0]["mood"] is None
    reading = {"text": {"probabilities": named(np.full(7, 1 / 7)), "reliability": 1.0}}
    for weight in (-0.1, float("inf"), float("nan")):
        with pytest.raises(Exception, match="fusion weight of text"):
            in_browser(browser, [(reading, {"text": weight})])


# --- the page


@pytest.fixture
def compared(open_page):
    """Opens the page and has a face and words read."""

    def opened(size: dict = WIDE, scheme: str = "light"):
        page = open_page(size, scheme)
        hand_in(page, MEDIA / "astronaut.jpg")
        before = headline(page)
        page.locator("#transcript textarea").fill("I hate this, it is disgusting and I am furious")
        page.locator("#transcript textarea").press("Enter")
        answered(page, before)
        page.wait_for_function("!document.querySelector('#compare-A-text').disabled", timeout=ANSWER_MS)
        return page

    return opened


def shown(page) -> dict[str, float]:
    """The moods of A and B."""
    return {name: float(page.locator(f"#compare [data-set={name}] .score b").inner_text()) for name in "AB"}


def press(page, name: str) -> None:
    page.locator("#compare").get_by_role("button", name=name, exact=True).click()


def move(page, name: str, modality: str, value: float) -> None:
    page.locator(f"#compare-{name}-{modality}").fill(str(value))


def test_sliders_and_presets_change_both_results_without_a_request(compared, app):
    page = compared()
    requests = []
    answers = app.answers()
    first = headline(page)
    page.on("request", lambda request: requests.append(request.url))
    press(page, "A: Words only")
    press(page, "B: Face only")
    words, face = (float(page.locator(f"#part-{name} h3 span").inner_text().split()[0]) for name in ("text", "face"))
    assert shown(page) == pytest.approx({"A": words, "B": face}, abs=0.06)
    assert f"B is {shown(page)['B'] - shown(page)['A']:.2f} higher" in page.locator("#compare .difference").inner_text()
    for row in page.locator("#compare tbody tr").all():
        a, b = (float(text.rstrip("%")) for text in row.locator(".bar span").all_inner_texts())
        assert float(row.locator(".change span").inner_text().replace("−", "-")) == b - a
    move(page, "A", "face", 1)
    assert words < shown(page)["A"] < face
    press(page, "B: Equal")
    assert shown(page)["A"] == shown(page)["B"]
    assert "same mood" in page.locator("#compare .difference").inner_text()
    move(page, "B", "text", 0)
    move(page, "B", "face", 0)
    assert "count as equal" in page.locator("#compare [data-set=B] .remark").inner_text()
    page.wait_for_timeout(500)
    assert (requests, app.answers(), headline(page)) == ([], answers, first)

    press(page, "B: Words only")  # and stays so for the next answer
    before = shown(page)["B"]
    page.locator("#transcript textarea").fill("I am so glad, this is wonderful")
    page.locator("#transcript textarea").press("Enter")
    answered(page, first)
    page.wait_for_function(
        "text => document.querySelector('#compare [data-set=B] .score b').innerText !== text", arg=f"{before:.2f}"
    )
    assert shown(page)["B"] > 3.5 > before


def test_what_was_not_read_cannot_be_weighed_and_the_page_says_why(compared):
    page = compared()
    for name in "AB":
        assert page.locator(f"#compare-{name}-speech").is_disabled()
        assert page.locator(f"#compare [data-set={name}] [data-preset=speech]").is_disabled()
    described = page.locator("#compare-A-speech").get_attribute("aria-describedby")
    assert "sound" in page.locator(f"#{described}").inner_text()
    assert not page.locator("#compare-reason-text").is_visible()
    assert page.locator("#compare-A-text").get_attribute("aria-describedby") is None


def test_a_chart_follows_its_slider_at_once(compared):
    """At once: the first picture after each move shows what the package makes of these weights; how late it comes is printed."""
    page = compared()
    readings = analysis(page, *rows(page, 1))["modalities"]
    parts = {name: Reading(vector(part["probabilities"]), part["reliability"]) for name, part in readings.items()}
    watch_painting(page, "input", "#compare .mark[data-set=A] span", "#compare [data-set=A] .score b")
    page.locator("#compare-A-face").focus()
    for step in range(MOVES):
        page.keyboard.press("ArrowLeft" if step < 30 else "ArrowRight")
        found = painted(page, step + 1)
    print(f"slider to chart: {delays(found)}")
    for one in found:
        mood = fuse(parts, FITTED | {"face": float(one["value"])}).mood
        assert [float(text) for text in one["texts"]] == pytest.approx([mood, mood], abs=0.006)  # two digits
    assert len({one["value"] for one in found}) > MOVES / 2


def test_a_set_is_copied_as_yaml(compared, app):
    page = compared()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app.url)
    press(page, "Copy as YAML: A")
    page.locator("#compare .yaml").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#compare .yaml textarea").input_value()
    assert weights_in(copied) == FITTED
    assert "name: emotion-text" in copied
    press(page, "Copy as YAML: B")
    assert weights_in(page.locator("#compare .yaml textarea").input_value()) == {"text": 0.34, "speech": 0.33, "face": 0.33}


def test_yaml_is_shown_where_the_browser_does_not_copy(compared):
    page = compared()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')) }")
    press(page, "Copy as YAML: A")
    text = page.locator("#compare .yaml textarea")
    text.wait_for()
    page.wait_for_function("document.activeElement.matches('#compare textarea')")
    assert text.evaluate("e => e.selectionEnd - e.selectionStart") == len(text.input_value())
    assert "Ctrl+C" in page.locator("#compare .yaml p").inner_text()


def weights_in(text: str) -> dict[str, float]:
    return {name: entries[0]["fusion_weight"] for name, entries in YAML(typ="safe").load(text).items()}


def test_votes_stay_in_the_browser_until_they_are_cleared(compared):
    page = compared()
    requests = []
    page.on("request", lambda request: None if request.url.startswith("blob:") else requests.append(request.url))
    press(page, "B: Words only")
    press(page, "A")
    press(page, "B")  # another mind about the same comparison
    assert "1 vote so far: A 0, B 1, neither 0" in votes_said(page)
    move(page, "B", "face", 0.5)
    press(page, "Neither")
    assert "2 votes so far: A 0, B 1, neither 1" in votes_said(page)

    votes = json.loads(downloaded(page, "Download JSON"))
    assert [vote["choice"] for vote in votes] == ["B", "neither"]
    for vote in votes:
        assert set(vote) == {"time", "choice", "readings", "A", "B"}
        readings = {name: Reading(vector(part["probabilities"]), part["reliability"]) for name, part in vote["readings"].items()}
        for side in (vote["A"], vote["B"]):
            assert side["mood"] == pytest.approx(fuse(readings, side["weights"]).mood, abs=1e-6)
    assert "furious" not in json.dumps(votes)
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "Download CSV"))))
    assert [row["choice"] for row in rows] == ["B", "neither"]
    assert float(rows[1]["B.weights.face"]) == 0.5
    assert float(rows[1]["B.mood"]) == pytest.approx(votes[1]["B"]["mood"])
    assert requests == []

    page = compared()
    assert "2 votes" in votes_said(page)
    press(page, "Clear")
    press(page, "Yes, delete 2 votes")
    assert "No votes yet" in votes_said(page)
    assert page.evaluate("localStorage.getItem('emotion-weighting-votes')") is None


def votes_said(page) -> str:
    return page.locator("#compare .count").inner_text()


def downloaded(page, name: str) -> str:
    with page.expect_download() as waiting:
        press(page, name)
    return waiting.value.path().read_text("utf-8")


def test_the_keyboard_is_enough(compared):
    page = compared()
    page.locator("#compare summary").focus()
    assert page.locator("#compare details").evaluate("e => e.open")
    before, reached = shown(page), []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        reached.append(name)
        if name == "A: Words only":
            page.keyboard.press("Enter")
        if name == "B: weight of the face":
            page.keyboard.press("Home")
        if name == "Neither":
            page.keyboard.press("Space")
            break
    assert reached[-1] == "Neither"
    assert not [name for name in reached if name.endswith("Voice only")]  # disabled: not on the way
    assert page.locator("#compare-B-face").get_attribute("aria-valuetext") == "weight 0.00, share 0%"
    assert shown(page)["A"] == shown(page)["B"] != before["B"]
    assert "neither 1" in votes_said(page)
    page.evaluate("localStorage.clear()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_shows_both_sets_side_by_side(compared, scheme):
    page = compared(PHONE, scheme)
    a, b = (page.locator(f"#compare section[data-set={name}]").bounding_box() for name in "AB")
    assert a["y"] == b["y"]
    assert b["x"] + b["width"] <= PHONE["width"]
    press(page, "Copy as YAML: A")
    assert wider_than_window(page) <= 0
    heights = set()
    for preset in ("Words only", "Face only", "Equal", "Fitted"):
        press(page, f"A: {preset}")
        heights.add(page.locator("#compare details").bounding_box()["height"])
    assert len(heights) == 1  # nothing jumps


def test_it_starts_closed(open_page):
    page = open_page(PHONE, sections=())
    type_text(page, "I am so glad that you came")
    page.locator("#compare summary").wait_for()
    assert not page.locator("#compare-A-text").is_visible()
    page.locator("#compare summary").click()
    assert "every weighting gives the same answer" in page.locator("#compare .reasons").inner_text()


BORROWED = """text:
  - {name: h, source: hub, repo: o/n, revision: main, files: {model.onnx: HASH}, licence: MIT, loader: transformers}
  - {name: b, source: bundled, path: b, revision: "1", licence: MIT, fusion_weight: 0.4}
"""


def test_a_file_without_a_bundled_model_has_the_weight_of_the_projects_own(tmp_path):
    file = tmp_path / "weights.yaml"
    file.write_text("\n".join(BORROWED.replace("HASH", "a" * 64).splitlines()[:2]), "utf-8")
    with contextlib.closing(Analyzer("auto", file)) as analyzer:
        assert analyzer.weights == Analyzer("bundled").weights


@pytest.mark.parametrize("source", ["auto", "hub", "bundled"])
def test_the_comparison_and_the_analyzer_know_one_fitted_weight(tmp_path, source):
    """Also where a model of the Hub serves, which has none of its own and takes the bundled model's."""
    file = tmp_path / "weights.yaml"
    file.write_text(BORROWED.replace("HASH", "a" * 64), "utf-8")
    with contextlib.closing(Analyzer(source, file)) as analyzer:
        assert {analyzer.weight_of("text", choice) for choice in read(file)["text"]} == {0.4}
        with gr.Blocks():
            fitted = Comparison(analyzer).value(Analysis(Fusion(None, None, None, None, False, {}), {}))["fitted"]
        assert fitted == analyzer.weights and fitted["text"] == 0.4
