"""The Text tab: type and be answered."""

import gradio as gr

from emotion.analyzer import Analyzer
from emotion.media import MAX_TEXT_CHARS
from emotion.page.answering import Source
from emotion.page.texts import static


def build(analyzer: Analyzer) -> list[Source]:
    with gr.Tab(static("tab_text"), id="text", elem_id="text-tab"):
        typed = gr.Textbox(
            label=static("typed_label"),
            placeholder=static("typed_placeholder"),
            lines=1,  # Enter sends; Shift+Enter makes a new line
            max_lines=10,
            max_length=MAX_TEXT_CHARS,
            elem_id="typed",
        )
        send = gr.Button(static("analyse"), variant="primary", elem_id="text-analyse", elem_classes="go")
    return [Source("text", typed, [typed.submit, send.click], lambda text: {"text": text}, "typed_empty", path=False)]
