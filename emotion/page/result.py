"""The answer: its summary, and below it folded sections with everything that it was made of. One for all tabs."""

from collections.abc import Mapping

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from emotion import figures
from emotion.analyzer import Analyzer
from emotion.labels import LABELS, MODALITIES
from emotion.media import MAX_TEXT_CHARS
from emotion.page import settings, wording
from emotion.page.compare import Comparison
from emotion.page.frames import views
from emotion.page.texts import Say, static
from emotion.page.timeline import Timeline
from emotion.readings import Analysis, SpeechReading

TRIES = ("film", "speak", "live")  # of the page that has no answer yet


def shown_weight(weight: float) -> float:
    """As the sliders give it out: hundredths."""
    return round(weight, 2)


def section(name: str, title: str, visible: bool = True) -> gr.Accordion:
    """A folded section, which a link may name: ``#name``. Gradio makes what is in it when it is first opened."""
    return gr.Accordion(static(title), open=False, visible=visible, elem_id=name, elem_classes="fold")


class ResultPanel:
    """Builds the components where it is made; ``show...`` return updates by component, as Gradio takes them from a function."""

    def __init__(self, analyzer: Analyzer):
        self.headline = gr.HTML(static("block_invitation"), padding=False, elem_id="headline")
        with gr.Row(elem_id="tries") as self.tries:
            self.film, self.speak, self.live = (gr.Button(static(f"try_{name}"), elem_id=f"try-{name}") for name in TRIES)
        self._summary()
        with gr.Column(visible=False, elem_id="answer") as self.answer:
            with section("why", "section_why"):
                self._why(analyzer.weights)
            self.comparison = Comparison(analyzer)
            self.timeline = Timeline()
            with section("media", "section_media", visible=False) as self.media:
                with gr.Column(visible=False) as self.sound:
                    gr.HTML(static("block_sound"), padding=False)
                    self.sound_plot = gr.Plot(show_label=False, container=False, elem_id="sound")
                self.frames = gr.HTML(padding=False, elem_id="frames")
            with section("times", "section_times"):
                self.details = gr.HTML(padding=False, elem_id="details")

    def _summary(self) -> None:
        """Made with the page, and hidden by the style sheet until there is a score: an answer need not wait for Plotly,
        which the empty figure has had loaded."""
        with gr.Row(equal_height=True, elem_id="summary"):
            with gr.Column(min_width=280, elem_id="fused"):
                self.fused = gr.HTML(padding=False)
                empty = figures.probability_bars(np.zeros(len(LABELS), np.float32))
                self.bars = gr.Plot(empty, show_label=False, container=False)
            self.each = gr.HTML(padding=False, min_width=280, elem_id="each")

    def _why(self, fitted: Mapping[str, float]) -> None:
        with gr.Row(elem_id="parts"):
            self.parts = {name: gr.HTML(padding=False, elem_id=f"part-{name}") for name in MODALITIES}
        self._transcript()
        self._weights(fitted)

    def _weights(self, fitted: Mapping[str, float]) -> None:
        self.shares = gr.HTML(padding=False, elem_id="shares")
        with gr.Row():
            self.sliders = [
                gr.Slider(
                    minimum=0,
                    maximum=1,
                    value=shown_weight(fitted[name]),
                    step=0.01,
                    label=static(f"weight_{name}"),
                    buttons=[],
                    min_width=200,
                    elem_id=f"weight-{name}",
                )
                for name in MODALITIES
            ]
        with gr.Row(elem_id="settings"):
            self.reset = gr.Button(static("weights_reset"), size="sm", elem_id="reset", elem_classes="go")
            settings.copier()

    def _transcript(self) -> None:
        with gr.Row(equal_height=False):
            self.transcript = gr.Textbox(
                label=static("what_was_said"),
                placeholder=static("what_was_said_placeholder"),
                lines=1,  # Enter sends
                max_lines=8,
                max_length=MAX_TEXT_CHARS,
                interactive=True,
                scale=6,
                elem_id="transcript",
            )
            self.apply = gr.Button(static("apply"), scale=1, min_width=140, elem_id="apply")
        self.note = gr.HTML(padding=False, elem_id="transcript-note")
        self.words = gr.HTML(padding=False, elem_id="words")

    @property
    def fusion_outputs(self) -> list:
        """What changes with the weights."""
        return [self.headline, self.fused, self.bars, self.each, self.shares, self.timeline.component]

    @property
    def text_outputs(self) -> list:
        """What changes with the text."""
        return [
            *self.fusion_outputs,
            self.parts["text"],
            self.transcript,
            self.note,
            self.words,
            self.details,
            self.comparison.component,
        ]

    @property
    def outputs(self) -> list:
        """Everything."""
        parts = [self.parts[name] for name in ("speech", "face")]
        return [*self.text_outputs, *parts, self.tries, self.answer, self.media, self.sound, self.sound_plot, self.frames]

    def show_fusion(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        shown = {
            self.headline: wording.headline(say, analysis),
            self.timeline.component: self.timeline.fusion_value(analysis),
        }
        if analysis.probabilities is None:
            return {**shown, self.shares: ""}
        names = [say.label(label) for label in LABELS]
        return {
            **shown,
            self.fused: wording.fused(say, analysis.probabilities),
            self.bars: figures.probability_bars(analysis.probabilities, names, say.percent),
            self.each: wording.each(say, analysis),
            self.shares: wording.shares(say, analysis, weights),
        }

    def show_text(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        return {
            **self.show_fusion(say, analysis, weights),
            self.parts["text"]: wording.part(say, "text", analysis),
            self.transcript: analysis.transcript.text if analysis.transcript else "",
            self.note: wording.transcript_note(say, analysis),
            self.words: wording.words(say, analysis),
            self.details: wording.details(say, analysis),
            self.comparison.component: self.comparison.value(analysis),
            self.timeline.component: self.timeline.text_value(analysis),
        }

    @property
    def baseline_outputs(self) -> list:
        """What changes with the visitor's baseline."""
        return [*self.text_outputs, self.parts["speech"], self.parts["face"], self.frames]

    def show_baseline(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        """``analysis`` by another baseline, without its media: pictures are not drawn anew."""
        return {
            **self.show_text(say, analysis, weights),
            **{self.parts[name]: wording.part(say, name, analysis) for name in ("speech", "face")},
            self.frames: say("own_frames") if "face" in analysis.modalities else gr.skip(),
        }

    def show(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        """The whole panel; ``analysis`` with its media, fused by ``weights``."""
        seen, samples = views(analysis), analysis.media.samples
        return {
            **self.show_text(say, analysis, weights),
            **{self.parts[name]: wording.part(say, name, analysis) for name in ("speech", "face")},
            self.timeline.component: self.timeline.value(analysis),
            self.media: gr.Accordion(visible=samples is not None or bool(seen)),
            self.sound: gr.Column(visible=samples is not None),
            self.sound_plot: gr.skip() if samples is None else self._sound(say, analysis, samples),
            self.frames: wording.frames(say, seen, still=analysis.duration is None) if seen else "",
            self.tries: gr.Row(visible=False),
            self.answer: gr.Column(visible=True),
        }

    @staticmethod
    def _sound(say: Say, analysis: Analysis, samples: np.ndarray) -> go.Figure:
        voice = analysis.modalities.get("speech")
        heard = voice if isinstance(voice, SpeechReading) else None
        names = (say("axis_seconds"), say("sound_pitch"), say("sound_attention"))
        return figures.sound_figure(samples, heard, names)
