"""Examples below the tabs: an answer in one click, for a visitor who has no microphone or does not trust the page yet."""

from importlib.resources import files

import gradio as gr

from emotion.page.answering import Source
from emotion.page.texts import static

CLIPS = ("turn", "report")  # examples/README.md says how they were made
SENTENCES = (  # in the language that the words are read in
    "I couldn't be happier!",
    "The food was great, but the service was awful.",
    "I feel so alone tonight.",
)


def build() -> list[Source]:
    """A row of buttons; each hands in what it says."""
    sources = []
    with gr.Row(elem_id="examples"):
        gr.HTML(static("block_examples"), padding=False, min_width=120)
        for clip in CLIPS:
            path = str(files(__package__) / "examples" / f"{clip}.ogg")
            sources.append(_source(f"example_{clip}", static(f"example_{clip}"), path, "audio"))
        for number, sentence in enumerate(SENTENCES):
            sources.append(_source(f"example_sentence_{number}", f"“{sentence}”", sentence, "text"))
    return sources


def _source(name: str, label: str, value: str, argument: str) -> Source:
    button = gr.Button(label, size="sm", elem_id=name, min_width=60)
    held = gr.State(value)
    return Source("example", held, [button.click], lambda value: {argument: value}, "no_answer_yet", path=argument == "audio")
