"""The Gradio page: one file a tab, one for the answer beside them, one for the HTTP endpoints."""

from typing import Any

import gradio as gr

from emotion import media
from emotion.analyzer import Analyzer
from emotion.page import (
    api,
    assets,
    examples,
    live,
    method,
    microphone,
    settings,
    temporary,
    texts,
    typed,
    upload,
    webcam,
    wording,
)
from emotion.page.answering import Session
from emotion.page.inputs import Guarded
from emotion.page.own import OwnBaseline
from emotion.page.result import ResultPanel
from emotion.page.temporary import CHECK_S, MAX_AGE_S
from emotion.page.texts import ENGLISH, Say, static
from emotion.serving.lanes import MOST_AT_ONCE

OTHER = "other"  # spoken language: any but English
# Served by Gradio itself. Its semibold cut, which the theme would take, lacks most letters.
FONT: list[gr.themes.Font | str] = [gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"]
READABLE = {  # a contrast of 4.5 and more, which the theme's own choices miss
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_600",
    "body_text_color_subdued": "*neutral_500",
    "block_info_text_color": "*neutral_500",
}
LOOK = {  # type to read at arm's length, and one corner for Gradio's blocks and the page's own cards
    "block_radius": "*radius_lg",
    "container_radius": "*radius_lg",
    "block_label_radius": "0 0 *radius_md 0",
    "block_label_text_size": "*text_xs",  # in one line on a phone
    "input_radius": "*radius_md",
    "button_large_text_size": "*text_md",
    "button_small_padding": "5px 12px",
}
# Gradio gives the title as it stands, and names the browser's language even where the page does not know it.
IN_ITS_LANGUAGE = "() => { document.title = emotion.say('title'); document.documentElement.lang = emotion.language(); }"
STATUS_S = 1.0  # between two looks at the models while they load


def build(analyzer: Analyzer) -> Guarded:
    """The whole page, not launched."""
    page = Guarded(title=Say(ENGLISH)("title"), analytics_enabled=False, delete_cache=(CHECK_S, MAX_AGE_S))
    with page:
        gr.HTML(static("block_masthead"), padding=False)
        trouble = gr.HTML(visible=False, padding=False)
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="input"):
                gr.Button(static("again"), elem_id="again").click(None, js="emotion.unfold", api_visibility="private")
                with gr.Tabs(overflow_behavior="wrap") as tabs:
                    sources = [source for tab in (microphone, live, upload, webcam, typed) for source in tab.build(analyzer)]
                    bundled = method.build(page)
                with gr.Row(elem_id="beside"):
                    language, baseline = _language(), OwnBaseline()
                below = gr.Column(elem_id="below")
                models = gr.HTML(wording.models_line(Say(ENGLISH), {}), padding=False, elem_id="models")
            with gr.Column(elem_id="result"):
                live.answer()
                panel = ResultPanel(analyzer)
                session = Session(analyzer, panel, language, baseline.component)
        with below:
            sources += examples.build(tabs, next(source.component for source in sources if source.name == "upload"), panel.film)
        session.listen(sources)
        for button, tab in ((panel.speak, "microphone"), (panel.live, "live")):
            button.click(
                lambda tab=tab: gr.Tabs(selected=tab), None, tabs, queue=False, show_progress="hidden", api_visibility="private"
            )
        settings.restore(page, tabs, panel.sliders, trouble)
        timer = gr.Timer(STATUS_S)

        def status(request: gr.Request) -> tuple[str, str, gr.Timer]:
            states, say = analyzer.status(), texts.of(request)
            active = gr.Timer(active=any(state.passing for state in states.values()))
            return wording.models_line(say, states), wording.models_bundled(say, states), active

        looked = [models, bundled, timer]
        gr.on([page.load, timer.tick], status, None, looked, show_progress="hidden", api_visibility="private")
        page.load(None, js=IN_ITS_LANGUAGE)
        api.build(analyzer)
    return page


def _language() -> gr.Radio:
    return gr.Radio(
        [(static("spoken_english"), ENGLISH), (static("spoken_other"), OTHER)],
        value=ENGLISH,
        label=static("spoken_language"),
        info=static("spoken_language_info"),
        elem_id="language",
    )


def launch_options() -> dict[str, Any]:
    """What the page needs of ``Blocks.launch``: limits, look and the scripts that guard recorders and plots."""
    return {
        "theme": gr.themes.Default(primary_hue="sky", neutral_hue="slate", text_size="lg", font=FONT).set(**READABLE, **LOOK),
        "css": assets.read("style.css"),
        "i18n": texts.everywhere(wording.BLOCKS | upload.BLOCKS | examples.BLOCKS | method.BLOCKS),
        "head": f"<script>{assets.head('recorders.js', 'plots.js', 'sections.js', 'phone.js')}</script>",
        "max_file_size": media.MAX_FILE_BYTES,
        # A body is the file and its multipart frame. max_file_size alone does not bound what comes as JSON.
        "app_kwargs": {
            "max_body_size": media.MAX_FILE_BYTES + 2**20,
            "openapi_url": None,
            "exception_handlers": {OSError: temporary.refuse},
        },
        "show_error": False,  # unexpected errors stay in the log; gr.Error is shown all the same
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "state_session_capacity": 200,
        "max_threads": MOST_AT_ONCE + 40,  # beside what waits its turn: Gradio's own number, for all else
    }
