"""The Live tab: microphone and camera stream while somebody speaks, and the answer moves with them.

Sound and pictures come through functions of one component, which its script calls: Gradio's own streams drop sound when a handler
is slow, and cut it into a file for every packet. What comes here is kept in memory alone.
"""

import base64
import binascii
import html
import json
import math
from typing import Any

import gradio as gr
import numpy as np

from emotion.analyzer import Analyzer
from emotion.figures import COLOURS
from emotion.labels import LABELS
from emotion.live.columns import COLUMN, COLUMNS, Columns
from emotion.live.session import KEPT_S, PHRASES, POINTS, Snapshot
from emotion.live.sessions import Sessions
from emotion.media import limits
from emotion.messages import InputError, Message
from emotion.page import assets, texts
from emotion.page.answering import Source
from emotion.page.texts import Say, element, label
from emotion.readings import Fusion
from emotion.sound import SAMPLE_RATE, SPECTROGRAM_BANDS

COLUMNS_A_SECOND = SAMPLE_RATE // COLUMN


def build(analyzer: Analyzer) -> list[Source]:
    sessions = Sessions(analyzer)

    def begin(message: Any) -> dict:
        """A new session: its token, or why there is none."""
        try:
            return {"token": sessions.open(str(_part(message, "spoken"))[:20])}
        except InputError as e:
            return {"trouble": e.message.say(_say(message).language)}

    def exchange(message: Any) -> dict:
        """Takes sound or a picture and gives back what is known by now."""
        say = _say(message)
        session = sessions.get(str(_part(message, "token")))
        if session is None:
            return {"trouble": Message("live_ended").say(say.language)}
        try:
            if "sound" in message:
                sound = message["sound"]
                session.hear(_samples(sound["pcm"]), _rate(sound["rate"]), int(sound["packet"]))
            if "picture" in message:
                session.see(_bytes(message["picture"]["jpeg"], limits.LIVE_PICTURE_BYTES), float(message["picture"]["time"]))
            known = [int(number) for number in message["known"]]
            return _answer(session.snapshot(*known), say)
        except InputError as e:
            return {"trouble": e.message.say(say.language)}
        except (KeyError, TypeError, ValueError, OverflowError) as e:
            return {"trouble": say("live_malformed", error=type(e).__name__)}

    def arguments(value: str) -> dict[str, Any]:
        """``value``: the token and, from the second try on, the number of the try."""
        session = sessions.finish(str(value).partition(" ")[0])
        if session is None:
            raise InputError("live_ended")
        kept = session.finish()
        if kept.samples is None and not kept.frames:
            raise InputError("live_nothing")
        return {"audio": None if kept.samples is None else (kept.samples, SAMPLE_RATE), "video": kept.frames or None}

    with gr.Tab(texts.static("tab_live"), id="live"):
        stage = gr.HTML(
            value="",  # the token of the session that was stopped
            html_template=_stage(),
            css_template=assets.read("live.css"),
            js_on_load=assets.component("live.js"),
            server_functions=[begin, exchange],
            padding=False,
            elem_id="live",
        )
    return [Source("live", stage, [stage.change], arguments, "live_unread", path=False)]


def answer() -> None:
    """What is read at the moment, where the answer stands; the tab's script fills it."""
    gr.HTML(html_template=_now(), css_template=assets.read("live.css"), padding=False, elem_id="live-now")


def _stage() -> str:
    """The tab's own elements, which its script fills."""
    settings = {
        "columns": COLUMNS,
        "rate": COLUMNS_A_SECOND,
        "bands": SPECTROGRAM_BANDS,
        "minute": KEPT_S,
        "points": POINTS,
        "phrases": PHRASES,
    }
    return f"""<div class="live" data-settings="{html.escape(json.dumps(settings))}">
<div class="controls">
  {element("button", "live_start", 'type="button" class="start"')}
  <label><input type="checkbox" class="microphone" checked> {element("span", "tab_microphone")}</label>
  <label><input type="checkbox" class="camera" checked> {element("span", "live_camera")}</label>
  {element("span", "live_invitation", 'class="state" role="status"')}
  {element("button", "analyse", 'type="button" class="again" hidden')}
</div>
<div class="trouble" role="alert"></div>
<div class="picture"><video muted playsinline></video><canvas class="overlay" role="img" {label("live_overlay")}></canvas>
  {element("p", "live_blank", 'class="blank"')}</div>
<p class="pace"></p>
</div>"""


