"""What was analysed during this visit, in a table that the browser keeps: compared by two, downloaded, reported, cleared.

The server keeps none of it but the latest answer, which weights and transcript change. The script draws ``Analysis.to_dict()``.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from emotion.labels import LABELS, MODALITIES
from emotion.page import assets, explanation, wording
from emotion.page.compare import SETS, label_row
from emotion.page.texts import Say, element
from emotion.readings import Analysis
from emotion.timeline import FROM_S as TIMELINE_FROM_S

COLUMNS = {  # with the key of what stands above it
    "time": "history_time",
    "source": "history_source",
    "mood": "mood_short",
    "label": "emotion",
    "agreement": "history_agreement",
    "read": "history_read",
    "length": "history_length",
    "take": "history_take",
}
FILES = ("json", "csv", "report")
FUSED = (
    "mood",
    "label",
    "probabilities",
    "agreement",
    "mixed",
    "warnings",
    "codes",
)  # of to_dict(): what changes with the weights
SCRIPTS = ("download.js", "sides.js", "entries.js", "report.js", "history.js")


@dataclass(frozen=True)
class Entry:
    """An answer and what the visitor knows its source as. What changes it later, weights or words, leaves its ``id``."""

    analysis: Analysis
    source: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class History:
    """The component, and its value for an answer."""

    def __init__(self) -> None:
        self.component = gr.HTML(
            html_template=_markup(),
            css_template=assets.read("compare.css", "history.css"),
            js_on_load=assets.component(*SCRIPTS, TIMELINE_FROM_S=TIMELINE_FROM_S, REPORT_CSS=assets.read("report.css")),
            apply_default_css=False,
            elem_id="history",
        )

    def value(self, say: Say, entry: Entry) -> dict[str, Any]:
        return {"id": entry.id, "source": entry.source, "analysis": entry.analysis.to_dict(), **_told(say, entry.analysis)}

    def fusion_value(self, say: Say, entry: Entry) -> dict[str, Any]:
        """What changes with the weights, for the script to put into what it has of the entry."""
        whole = entry.analysis.to_dict()
        return {
            "id": entry.id,
            "fusion": {key: whole[key] for key in FUSED},
            "weights": {name: reading["weight"] for name, reading in whole["modalities"].items()},
            "moods": [span["mood"] for span in whole["timeline"] or ()],
            **_told(say, entry.analysis),
        }


def _told(say: Say, analysis: Analysis) -> dict[str, Any]:
    """What the page says of an answer in the visitor's language beside its numbers, for the report: plain text."""
    return {
        "why": explanation.sentences(say, analysis),
        "cautions": [message.say(say.language) for message in analysis.codes],
        "measured": {name: wording.measured(say, reading, analysis) for name, reading in analysis.modalities.items()},
        "heard": analysis.transcript and wording.heard(say, analysis.transcript),
        "models": {role: wording.model(say, info) for role, info in analysis.models.items()},
    }


def _markup() -> str:
    # The roles stay where a narrow screen lays the rows out as a grid, which takes them from a table.
    above = ("history_compared", *COLUMNS.values())
    headings = "".join(element("th", key, 'scope="col" role="columnheader"') for key in above)
    cells = "".join(f'<td class="{name}" role="cell"></td>' for name in list(COLUMNS)[1:-1])
    buttons = "".join(element("button", f"history_{name}", f'type="button" data-take="{name}"') for name in FILES)
    bars = "".join(element("th", key, 'scope="col"') for key in ("emotion", "compare_bars", "compare_change"))
    return f"""<details class="comparison history fold" hidden>
<summary>{element("h3", "history_title", 'id="history-title"')}</summary>
<div class="top"><p class="quiet"><span class="where"></span> {element("span", "history_choose", 'class="choose"')}</p>
{element("button", "compare_clear", 'type="button" class="clear"')}</div>
<p class="noted" role="status"></p>
<div class="scroll"><table class="analyses" role="table" aria-labelledby="history-title">
<thead role="rowgroup"><tr role="row">{headings}</tr></thead><tbody role="rowgroup"></tbody></table></div>
<template><tr role="row"><td class="pick" role="cell"><label><input type="checkbox"><b></b></label></td>
<th class="time" scope="row" role="rowheader"></th>{cells}
<td class="take" role="cell"><div class="buttons">{buttons}</div></td></tr></template>
<div class="pair" hidden>
<div class="sets">{"".join(map(_side, SETS))}</div>
<p class="difference" role="status"></p>
<table class="labels parts"><thead><tr>{element("th", "history_part", 'scope="col"')}<th scope="col">A</th><th scope="col">B</th>
<th scope="col">B − A</th></tr></thead><tbody>{"".join(map(_part_row, MODALITIES))}</tbody></table>
<table class="labels"><thead><tr>{bars}</tr></thead><tbody>{"".join(map(label_row, LABELS))}</tbody></table>
</div></details>"""


def _side(side: str) -> str:
    return f"""<section class="set" data-set="{side}"><h4></h4><div class="result">
<div class="score"><b></b>{element("small", "of_5")}</div>
<div><p class="says"></p><p class="remark quiet"></p></div></div></section>"""


def _part_row(name: str) -> str:
    sides = "".join(f'<td data-set="{side}"></td>' for side in SETS)
    heading = element("th", f"name_{name}", 'scope="row"')
    return f'<tr data-part="{name}">{heading}{sides}<td class="change"></td></tr>'
