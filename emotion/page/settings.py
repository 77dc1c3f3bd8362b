"""A link that sets the weights and the tab: ``?weights=0.25,0.45,0.30&tab=live``. It carries nothing else of a visit."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from emotion.labels import MODALITIES
from emotion.page import assets, texts


def copier() -> gr.HTML:
    """The button that copies the link, made of the page's sliders and its open tab."""
    field = f'<input type="text" readonly hidden {texts.label("link_address")}>'
    status = '<span class="said" role="status"></span>'
    button = texts.element("button", "link_copy", 'type="button"')
    return gr.HTML(
        html_template=f'<div class="link">{button}{field}{status}</div>',
        css_template=assets.read("settings.css"),
        js_on_load=assets.component("settings.js"),
        apply_default_css=False,
        padding=False,
        elem_id="settings-link",
    )


def restore(page: gr.Blocks, tabs: gr.Tabs, sliders: Sequence[gr.Slider], trouble: gr.HTML) -> None:
    """Has a page that such a link opens set its tab and sliders; what is not usable is left out and said in ``trouble``."""
    known = [tab.id for tab in tabs.children if isinstance(tab, gr.Tab)]

    def opened(request: gr.Request) -> dict[Any, Any]:
        query, say, unusable = request.query_params, texts.of(request), []
        updates = dict.fromkeys([tabs, *sliders, trouble], gr.skip())
        if "weights" in query:
            weights = parsed(query["weights"])
            updates.update(zip(sliders, weights or [gr.skip()] * len(sliders), strict=True))
            unusable += [] if weights else [say("link_weights")]
        if "tab" in query:
            if query["tab"] in known:
                updates[tabs] = gr.Tabs(selected=query["tab"])
            else:
                unusable.append(say("link_tab"))
        if unusable:
            sentence = escape(say("link_ignored", parts=say.listed(unusable)))
            updates[trouble] = gr.HTML(f'<div class="link-trouble" role="status">{sentence}</div>', visible=True)
        return updates

    # Not queued: a busy machine refuses what it would queue, and a page that is only opened must not say so.
    page.load(opened, None, [tabs, *sliders, trouble], queue=False, show_progress="hidden", api_visibility="private")


def parsed(weights: str) -> list[float] | None:
    """A number of 0 to 1 for each modality, in hundredths as the sliders have them; None where it is anything else."""
    try:
        numbers = [float(part) for part in weights.split(",")]
    except ValueError:
        return None
    usable = len(numbers) == len(MODALITIES) and all(0 <= number <= 1 for number in numbers)
    return [round(number, 2) for number in numbers] if usable else None
