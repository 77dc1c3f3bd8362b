"""The Models tab: what each number means, how good the models are, how the weights were found, what the limits are."""

import functools
import json
import re
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from emotion.figures import weight_simplex
from emotion.page import texts
from emotion.page.texts import Say
from emotion.serving.weights import ROOT

MODELS = ROOT / "emotion" / "models"
CARDS = ("text", "speech", "face", "detector", "transcript")


def _found() -> dict[str, Any]:
    """What the search for the fusion weights found."""
    found: dict[str, Any] = json.loads((MODELS / "fusion" / "simplex.json").read_text("utf-8"))
    return found


# Markdown that the browser puts in its language, by the key of texts.static.
BLOCKS = {"method_search_filled": lambda say: say("method_search", n=f"{_found()['n']:,}".replace(",", "\u202f"))}


def build(page: gr.Blocks) -> gr.HTML:
    """The tab; returns the place of what there is to say about the models in use."""
    with gr.Tab(texts.static("tab_method"), id="method", elem_id="method-tab"):
        gr.Markdown(texts.static("method_numbers"))
        gr.Markdown(texts.static("method_search_filled"))
        plot = gr.Plot(show_label=False, container=False, elem_id="simplex")
        gr.Markdown(texts.static("method_models"))
        bundled = gr.HTML(padding=False, elem_id="models-bundled")
        for name in CARDS:
            title, text, diagram = card(name)
            with gr.Accordion(title, open=False):
                gr.Markdown(text, elem_classes="card")
                if diagram:
                    gr.HTML(diagram, elem_classes="diagram")

    def figure(request: gr.Request) -> go.Figure:
        return _simplex(texts.of(request).language)

    page.load(figure, None, plot, show_progress="hidden", api_visibility="private", queue=False)
    return bundled


@functools.cache
def _simplex(language: str) -> go.Figure:
    """What each weighing of the three names right, in the visitor's language."""
    found, say = _found(), Say(language)
    grid = [{"weights": row[:3], "uar": row[3], "allowed": row[4]} for row in found["rows"]]
    return weight_simplex(grid, found["weights"], search_names(say))


def search_names(say: Say) -> dict[str, str]:
    """What ``weight_simplex`` calls its parts."""
    return {
        "text": say("weight_text"),
        "face": say("weight_face"),
        "barred": say("method_barred"),
        "chosen": say("method_chosen"),
        "point": say("method_point", text="%{x:.2f}", face="%{y:.2f}", uar="%{z:.3f}"),
    }


def card(name: str) -> tuple[str, str, str]:
    """Title, Markdown and, where there is one, the reliability diagram as SVG, of a bundled model's card."""
    text = re.sub(r"\A---\n.*?\n---\n", "", (MODELS / name / "README.md").read_text("utf-8"), flags=re.DOTALL)
    title, text = re.split(r"^# (.*)$", text, maxsplit=1, flags=re.MULTILINE)[1:]
    image = re.search(r"!\[.*?\]\((.*?\.svg)\)", text)
    diagram = ""
    if image:
        svg = (MODELS / name / image[1]).read_text("utf-8")
        diagram = svg[svg.index("<svg") :]
        text = text.replace(image[0], "The diagram below: how often the top label is right against how sure the model is of it.")
    return title, re.sub(r"^## ", "### ", text, flags=re.MULTILINE), diagram
