"""Plotly figures from readings: pure functions, light enough to cross a network, readable on white and on black.

Backgrounds are transparent and the text takes its colour from the page's style sheet. Only attributes that plotly.js 3 knows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from emotion.labels import LABELS
from emotion.readings import SpeechReading
from emotion.sound import HOP, SAMPLE_RATE, SPECTROGRAM_HZ, SPECTROGRAM_RANGE_DB, envelope, spectrogram
from emotion.speech.prosody import MAX_HZ

# One colour an emotion, everywhere. Told apart with protanopia, deuteranopia and tritanopia too (Machado et al. 2009: no two are
# closer than 15 in CIELAB), and at least 2:1 against a white and a black page.
COLOURS = {
    "angry": "#c8442a",
    "disgust": "#1a936f",
    "fear": "#8e3b8c",
    "happy": "#eba81c",
    "neutral": "#8c919b",
    "sad": "#1f6fbf",
    "surprise": "#5cc1e6",
}
MOOD_COLOURS = ("#3f68b5", "#8fb0dc", "#c9cdd4", "#f2c478", "#e08e1b")  # very low to very good: blue to orange

GRID = "rgba(128, 128, 128, 0.25)"
INK = "#6b7280"  # of lines that lie on the page: grey, 4:1 on white and on black
WAVE = "#4f7cac"
ATTENTION = "#ff6f91"

Percent = Callable[[float], str]  # how a share of 1 is written

FONT = "Source Sans Pro, system-ui, sans-serif"

PITCH_POINTS = 1500
BARS_HEIGHT = 224  # pixels of the seven bars: they fit beside three modalities, and on a phone below the sentence


def probability_bars(probabilities: np.ndarray, names: Sequence[str] = LABELS, percent: Percent = "{:.0%}".format) -> go.Figure:
    """Seven horizontal bars in the order of LABELS.

    Parameters
    ----------
    probabilities : float32 ndarray of shape (7,)
        Sums to 1.
    names : sequence of seven str
        What the labels are called.
    percent : callable
        How a share is written beside its bar.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    bars = go.Bar(
        x=[round(float(p), 4) for p in probabilities],
        y=list(names),
        orientation="h",
        marker={"color": [COLOURS[label] for label in LABELS], "cornerradius": 3},
        text=[percent(float(p)) for p in probabilities],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
        showlegend=False,
    )
    figure = go.Figure(bars).update_layout(
        xaxis={"range": [0, 1.16], "visible": False, "fixedrange": True},  # the figure of a full bar stands to its right
        yaxis={"autorange": "reversed", "fixedrange": True, "ticks": "", "ticksuffix": "  "},
        bargap=0.3,
    )
    longest = max(map(len, names))
    return _finished(figure, height=BARS_HEIGHT, margin={"l": 8 * longest + 14, "r": 4, "t": 0, "b": 0})


