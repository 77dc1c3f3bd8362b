"""What a browser asks for during a visit, and what stays in it afterwards."""

from tests.page.visitor import type_text


def test_the_page_asks_for_nothing_that_is_closed_and_its_browser_keeps_no_runs(open_page):
    page = open_page()
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.reload()
    type_text(page, "I am so glad that you came")
    assert refused == []
    assert page.evaluate("localStorage.length") == 0  # and the tab's own storage has this visit's analyses
    assert all(key.startswith("emotion-") for key in page.evaluate("Object.keys(sessionStorage)"))
