"""The Models and method tab: what each number means, how good the models are, how the weights were found, what the limits are."""

import json
import re

import gradio as gr

from emotion.figures import weight_simplex
from emotion.weights import ROOT

MODELS = ROOT / "emotion" / "models"
CARDS = ("text", "speech", "face", "transcript")

METHOD = """
### What the numbers mean

**Mood**, 1 to 5, is how pleasant the expression is: 3 plus a smooth function of the probabilities, each label counting by how pleasant the
feeling it names is. It is no measure of health or character, and one clip says little about a day.

**Probabilities** are softened so that, over many held-out examples like those of the training data, 70 % is right in about 70 % of
cases. A model marked *not calibrated* has not been checked so, and its probabilities are only its own opinion.

**Reliability** is how far the input allows a reading at all: clearly voiced sound, clear views of a face, words heard as they were said. **Weight**
is the share a modality had in the answer, its reliability times its fitted weight.

**Agreement** says how alike the modalities' probabilities are. Where they contradict each other about the mood the answer is called *mixed* and is
drawn toward 3, and no modality is overruled in silence.

### What it is not

A guess at expression from data of actors, posed pictures and written comments: most people are quieter than actors. It does not know what
somebody feels, and it is wrong often: see the figures below.

People must be told when they are analysed so (EU AI Act, Article 50), and it must not be used at work or in schools to
infer emotions (Article 5). Text, recordings and pictures are handled on this machine, unless a line above says otherwise, and are deleted within 15
minutes.
"""

SIMPLEX = """
### How the fusion weights were found

Every weighing of the three in steps of a twentieth, by how often held-out readings of one label are named right ({n:,} triples of different
people: no open set has all three of one person, which flatters every fusion). Crosses mark weighings with which words that say nothing
would take more than 3 points of recall from a voice; the star is what is in use.
"""


def build() -> None:
    with gr.Tab("Models and method", id="method", elem_id="method-tab"):
        gr.Markdown(METHOD)
        found = json.loads((MODELS / "fusion" / "simplex.json").read_text("utf-8"))
        gr.Markdown(SIMPLEX.format(n=found["n"]))
        grid = [{"weights": row[:3], "uar": row[3], "allowed": row[4]} for row in found["rows"]]
        gr.Plot(weight_simplex(grid, found["weights"]), show_label=False, container=False, elem_id="simplex")
        gr.Markdown("### The models that come with the app")
        for name in CARDS:
            title, text, diagram = card(name)
            with gr.Accordion(title, open=False):
                gr.Markdown(text, elem_classes="card")
                if diagram:
                    gr.HTML(diagram, elem_classes="diagram")


def card(name: str) -> tuple[str, str, str]:
    """Title, Markdown and, where there is one, the reliability diagram as SVG, of a bundled model's card."""
    text = re.sub(r"\A---\n.*?\n---\n", "", (MODELS / name / "README.md").read_text("utf-8"), flags=re.DOTALL)
    title = re.search(r"^# (.*)$", text, re.MULTILINE)
    image = re.search(r"!\[.*?\]\((.*?\.svg)\)", text)
    diagram = ""
    if image:
        svg = (MODELS / name / image[1]).read_text("utf-8")
        diagram = svg[svg.index("<svg") :]
        text = text.replace(image[0], "The diagram below: how often the top label is right against how sure the model is of it.")
    text = re.sub(r"^## ", "#### ", text.replace(title[0], "", 1), flags=re.MULTILINE)
    return title[1], text, diagram