def _now() -> str:
    bars = "".join(
        f'<div class="bar">{element("span", f"label_{name}")}<i><b style="background:{COLOURS[name]}"></b></i>'
        "<output></output></div>"
        for name in LABELS
    )
    return f"""<div class="live">
<div class="now"><div class="headline"><div class="score"><b>–</b>{element("small", "of_5")}</div>
  {element("p", "live_unread", 'class="sentence"')}</div>
  <div class="bars">{bars}</div><p class="detail"></p></div>
<div class="part">{element("h2", "what_was_said")}{element("p", "live_phrases", 'class="said" tabindex="0"')}</div>
<div class="part">{element("h2", "live_moods")}<canvas class="moods" role="img" {label("live_moods")}></canvas></div>
<div class="part">{element("h2", "live_sound", seconds=COLUMNS // COLUMNS_A_SECOND)}
  <canvas class="wave" role="img" {label("live_wave")}></canvas>
  <canvas class="spectrum" role="img" {label("live_spectrum")}></canvas></div>
</div>"""


def _part(message: Any, name: str) -> Any:
    """Of what a page sent, whatever that is."""
    return message.get(name) if isinstance(message, dict) else None


def _say(message: Any) -> Say:
    """Of the language that the page names in each message: an answer must fit it, also where the session is gone."""
    return texts.known(_part(message, "language"))


def _answer(now: Snapshot, say: Say) -> dict[str, Any]:
    """A snapshot as JSON, kept small: it goes out ten times a second."""
    fusion, face = now.fusion, now.face
    return {
        "heard": round(now.heard, 3),
        "columns": {"first": now.columns.first, **_columns(now.columns)},
        "points": {"first": now.points.first, "items": [[point.time, _rounded(point.mood)] for point in now.points.items]},
        "phrases": {"first": now.phrases.first, "items": [phrase.text for phrase in now.phrases.items]},
        "unfinished": now.unfinished or (Message("not_english").say(say.language) if now.foreign else ""),
        "voice": round(now.voice_until, 3),
        "words": round(now.words_until, 3),
        "looked": now.looked,
        "face": face and {"box": [round(x, 4) for x in face.box], "label": face.label, "share": round(face.probability, 2)},
        "mood": _rounded(fusion.mood),
        "sentence": _sentence(fusion, say),
        "bars": None if fusion.probabilities is None else [round(float(p), 3) for p in fusion.probabilities],
        "detail": _detail(now, say),
    }


def _sentence(fusion: Fusion, say: Say) -> str:
    if fusion.mood is None or fusion.label is None:
        return say("live_nothing")
    said = say("live_mixed" if fusion.mixed else "live_reading", mood=say.mood(fusion.mood), label=say.label(fusion.label))
    return said[0].upper() + said[1:]


def _detail(now: Snapshot, say: Say) -> str:
    parts = [say(f"live_share_{name}", share=say.percent(now.fusion.shares[name])) for name, _ in now.readings]
    return say("live_detail", parts=", ".join(parts)) if parts else ""


def _columns(columns: Columns) -> dict[str, str]:
    return {
        name: base64.b64encode(np.ascontiguousarray(getattr(columns, name)).tobytes()).decode("ascii")
        for name in ("low", "high", "bands")
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 3)


def _rate(value: Any) -> int:
    if int(value) < limits.LIVE_SAMPLE_RATE:
        raise InputError("live_rate_too_low", rate=value, limit=limits.LIVE_SAMPLE_RATE)
    return int(value)


def _samples(text: Any) -> np.ndarray:
    data = _bytes(text, limits.LIVE_SOUND_BYTES)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def _bytes(text: Any, most: int) -> bytes:
    """What base64 says, refused before it is decoded where it is too long."""
    if not isinstance(text, str) or len(text) > most * 4 // 3 + 4:
        raise InputError("live_packet_type", limit=most)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as e:
        raise InputError("live_packet_damaged") from e
