"""The result panel: one for all tabs. Everything that the answer was made of can be seen in it."""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from emotion import figures
from emotion.analyzer import Analyzer
from emotion.labels import MODALITIES
from emotion.media import MAX_TEXT_CHARS
from emotion.page import wording
from emotion.page.compare import Comparison
from emotion.page.frames import views
from emotion.page.timeline import Timeline
from emotion.readings import Analysis


def shown_weight(weight: float) -> float:
    """As the sliders give it out: hundredths."""
    return round(weight, 2)


@dataclass(frozen=True)
class _Part:
    heading: gr.HTML
    plot: gr.Plot


class ResultPanel:
    """Builds the components where it is made; ``show...`` return updates by component, as Gradio takes them from a function."""

    def __init__(self, analyzer: Analyzer):
        self.headline = gr.HTML(wording.INVITATION, elem_id="headline")
        with gr.Column(visible=False, elem_id="answer") as self.answer:
            with gr.Row(equal_height=True) as self.fused:
                with gr.Column(min_width=300, elem_classes="panel-part"):
                    gr.HTML('<div class="section"><h3>Mood</h3></div>', padding=False)
                    self.gauge = gr.Plot(show_label=False, container=False, elem_id="gauge")
                with gr.Column(min_width=300, elem_classes="panel-part"):
                    gr.HTML('<div class="section"><h3>All together</h3></div>', padding=False)
                    self.bars = gr.Plot(show_label=False, container=False, elem_id="fused")
            with gr.Row(equal_height=True):
                self.parts = {name: self._part(name) for name in MODALITIES}
            with gr.Column(elem_classes="panel-part"):
                self._weights(analyzer.weights)
            self._transcript()
            self.comparison = Comparison(analyzer)
            with gr.Column(visible=False, elem_classes="panel-part") as self.over_time:
                self.timeline = Timeline()
            with gr.Column(visible=False, elem_classes="panel-part") as self.sound:
                gr.HTML(wording.SOUND, padding=False)
                self.sound_plot = gr.Plot(show_label=False, container=False, elem_id="sound")
            with gr.Column(visible=False, elem_classes="panel-part") as self.filmed:
                self.frames = gr.HTML(padding=False, elem_id="frames")
            with gr.Column(elem_classes="panel-part"):
                self.details = gr.HTML(padding=False, elem_id="details")

    def _part(self, name: str) -> _Part:
        with gr.Column(min_width=280, elem_classes="panel-part", elem_id=f"part-{name}"):
            return _Part(gr.HTML(padding=False), gr.Plot(show_label=False, container=False))

    def _weights(self, fitted: Mapping[str, float]) -> None:
        self.shares = gr.HTML(padding=False, elem_id="shares")
        with gr.Row():
            self.sliders = [
                gr.Slider(
                    minimum=0,
                    maximum=1,
                    value=shown_weight(fitted[name]),
                    step=0.01,
                    label=f"Weight of the {wording.NAMES[name].lower()}",
                    buttons=[],
                    min_width=200,
                    elem_id=f"weight-{name}",
                )
                for name in MODALITIES
            ]
        self.reset = gr.Button("Back to the fitted weights", size="sm", elem_id="reset", elem_classes="go")

    def _transcript(self) -> None:
        with gr.Column(elem_classes="panel-part"):
            with gr.Row(equal_height=False):
                self.transcript = gr.Textbox(
                    label="What was said",
                    placeholder="Type what was said",
                    lines=1,  # Enter sends
                    max_lines=8,
                    max_length=MAX_TEXT_CHARS,
                    interactive=True,
                    scale=6,
                    elem_id="transcript",
                )
                self.apply = gr.Button("Apply", scale=1, min_width=90, elem_id="apply")
            self.note = gr.HTML(padding=False, elem_id="transcript-note")
            self.words = gr.HTML(padding=False, elem_id="words")

    @property
    def fusion_outputs(self) -> list:
        """What changes with the weights."""
        return [self.headline, self.fused, self.gauge, self.bars, self.shares, self.timeline.component]

    @property
    def text_outputs(self) -> list:
        """What changes with the text."""
        part = self.parts["text"]
        return [
            *self.fusion_outputs,
            part.heading,
            part.plot,
            self.transcript,
            self.note,
            self.words,
            self.details,
            self.comparison.component,
            self.over_time,
        ]

    @property
    def outputs(self) -> list:
        """Everything."""
        parts = [component for name in ("speech", "face") for component in (self.parts[name].heading, self.parts[name].plot)]
        return [*self.text_outputs, *parts, self.answer, self.sound, self.sound_plot, self.filmed, self.frames]

    def show_fusion(self, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        timeline = {self.timeline.component: self.timeline.fusion_value(analysis)}
        if analysis.mood is None:
            return {self.headline: wording.headline(analysis), self.fused: gr.Row(visible=False), self.shares: "", **timeline}
        return {
            self.headline: wording.headline(analysis),
            self.fused: gr.Row(visible=True),
            self.gauge: figures.mood_gauge(analysis.mood),
            self.bars: figures.probability_bars(analysis.probabilities),
            self.shares: wording.shares(analysis, weights),
            **timeline,
        }

    def show_text(self, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        return {
            **self.show_fusion(analysis, weights),
            **self._show_part("text", analysis),
            self.transcript: analysis.transcript.text if analysis.transcript else "",
            self.note: wording.transcript_note(analysis),
            self.words: wording.words(analysis),
            self.details: wording.details(analysis),
            self.comparison.component: self.comparison.value(analysis),
            self.over_time: gr.Column(visible=bool(analysis.timeline)),
            self.timeline.component: self.timeline.text_value(analysis),
        }

    def show(self, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        """The whole panel; ``analysis`` with its media, fused by ``weights``."""
        seen = views(analysis)
        return {
            **self.show_text(analysis, weights),
            **self._show_part("speech", analysis),
            **self._show_part("face", analysis),
            **self._show_sound(analysis),
            self.timeline.component: self.timeline.value(analysis),
            self.filmed: gr.Column(visible=bool(seen)),
            self.frames: wording.frames(seen, still=analysis.duration is None),
            self.answer: gr.Column(visible=True),
        }

    def _show_part(self, name: str, analysis: Analysis) -> dict:
        part, reading = self.parts[name], analysis.modalities.get(name)
        plot = gr.Plot(visible=False) if reading is None else gr.Plot(figures.reading_figure(reading), visible=True)
        return {part.heading: wording.part(name, analysis), part.plot: plot}

    def _show_sound(self, analysis: Analysis) -> dict:
        samples = analysis.media.samples
        if samples is None:
            return {self.sound: gr.Column(visible=False), self.sound_plot: gr.skip()}
        voice = analysis.modalities.get("speech")
        return {self.sound: gr.Column(visible=True), self.sound_plot: figures.sound_figure(samples, voice)}
