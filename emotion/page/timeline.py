"""The timeline of a recording: mood and emotions of its windows on one axis, and what was said, shown and heard at one moment.

What goes to the browser for 10 minutes, the longest there is: 24 pictures of at most 20 kB in base64, 480 kB; the spectrogram,
170 kB; the pitch, 20 kB; 300 windows of three modalities, 100 kB. A corrected text sends the windows alone, a weight
3 kB of moods.
"""

import base64
from typing import Any

import cv2
import gradio as gr
import numpy as np

from emotion.figures import COLOURS, MOOD_COLOURS
from emotion.labels import LABELS, MODALITIES, MOOD_WORDS
from emotion.page import assets
from emotion.page.frames import views
from emotion.page.texts import element, label
from emotion.readings import Analysis, Span, SpeechReading
from emotion.sound import HOP, SAMPLE_RATE, SPECTROGRAM_HZ, SPECTROGRAM_RANGE_DB, spectrogram
from emotion.speech.prosody import MAX_HZ, MIN_HZ

PICTURES, SIDE = 24, 240  # shown no larger than that: about 10 kB each
COLUMNS = 6000  # of the spectrogram: a hundred a second for a minute, ten for ten minutes, of which 4 s are shown at a time
QUALITY = 60  # of its JPEG: 84 kB for a minute of speech, 124 kB for ten
PITCH_POINTS = 15_000  # one byte each
HERTZ = (100, 500, 2000)  # named beside the spectrogram


class Timeline:
    """The component, and its values for an answer, which are None where there is no timeline.

    The page keeps of earlier values what a later one leaves out.
    """

    def __init__(self) -> None:
        self.component = gr.HTML(
            html_template=_markup(),
            css_template=assets.read("timeline.css"),
            js_on_load=assets.component("timeline.js", SPECTROGRAM_HZ=SPECTROGRAM_HZ, PITCH_HZ=(MIN_HZ, MAX_HZ)),
            apply_default_css=False,
            elem_id="timeline",
        )

    def value(self, analysis: Analysis) -> dict[str, Any] | None:
        """Everything, of another answer than before; ``analysis`` with its media."""
        value = self.text_value(analysis)
        return value and {**value, "recording": _recording(analysis)}

    def text_value(self, analysis: Analysis) -> dict[str, Any] | None:
        """What changes with the text."""
        value, said = self.fusion_value(analysis), analysis.transcript
        if value is None or analysis.duration is None:
            return None
        return {
            **value,
            "duration": round(analysis.duration, 3),
            "spans": [_span(span) for span in analysis.timeline],
            "words": said.to_dict()["segments"] if said else [],
            "typed": said is not None and said.engine == "typed",
        }

    def fusion_value(self, analysis: Analysis) -> dict[str, Any] | None:
        """What changes with the weights."""
        return {"moods": [span.to_dict()["mood"] for span in analysis.timeline]} if analysis.timeline else None


def _span(span: Span) -> dict[str, Any]:
    """As ``to_dict()`` has it, without the fused mood and with the probabilities in the order of LABELS."""
    whole = span.to_dict()
    parts = {name: part | {"probabilities": list(part["probabilities"].values())} for name, part in whole["modalities"].items()}
    return {"start": whole["start"], "end": whole["end"], "modalities": parts}


def _recording(analysis: Analysis) -> dict[str, Any]:
    """What does not change with words and weights."""
    samples, voice = analysis.media.samples, analysis.modalities.get("speech")
    pitch = _pitch(voice) if isinstance(voice, SpeechReading) else None
    return {
        "pictures": [{"time": round(view.time, 3), "jpeg": view.jpeg} for view in views(analysis, PICTURES, SIDE)],
        "sound": None if samples is None else {"seconds": len(samples) / SAMPLE_RATE, "jpeg": _spectrogram(samples)},
        "pitch": pitch,
    }