def sound_figure(
    samples: np.ndarray, voice: SpeechReading | None = None, names: tuple[str, str, str] = ("seconds", "pitch", "attention")
) -> go.Figure:
    """Waveform above, spectrogram with the pitch line and the model's attention below, on one time axis in seconds.

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        In [-1, 1], mono, 16 kHz. A recording of 10 minutes makes no larger figure than one of 10 seconds.
    voice : SpeechReading or None
        Its reading, if it has one.
    names : tuple of three str
        What the time axis, the pitch and the attention are called.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    seconds_name, pitch_name, attention_name = names
    figure = go.Figure([*_waveform(samples), _spectrogram(samples)])
    if voice is not None and voice.attention.any():
        figure.add_trace(_attention(voice, attention_name))
        figure.update_layout(yaxis3={"overlaying": "y", "range": [0, 3 * float(voice.attention.max())], "visible": False})
    if voice is not None and voice.pitch.any():
        figure.add_traces(_pitch_line(voice.pitch, pitch_name))
        figure.update_layout(
            yaxis4={"overlaying": "y", "type": "log", "range": np.log10(SPECTROGRAM_HZ).tolist(), "visible": False}
        )
    seconds = max(len(samples), 1) / SAMPLE_RATE
    peak = max(float(np.abs(samples).max(initial=0.0)), 0.02)
    low, high = np.log10(SPECTROGRAM_HZ)
    figure.update_layout(
        xaxis={
            "range": [0, seconds],
            "title": {"text": seconds_name, "standoff": 4, "font": {"size": 13}},
            "anchor": "y",
            "gridcolor": GRID,
            "zeroline": False,
        },
        yaxis={
            "domain": [0.0, 0.68],
            "type": "log",
            "range": [low, high],
            "tickvals": [100, 200, 500, 1000, 2000, 5000],
            "ticktext": ["100", "200", "500", "1k", "2k", "5k"],
            "title": {"text": "Hz", "standoff": 4, "font": {"size": 13}},
            "showgrid": False,
        },
        xaxis2={"matches": "x", "anchor": "y2", "showticklabels": False, "gridcolor": GRID, "zeroline": False},
        yaxis2={"domain": [0.74, 1.0], "range": [-1.05 * peak, 1.05 * peak], "nticks": 3, "gridcolor": GRID, "zeroline": False},
        hovermode="closest",
    )
    return _finished(figure, height=340, margin={"l": 52, "r": 12, "t": 8, "b": 40})


# --- traces


def _waveform(samples: np.ndarray) -> list[go.Scatter]:
    times, low, high = envelope(samples)
    shared = {"x": times, "mode": "lines", "line": {"width": 0.5, "color": WAVE}, "hoverinfo": "skip", "showlegend": False}
    shared |= {"xaxis": "x2", "yaxis": "y2"}
    return [go.Scatter(y=low, **shared), go.Scatter(y=high, fill="tonexty", fillcolor=WAVE, **shared)]


def _spectrogram(samples: np.ndarray) -> go.Heatmap:
    times, bands, level = spectrogram(samples)
    return go.Heatmap(
        x=times,
        y=bands,
        z=level,
        zmin=-SPECTROGRAM_RANGE_DB,
        zmax=0,
        colorscale="Cividis",
        showscale=False,
        hovertemplate="%{x:.2f} s, %{y:.0f} Hz: %{z} dB<extra></extra>",
    )


def _pitch_line(f0: np.ndarray, name: str) -> list[go.Scatter]:
    """White on a dark edge, so that it shows on every colour beneath."""
    step = -(-len(f0) // PITCH_POINTS)
    times = (np.arange(len(f0)) * HOP / SAMPLE_RATE).astype(np.float32)[::step]
    hertz = np.where((f0 > 0) & (f0 <= MAX_HZ), f0, np.nan).astype(np.float32)[::step]
    # On an axis of its own, equal to the spectrogram's: the attention would otherwise cover it.
    shared = {"x": times, "y": hertz, "mode": "lines", "showlegend": False, "connectgaps": False, "yaxis": "y4"}
    return [
        go.Scatter(line={"width": 6, "color": "rgba(17, 24, 39, 0.75)"}, hoverinfo="skip", **shared),
        go.Scatter(
            line={"width": 2.5, "color": "#ffffff"}, hovertemplate=f"{name} %{{y:.0f}} Hz<extra></extra>", name=name, **shared
        ),
    ]


def _attention(voice: SpeechReading, name: str) -> go.Scatter:
    """Steps in the lower third of the spectrogram, on an axis of their own."""
    edges = np.arange(len(voice.attention) + 1) * voice.attention_step
    return go.Scatter(
        x=edges.round(3),
        y=np.append(voice.attention, voice.attention[-1]).astype(np.float32),
        mode="lines",
        line={"width": 2, "color": ATTENTION, "shape": "hv"},
        fill="tozeroy",
        fillcolor="rgba(255, 111, 145, 0.35)",
        name=name,
        hovertemplate=f"{name} %{{y:.3f}}<extra></extra>",
        yaxis="y3",
        showlegend=False,
    )


def _finished(figure: go.Figure, height: int, margin: dict[str, int]) -> go.Figure:
    return figure.update_layout(
        template="none",
        height=height,
        margin=margin,
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"family": FONT, "size": 13, "color": INK},
        dragmode=False,  # a finger on a phone scrolls the page
        hoverlabel={"font": {"family": FONT}},
    )


SEARCH_NAMES = {  # for those who train: the names of weights.yaml
    "text": "text",
    "face": "face",
    "barred": "not allowed",
    "chosen": "chosen",
    "point": "text %{x:.2f}, face %{y:.2f}, speech the rest: UAR %{z:.3f}",
}


def weight_simplex(
    grid: Sequence[Mapping[str, Any]], chosen: Mapping[str, float], names: Mapping[str, str] = SEARCH_NAMES
) -> go.Figure:
    """How often the fusion names readings right for each weighing of the three: a heat map, voice having what text and face
    leave.

    ``grid``: of each point ``weights`` (text, speech, face), summing to 1, ``uar`` and whether it is ``allowed``; ``chosen``: the
    weights in use; ``names``: what the axes ``text`` and ``face`` and the marks ``barred`` and ``chosen`` are called, and what a
    ``point`` says, with plotly's x, y and z for its numbers.
    """
    text, _, face = (np.array([point["weights"][i] for point in grid]) for i in range(3))
    xs, ys = np.unique(text.round(6)), np.unique(face.round(6))
    uar = np.full((len(ys), len(xs)), np.nan)
    uar[np.searchsorted(ys, face.round(6)), np.searchsorted(xs, text.round(6))] = [point["uar"] for point in grid]
    barred = [i for i, point in enumerate(grid) if not point["allowed"]]
    total = sum(chosen.values())
    figure = go.Figure(
        [
            go.Heatmap(
                x=xs,
                y=ys,
                z=uar,
                colorscale="Viridis",
                colorbar={"title": {"text": "UAR"}, "thickness": 14, "x": 1.0},
                hovertemplate=f"{names['point']}<extra></extra>",
            ),
            go.Scatter(
                x=text[barred],
                y=face[barred],
                mode="markers",
                marker={"symbol": "x", "size": 7, "color": "white", "line": {"color": INK, "width": 1}},
                name=names["barred"],
                hoverinfo="skip",
            ),
            go.Scatter(
                x=[chosen["text"] / total],
                y=[chosen["face"] / total],
                mode="markers",
                marker={"symbol": "star", "size": 16, "color": "#ff6f91", "line": {"color": "white", "width": 1}},
                name=names["chosen"],
                hoverinfo="skip",
            ),
        ]
    )
    figure.update_layout(
        xaxis={"title": {"text": names["text"]}, "range": [-0.03, 1.03], "gridcolor": GRID, "zeroline": False},
        yaxis={"title": {"text": names["face"]}, "range": [-0.03, 1.03], "gridcolor": GRID, "zeroline": False},
        legend={"orientation": "h", "y": -0.25},
    )
    return _finished(figure, height=460, margin={"l": 60, "r": 10, "t": 20, "b": 40})
