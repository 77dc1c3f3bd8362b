"""The Text tab: type and be answered."""

import gradio as gr

from emotion.analyzer import Analyzer
from emotion.media import MAX_TEXT_CHARS
from emotion.page.answering import Source


def build(analyzer: Analyzer) -> list[Source]:
    with gr.Tab("Text", id="text", elem_id="text-tab"):
        typed = gr.Textbox(
            label="A sentence or a few",
            placeholder="How was your day?",
            lines=1,  # Enter sends; Shift+Enter makes a new line
            max_lines=10,
            max_length=MAX_TEXT_CHARS,
            elem_id="typed",
        )
        send = gr.Button("Analyse", variant="primary", elem_id="text-analyse", elem_classes="go")
    return [Source("text", typed, [typed.submit, send.click], lambda text: {"text": text}, "Type a sentence first.", path=False)]
