"""Examples below the tabs: an answer in one click, for a visitor who has no microphone or does not trust the page yet."""

from collections.abc import Callable
from importlib.resources import files

import gradio as gr

from emotion.page.answering import Source
from emotion.page.texts import Say, static

CLIPS = {"film": "film.mp4", "turn": "turn.ogg", "report": "report.ogg"}  # examples/README.md says how they were made
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


def build(tabs: gr.Tabs, upload: gr.File, film: gr.Button) -> list[Source]:
    """A row of buttons; each hands in what it says. A clip lies in the Upload tab then, where it can be had.

    ``film`` hands in the first.
    """
    sources = []
    with gr.Row(elem_id="examples"):
        gr.HTML(static("block_examples"), padding=False, min_width=120)
        for name, file in CLIPS.items():
            button, path = _button(f"example_{name}"), str(files(__package__) / "examples" / file)
            clicks = [button.click, film.click] if name == "film" else [button.click]
            sources.append(_source(clicks, _clip(name), path, "video"))  # sound alone is a video without pictures
            _fill(clicks, tabs, upload, path)
        for (name, title), sentence in zip(BLOCKS.items(), SENTENCES, strict=True):
            sources.append(_source([_button(name).click], title, sentence, "text"))
    return sources


def _button(name: str) -> gr.Button:
    return gr.Button(static(name), size="sm", elem_id=name, min_width=60)


def _source(clicks: list[Callable], title: Callable[[Say], str], value: str, argument: str) -> Source:
    held, path = gr.State(value), argument == "video"
    return Source("example", held, clicks, lambda value: {argument: value}, "no_answer_yet", path=path, title=title)


def _fill(clicks: list[Callable], tabs: gr.Tabs, upload: gr.File, path: str) -> None:
    """Opens the Upload tab with the clip in it: setting a value is no upload, so it is not handed in a second time."""

    def filled() -> tuple[gr.Tabs, str]:
        return gr.Tabs(selected="upload"), path

    gr.on(clicks, filled, None, [tabs, upload], queue=False, show_progress="hidden", api_visibility="private")
