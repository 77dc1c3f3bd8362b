"""axe-core over every tab, with an answer on the page: no violation in what the project adds; Gradio's own are listed."""

import pytest

pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install -r requirements-dev.txt")
from axe_playwright_python.sync_playwright import Axe

from tests.page.visitor import ANSWER_MS, PHONE, TABS, WIDE, answered, headline, settled, show

GRADIO = {"image-redundant-alt": "footer"}  # rule: where Gradio itself breaks it


def violations(page) -> list[tuple[str, str, str]]:
    """Rule, element and what is wrong with it, of everything that axe finds, Gradio's own left out and printed."""
    found = []
    for rule in Axe().run(page).response["violations"]:
        for node in rule["nodes"]:
            place = GRADIO.get(rule["id"])
            if place and page.evaluate("([s, place]) => !!document.querySelector(s)?.closest(place)", [node["target"][0], place]):
                print(f"Gradio's own: {rule['id']} in {node['html'][:80]}")
            else:
                found.append((rule["id"], node["html"][:160], " ".join(check["message"] for check in node["any"])))
    return found


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")], ids=["light", "dark", "phone"])
def test_nothing_that_the_project_adds_keeps_anybody_out(open_page, size, scheme):
    page = open_page(size, scheme)
    page.locator("#example_turn").click()
    page.locator("#sound .js-plotly-plot").wait_for(timeout=ANSWER_MS)
    settled(page)
    wrong = {}
    for tab in TABS:
        show(page, tab)
        if tab == "Models":
            page.locator("#simplex .js-plotly-plot").wait_for(timeout=ANSWER_MS)
        settled(page)
        wrong |= {entry: tab for entry in violations(page)}
    show(page, "Text")  # the examples are not beside the method
    before = headline(page)
    page.locator("#example_sentence_2").click()  # the darkest of the moods
    answered(page, before)
    settled(page)
    wrong |= dict.fromkeys(violations(page), "very low")
    assert wrong == {}
