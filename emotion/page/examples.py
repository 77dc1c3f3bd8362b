"""Examples below the tabs: an answer in one click, for a visitor who has no microphone or does not trust the page yet."""

from collections.abc import Callable
from importlib.resources import files

import gradio as gr

from emotion.page.answering import Source
from emotion.page.texts import Say, static

CLIPS = ("turn", "report")  # examples/README.md says how they were made
SENTENCES = (  # in the language that the words are read in
    "I couldn't be happier!",
    "The food was great, but the service was awful.",
    "I feel so alone tonight.",
)


def _clip(name: str) -> Callable[[Say], str]:
    return lambda say: say(f"example_{name}")


def _quoted(sentence: str) -> Callable[[Say], str]:
    return lambda say: say("quoted", text=sentence)


# What the sentences' buttons say, by the key that texts.static takes.
BLOCKS = {f"example_sentence_{number}": _quoted(sentence) for number, sentence in enumerate(SENTENCES)}


def build() -> list[Source]:
    """A row of buttons; each hands in what it says."""
    sources = []
    with gr.Row(elem_id="examples"):
        gr.HTML(static("block_examples"), padding=False, min_width=120)
        for clip in CLIPS:
            path = str(files(__package__) / "examples" / f"{clip}.ogg")
            sources.append(_source(f"example_{clip}", _clip(clip), path, "audio"))
        for (name, title), sentence in zip(BLOCKS.items(), SENTENCES, strict=True):
            sources.append(_source(name, title, sentence, "text"))
    return sources


def _source(name: str, title: Callable[[Say], str], value: str, argument: str) -> Source:
    button = gr.Button(static(name), size="sm", elem_id=name, min_width=60)
    held, path = gr.State(value), argument == "audio"
    return Source("example", held, [button.click], lambda value: {argument: value}, "no_answer_yet", path=path, title=title)
