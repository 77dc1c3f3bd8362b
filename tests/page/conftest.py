"""Browsers with a fake microphone and camera, and the page in them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.page.visitor import ANSWER_MS, SECTIONS, TAP, WIDE, visit
from tests.running import App

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
]  # fmt: skip


@pytest.fixture(scope="package")
def launch(spoken: Path, filmed: Path) -> Iterator[Callable]:
    """Starts a browser whose devices are allowed ("") or refused ("=deny"); its visitor speaks the language of ``locale``."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -r requirements-dev.txt"
    )
    media = [f"--use-file-for-fake-audio-capture={spoken}%noloop", f"--use-file-for-fake-video-capture={filmed}"]
    with playwright.sync_playwright() as running, tempfile.TemporaryDirectory() as home:

        def launched(devices: str = "", locale: str | None = None):
            return running.chromium.launch_persistent_context(
                tempfile.mkdtemp(dir=home),
                executable_path=CHROMIUM,
                args=[*FLAGS, *media, f"--use-fake-ui-for-media-stream{devices}"],
                locale=locale,
            )

        yield launched


@pytest.fixture(scope="package")
def browser(launch: Callable) -> Iterator:
    context = launch()
    yield context
    context.close()


@pytest.fixture(scope="package")
def german(launch: Callable) -> Iterator:
    context = launch(locale="de-DE")
    yield context
    context.close()


@pytest.fixture
def open_page(app: App, browser) -> Iterator[Callable]:
    """Opens the page with these sections of an answer open, as if they had been left so.

    Afterwards no page may have asked another server for anything or thrown an error.
    """
    pages, elsewhere, errors = [], [], []

    def opened(size: dict = WIDE, scheme: str = "light", within=browser, sections: Sequence[str] = SECTIONS):
        page = within.new_page()
        pages.append(page)
        page.set_default_timeout(ANSWER_MS)
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.on("request", lambda r: None if r.url.startswith((app.url, "blob:", "data:")) else elsewhere.append(r.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(TAP)
        left = f"localStorage['emotion-open'] = '{' '.join(sections)}'"  # when the tab opens, not when it loads anew
        page.add_init_script(f"if (!window.name) {{ window.name = 'visited'; {left} }}")
        visit(page, app.url)
        return page

    yield opened
    for page in pages:
        page.close()
    assert elsewhere == []
    assert [error for error in errors if "Permission denied" not in error] == []