def _spectrogram(samples: np.ndarray) -> str:
    """JPEG in base64, low frequencies below."""
    level = spectrogram(samples, COLUMNS)[2].astype(np.float32)
    shades = np.ascontiguousarray((1 + level[::-1] / SPECTROGRAM_RANGE_DB) * 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", cv2.applyColorMap(shades, cv2.COLORMAP_CIVIDIS), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return _base64(jpeg)


def _pitch(voice: SpeechReading) -> dict[str, Any]:
    """F0 every ``step`` seconds: 0 where unvoiced, else 1 to 255 for MIN_HZ to MAX_HZ, equal steps being equal ratios."""
    every = max(1, -(-len(voice.pitch) // PITCH_POINTS))
    f0 = voice.pitch[::every]
    height = np.log(np.clip(f0, MIN_HZ, MAX_HZ) / MIN_HZ) / np.log(MAX_HZ / MIN_HZ)
    points = np.where((f0 > 0) & (f0 <= MAX_HZ), np.round(1 + 254 * height), 0).astype(np.uint8)
    return {"step": every * HOP / SAMPLE_RATE, "points": _base64(points)}


def _base64(data: np.ndarray) -> str:
    return base64.b64encode(data.tobytes()).decode("ascii")


# --- markup


def _markup() -> str:
    rows = "".join(map(_row, MODALITIES))
    columns = "".join(element("th", key, 'scope="col"') for key in _TABLE)
    return f"""<details class="timeline section fold" hidden><summary>{element("h3", "timeline_heading")}</summary>
{element("p", "timeline_lead")}
<div class="chart">{_mood_chart()}{"".join(map(_strip, MODALITIES))}<div class="axis"></div>
<div class="cursor" role="slider" tabindex="0" aria-valuemin="0" {label("timeline_cursor")}>
<i class="window"></i><i class="moment"></i><i class="pin"></i></div></div>
{_legend()}
<div class="at"><div class="told"><div class="fused"><div class="score"><b></b>{element("small", "of_5")}</div>
<div><b class="when"></b><p class="says"></p></div></div><table>{rows}</table><p class="words"></p></div>
<figure class="picture"><img alt=""><figcaption></figcaption></figure>
<figure class="sound">{_sound()}<figcaption></figcaption></figure></div>
<details>{element("summary", "timeline_table")}<div class="scroll" role="region" tabindex="0"
{label("timeline_table")}><table><thead><tr>{columns}</tr></thead><tbody></tbody></table>
</div></details></details>"""


_TABLE = ("timeline_from", "timeline_to", "mood_short", *(f"name_{name}" for name in MODALITIES))


def _mood_chart() -> str:
    """The bands of the moods, the fused line over them and a mark for each modality's own: x in seconds, y from 5 down to 1."""
    ends = [1.0, *(end for end, _ in MOOD_WORDS[:-1]), 5.0]
    bands = "".join(
        f'<rect width="100%" y="{5 - high}" height="{high - low}" fill="{colour}"/>'
        for low, high, colour in zip(ends[:-1], ends[1:], MOOD_COLOURS, strict=True)
    )
    marks = "".join(
        f'<path class="mark {name}" data-marks="{name}"/>'
        + (f'<path class="hole" data-marks="{name}"/>' if name == "text" else "")
        for name in MODALITIES
    )
    ticks = "".join(f'<b style="--mood:{mood}">{mood}</b>' for mood in range(1, 6))
    return (
        f'<div class="name moods">{element("span", "mood_short")}<div>{ticks}</div></div>'
        f'<svg class="plot moods" preserveAspectRatio="none" aria-hidden="true"><g class="bands">{bands}</g>'
        f'<path class="halo"/><path class="line"/>{marks}</svg>'
    )


def _strip(name: str) -> str:
    """Stacked probabilities: x in seconds, y from 0 to 1."""
    paths = "".join(f'<path fill="{COLOURS[emotion]}"/>' for emotion in LABELS)
    return (
        element("div", f"name_{name}", f'class="name" data-read="{name}"')
        + f'<svg class="plot strip" data-read="{name}" preserveAspectRatio="none" viewBox="0 0 1 1" aria-hidden="true">'
        f"{paths}</svg>"
    )


def _legend() -> str:
    labels = "".join(f'<li><i style="background:{COLOURS[name]}"></i>{element("span", f"label_{name}")}</li>' for name in LABELS)
    marks = "".join(f'<li data-read="{name}">{_mark(name)}{element("span", f"name_{name}")}</li>' for name in MODALITIES)
    return (
        f'<ul class="legend"><li>{_mark("fused")}{element("span", "together")}</li>{marks}</ul>'
        f'<ul class="legend" {label("timeline_colours")}>{labels}</ul>'
    )


def _row(name: str) -> str:
    return (
        f'<tr data-read="{name}"><th scope="row">{_mark(name)}{element("span", f"name_{name}")}</th><td class="mood"></td>'
        '<td class="top"><i></i><span></span></td></tr>'
    )


def _sound() -> str:
    """The spectrogram of the whole recording, of which a part is in view, with the pitch over it: x in ms, y from 0 to 1000."""
    low, high = SPECTROGRAM_HZ
    hertz = "".join(
        f'<b style="--at:{np.log(hz / low) / np.log(high / low):.3f}">{f"{hz // 1000}k" if hz >= 1000 else hz}</b>'
        for hz in HERTZ
    )
    return (
        '<div role="img"><svg preserveAspectRatio="none" aria-hidden="true"><image height="1000" preserveAspectRatio="none"/>'
        f'<path class="edge"/><path class="pitch"/></svg>{hertz}</div>'
    )


def _mark(name: str) -> str:
    return f'<i class="sign {name}"></i>'
