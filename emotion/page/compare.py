"""Two weightings of one answer side by side. The browser fuses them: no request, no model, and votes that never leave it."""

from typing import Any

import gradio as gr

from emotion import labels, mood
from emotion.analyzer import Analyzer
from emotion.figures import COLOURS, MOOD_COLOURS
from emotion.fusion import MIXED_FROM, PULL
from emotion.labels import LABELS, MODALITIES
from emotion.page import assets
from emotion.page.texts import element, label
from emotion.readings import Analysis, named

SETS = ("A", "B")
SCRIPTS = ("fusion.js", "download.js", "votes.js", "sides.js", "compare.js")
FORMULA = {  # the constants of fusion.js
    "VALENCE": [labels.VALENCE[label] for label in LABELS],
    "LEAN": mood.LEAN,
    "PULL": PULL,
    "MIXED_FROM": MIXED_FROM,
}


class Comparison:
    """The component, and its value for an answer."""

    def __init__(self, analyzer: Analyzer):
        self.analyzer = analyzer
        self.component = gr.HTML(
            html_template=_markup(),
            css_template=assets.read("compare.css"),
            js_on_load=assets.component(*SCRIPTS, **FORMULA),
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
            "fitted": self.analyzer.weights,
            "models": {name: choice.name for name, choice in choices.items()},
        }


def _markup() -> str:
    sets = "".join(map(_set, SETS))
    reasons = "".join(element("p", f"compare_absent_{name}", f'id="compare-reason-{name}"') for name in MODALITIES)
    heads = "".join(element("th", key, 'scope="col"') for key in ("emotion", "compare_bars", "compare_change"))
    votes = "".join(f'<button type="button" data-vote="{name}">{name}</button>' for name in SETS)
    return f"""<details class="comparison fold" hidden><summary>{element("h3", "compare_title")}</summary>
{element("p", "compare_lead", 'class="quiet"')}
<div class="sets">{sets}</div>
<div class="reasons quiet">{reasons}{element("p", "compare_alone", 'class="alone"')}</div>
<div class="yaml" hidden><p class="quiet" role="status"></p>
<textarea readonly rows="9" spellcheck="false" {label("compare_yaml")}>
</textarea></div>
<p class="difference" role="status"></p>
{_scale()}
<table class="labels"><thead><tr>{heads}</tr></thead><tbody>{"".join(map(label_row, LABELS))}</tbody></table>
<div class="vote">{element("h4", "compare_which", 'id="compare-vote"')}
<div class="buttons" role="group" aria-labelledby="compare-vote">
{votes}{element("button", "compare_neither", 'type="button" data-vote="neither"')}</div>
<span class="noted" role="status"></span></div>
<div class="kept"><p class="quiet"><span class="count"></span> {element("span", "compare_private")}</p><div class="buttons">
{element("button", "compare_json", 'type="button" class="json"')}{element("button", "compare_csv", 'type="button" class="csv"')}
{element("button", "compare_clear", 'type="button" class="clear"')}</div></div>
</details>"""


def _set(name: str) -> str:
    presets = "".join(
        f'<button type="button" data-preset="{preset}">{says}</button>'
        for preset, says in (
            *((modality, _only(modality)) for modality in MODALITIES),
            ("equal", element("span", "compare_equal")),
            ("fitted", element("span", "compare_fitted")),
        )
    )
    sliders = "".join(_slider(name, modality) for modality in MODALITIES)
    return f"""<section class="set" {label("compare_set", set=name)}><h4>{name}</h4>
<div class="result"><div class="score"><b></b>{element("small", "of_5")}</div>
<div><p class="says"></p><p class="remark quiet"></p></div></div>
<div class="buttons" role="group" {label("compare_presets", set=name)}>{presets}</div>{sliders}
<button type="button" class="copy" {label("compare_copy_set", set=name)}>{element("span", "compare_copy")}</button></section>"""


def _only(modality: str) -> str:
    """The preset's name, and a shorter one for a narrow screen."""
    return element("span", f"compare_only_{modality}", 'class="long"') + element("span", f"name_{modality}", 'class="short"')


def _slider(name: str, modality: str) -> str:
    place = f"compare-{name}-{modality}"
    return (
        f'<div class="weight" data-modality="{modality}">'
        + element("label", f"name_{modality}", f'for="{place}"')
        + f'<span class="worth"></span><input type="range" id="{place}" min="0" max="1" step="0.01" '
        + label(f"compare_weight_{modality}", set=name)
        + "></div>"
    )


def _scale() -> str:
    bands = "".join(f'<i style="background:{colour}"></i>' for colour in MOOD_COLOURS)
    ticks = "".join(f"<b>{mood}</b>" for mood in range(1, 6))
    above, below = (f'<div class="mark" data-set="{name}">{name} <span></span></div>' for name in SETS)
    return f'<div class="scale" role="img">{above}<div class="bands">{bands}</div><div class="ticks">{ticks}</div>{below}</div>'


def label_row(emotion: str) -> str:
    """A table's row for one of LABELS: its bars in A and B, and the change from A to B."""
    bars = "".join(f'<div class="bar" data-set="{name}"><em>{name}</em><i></i><span></span></div>' for name in SETS)
    head = element("th", f"label_{emotion}", 'scope="row"')
    return (
        f'<tr data-label="{emotion}" style="--colour:{COLOURS[emotion]}">{head}<td>{bars}</td>'
        '<td class="change"><div><i></i></div><span></span></td></tr>'
    )
