"""Two weightings of one answer side by side. The browser fuses them: no request, no model, and votes that never leave it."""

import json
from importlib.resources import files
from typing import Any

import gradio as gr

from emotion import labels
from emotion.analyzer import Analyzer
from emotion.figures import COLOURS, MOOD_COLOURS
from emotion.fusion import MIXED_SPREAD, PULL
from emotion.labels import LABELS, MODALITIES
from emotion.page import wording
from emotion.readings import Analysis, named
from emotion.weights import fusion_weight

SETS = ("A", "B")
LEAD = """What if the words counted more, or the face not at all? The same readings, weighed in two ways: the answer above stays as it
is."""
PRIVATE = "Kept in this browser only, as numbers without words, sound or pictures."


class Comparison:
    """The component, and its value for an answer."""

    def __init__(self, analyzer: Analyzer):
        self.analyzer = analyzer
        self.component = gr.HTML(
            html_template=_markup(),
            css_template=_file("compare.css"),
            js_on_load=fusion_script() + _file("download.js") + _file("votes.js") + _file("compare.js"),
            apply_default_css=False,
            elem_id="compare",
        )

    def value(self, analysis: Analysis) -> dict[str, Any]:
        """The readings' numbers, and of each modality's model its name and fitted weight."""
        choices = {name: self.analyzer.slots[name].expected() for name in MODALITIES}
        return {
            "readings": {
                name: {"probabilities": named(reading.probabilities), "reliability": float(reading.reliability)}
                for name, reading in analysis.modalities.items()
            },
            "fitted": {name: fusion_weight(choice) for name, choice in choices.items()},
            "models": {name: choice.name for name, choice in choices.items()},
        }


def fusion_script() -> str:
    """JavaScript with ``fuse(readings, weights)``, of the same constants as ``emotion.fusion``."""
    constants = {
        "MODALITIES": MODALITIES,
        "LABELS": LABELS,
        "VALENCE": [labels.VALENCE[label] for label in LABELS],
        "LEAN": labels.LEAN,
        "PULL": PULL,
        "MIXED_SPREAD": MIXED_SPREAD,
        "MOOD_WORDS": labels.MOOD_WORDS,  # the last ends at Infinity: JavaScript, though not JSON
        "MOOD_COLOURS": MOOD_COLOURS,
    }
    return f"const CONSTANTS = {json.dumps(constants)};\n{_file('fusion.js')}"


def _markup() -> str:
    sets = "".join(map(_set, SETS))
    reasons = "".join(
        f'<p id="compare-reason-{name}">{wording.NAMES[name]}: not part of this answer. {wording.ABSENT[name]}</p>'
        for name in MODALITIES
    )
    return f"""<details class="comparison" hidden><summary><h3>Compare two weightings</h3></summary>
<p class="quiet">{LEAD}</p>
<div class="sets">{sets}</div>
<div class="reasons quiet">{reasons}<p class="alone">With one reading every weighting gives the same answer.</p></div>
<div class="yaml" hidden><p class="quiet" role="status"></p><textarea readonly rows="9" spellcheck="false" aria-label="Weights as YAML">
</textarea></div>
<p class="difference" role="status"></p>
{_scale()}
<table class="labels"><thead><tr><th scope="col">Emotion</th><th scope="col">A above, B below</th>
<th scope="col">B − A, points</th></tr></thead><tbody>{"".join(map(_row, LABELS))}</tbody></table>
<div class="vote"><h4 id="compare-vote">Which feels right?</h4><div class="buttons" role="group" aria-labelledby="compare-vote">
<button type="button" data-vote="A">A</button><button type="button" data-vote="B">B</button>
<button type="button" data-vote="neither">Neither</button></div><span class="noted" role="status"></span></div>
<div class="kept"><p class="quiet"><span class="count"></span> {PRIVATE}</p><div class="buttons">
<button type="button" class="json">Download JSON</button><button type="button" class="csv">Download CSV</button>
<button type="button" class="clear">Clear</button></div></div>
</details>"""


def _set(name: str) -> str:
    only = {modality: f"{wording.NAMES[modality]} only" for modality in MODALITIES}
    presets = "".join(
        f'<button type="button" data-preset="{preset}" aria-label="{name}: {said}">{said.removesuffix(" only")}'
        f"{'<span> only</span>' if preset in only else ''}</button>"
        for preset, said in (only | {"equal": "Equal", "fitted": "Fitted"}).items()
    )
    sliders = "".join(
        f'<div class="weight" data-modality="{modality}"><label for="compare-{name}-{modality}">{wording.NAMES[modality]}</label>'
        f'<span class="worth"></span><input type="range" id="compare-{name}-{modality}" min="0" max="1" step="0.01"'
        f' aria-label="{name}: weight of the {wording.NAMES[modality].lower()}"></div>'
        for modality in MODALITIES
    )
    return f"""<section class="set" data-set="{name}" aria-label="Weighting {name}"><h4>{name}</h4>
<div class="result"><div class="score"><b></b><small>of 5</small></div><div><p class="says"></p><p class="remark quiet"></p></div></div>
<div class="buttons" role="group" aria-label="Presets of {name}">{presets}</div>{sliders}
<button type="button" class="copy" aria-label="Copy as YAML: {name}">Copy as YAML</button></section>"""


def _scale() -> str:
    bands = "".join(f'<i style="background:{colour}"></i>' for colour in MOOD_COLOURS)
    ticks = "".join(f"<b>{mood}</b>" for mood in range(1, 6))
    above, below = (f'<div class="mark" data-set="{name}">{name} <span></span></div>' for name in SETS)
    return f'<div class="scale" role="img">{above}<div class="bands">{bands}</div><div class="ticks">{ticks}</div>{below}</div>'


def _row(label: str) -> str:
    bars = "".join(f'<div class="bar" data-set="{name}"><em>{name}</em><i></i><span></span></div>' for name in SETS)
    return (
        f'<tr data-label="{label}" style="--colour:{COLOURS[label]}"><th scope="row">{label}</th><td>{bars}</td>'
        '<td class="change"><div><i></i></div><span></span></td></tr>'
    )


def _file(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
