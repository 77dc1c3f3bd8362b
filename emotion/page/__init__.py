"""The Gradio page: one file a tab, one for the result panel below them, one for the HTTP endpoints."""

from importlib.resources import files
from typing import Any

import gradio as gr

from emotion import media
from emotion.analyzer import Analyzer
from emotion.page import api, live, method, microphone, settings, text, texts, upload, webcam, wording
from emotion.page.answering import Session
from emotion.page.result import ResultPanel
from emotion.page.temporary import CHECK_S, MAX_AGE_S

ENGLISH, OTHER = "en", "other"
# Served by Gradio itself. Its semibold cut, which the theme would take, lacks most letters.
FONT = [gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"]
STATUS_S = 1.0  # between two looks at the models while they load


def build(analyzer: Analyzer) -> gr.Blocks:
    """The whole page, not launched."""
    with gr.Blocks(title=wording.TITLE, analytics_enabled=False, delete_cache=(CHECK_S, MAX_AGE_S)) as page:
        gr.HTML(wording.MASTHEAD + wording.NOTICE, padding=False)
        models = gr.HTML(wording.models_line(analyzer.status()), padding=False, elem_id="models")
        trouble = gr.HTML(visible=False, padding=False)
        with gr.Tabs(overflow_behavior="wrap") as tabs:
            sources = [source for tab in (microphone, live, upload, webcam, text) for source in tab.build(analyzer)]
            method.build()
        language = gr.Radio(
            [("English", ENGLISH), ("another language", OTHER)],
            value=ENGLISH,
            label="Spoken language",
            info="Only English can be written down. In another language the words are left out; voice and face count.",
            elem_id="language",
        )
        panel = ResultPanel(analyzer)
        Session(analyzer, panel, language).listen(sources)
        settings.restore(page, tabs, panel.sliders, trouble)
        timer = gr.Timer(STATUS_S)
        timer.tick(lambda: _status(analyzer), None, [models, timer], show_progress="hidden", api_visibility="private")
        api.build(analyzer)
    return page


def launch_options() -> dict[str, Any]:
    """What the page needs of ``Blocks.launch``: limits, look and the script that guards the recorders."""
    here = files(__package__)
    return {
        "theme": gr.themes.Default(primary_hue="sky", neutral_hue="slate", font=FONT),
        "css": (here / "style.css").read_text("utf-8"),
        "i18n": texts.everywhere(wording.BLOCKS),
        "head": f"<script>{(here / 'head.js').read_text('utf-8')}</script>",
        "max_file_size": media.MAX_FILE_BYTES,
        # A body is the file and its multipart frame. max_file_size alone does not bound what comes as JSON.
        "app_kwargs": {"max_body_size": media.MAX_FILE_BYTES + 2**20, "openapi_url": None},
        "show_error": False,  # unexpected errors stay in the log; gr.Error is shown all the same
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "state_session_capacity": 200,
    }


def _status(analyzer: Analyzer) -> tuple[str, gr.Timer]:
    status = analyzer.status()
    return wording.models_line(status), gr.Timer(active=any(map(wording.is_loading, status.values())))
