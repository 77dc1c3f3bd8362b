"""The visitor's own baseline: set from the answer on the page, kept in the browser, taken along with each analysis."""

from typing import Any

import gradio as gr

from emotion.baseline import MAX_JSON_BYTES, Baseline
from emotion.messages import InputError
from emotion.page import assets, texts
from emotion.page.texts import element, label


class OwnBaseline:
    """The component. Its value is the baseline as JSON, empty where there is none; "submit" asks for one of the answer."""

    def __init__(self) -> None:
        self.component = gr.HTML(
            value="",
            html_template=_markup(),
            css_template=assets.read("own.css"),
            js_on_load=assets.component("download.js", "own.js", MOST_BYTES=MAX_JSON_BYTES),
            server_functions=[trouble],
            apply_default_css=False,
            padding=False,
            elem_id="own",
        )


def of(value: str | None) -> Baseline | None:
    """The baseline that the component's value holds. Raises InputError for what is none."""
    return Baseline.from_json(value) if value else None


def trouble(message: Any) -> str:
    """Why a file's ``text`` is no baseline, in the page's ``language``; empty where it is one."""
    given = message if isinstance(message, dict) else {}
    try:
        Baseline.from_json(str(given.get("text")))
    except InputError as e:
        return e.message.say(texts.known(given.get("language")).language)
    return ""


def _markup() -> str:
    buttons = "".join(
        element("button", f"own_{name}", f'type="button" class="{name}"') for name in ("set", "remove", "export", "import")
    )
    return f"""<details class="own"><summary><span class="dot"></span>{element("b", "own_title")}
<span class="state" role="status"></span></summary>
{element("p", "own_lead")}{element("blockquote", "own_text")}{element("p", "own_then")}
<div class="buttons">{buttons}</div><input type="file" accept=".json,application/json" hidden {label("own_import")}>
<p class="trouble" role="alert"></p>{element("p", "own_kept", 'class="kept"')}</details>"""
