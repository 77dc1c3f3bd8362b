"""The result panel: one for all tabs. Everything that the answer was made of can be seen in it."""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

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


def shown_weight(weight: float) -> float:
    """As the sliders give it out: hundredths."""
    return round(weight, 2)


def labels(say: Say) -> list[str]:
    """What figures call the labels."""
    return [say.label(label) for label in LABELS]


@dataclass(frozen=True)
class _Part:
    heading: gr.HTML
    plot: gr.Plot


class ResultPanel:
    """Builds the components where it is made; ``show...`` return updates by component, as Gradio takes them from a function."""

    def __init__(self, analyzer: Analyzer):
        self.headline = gr.HTML(static("block_invitation"), elem_id="headline")
        with gr.Column(visible=False, elem_id="answer") as self.answer:
            with gr.Row(equal_height=True) as self.fused:
                with gr.Column(min_width=300, elem_classes="panel-part"):
                    gr.HTML(static("block_mood"), padding=False)
                    self.gauge = gr.Plot(show_label=False, container=False, elem_id="gauge")
                with gr.Column(min_width=300, elem_classes="panel-part"):
                    gr.HTML(static("block_together"), padding=False)
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
                gr.HTML(static("block_sound"), padding=False)
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
        with gr.Column(elem_classes="panel-part"):
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

    def show_fusion(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        timeline = {self.timeline.component: self.timeline.fusion_value(analysis)}
        if analysis.mood is None or analysis.probabilities is None:
            empty = {self.headline: wording.headline(say, analysis), self.fused: gr.Row(visible=False), self.shares: ""}
            return {**empty, **timeline}
        return {
            self.headline: wording.headline(say, analysis),
            self.fused: gr.Row(visible=True),
            self.gauge: figures.mood_gauge(analysis.mood, say.mood(analysis.mood)),
            self.bars: figures.probability_bars(analysis.probabilities, labels(say), say.percent),
            self.shares: wording.shares(say, analysis, weights),
            **timeline,
        }

    def show_text(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        return {
            **self.show_fusion(say, analysis, weights),
            **self._show_part(say, "text", analysis),
            self.transcript: analysis.transcript.text if analysis.transcript else "",
            self.note: wording.transcript_note(say, analysis),
            self.words: wording.words(say, analysis),
            self.details: wording.details(say, analysis),
            self.comparison.component: self.comparison.value(analysis),
            self.over_time: gr.Column(visible=bool(analysis.timeline)),
            self.timeline.component: self.timeline.text_value(analysis),
        }

    def show(self, say: Say, analysis: Analysis, weights: Mapping[str, float]) -> dict:
        """The whole panel; ``analysis`` with its media, fused by ``weights``."""
        seen = views(analysis)
        return {
            **self.show_text(say, analysis, weights),
            **self._show_part(say, "speech", analysis),
            **self._show_part(say, "face", analysis),
            **self._show_sound(say, analysis),
            self.timeline.component: self.timeline.value(analysis),
            self.filmed: gr.Column(visible=bool(seen)),
            self.frames: wording.frames(say, seen, still=analysis.duration is None),
            self.answer: gr.Column(visible=True),
        }

    def _show_part(self, say: Say, name: str, analysis: Analysis) -> dict:
        part, reading = self.parts[name], analysis.modalities.get(name)
        if reading is None:
            plot = gr.Plot(visible=False)
        else:
            plot = gr.Plot(figures.reading_figure(reading, labels(say), say.percent), visible=True)
        return {part.heading: wording.part(say, name, analysis), part.plot: plot}

    def _show_sound(self, say: Say, analysis: Analysis) -> dict:
        samples = analysis.media.samples
        if samples is None:
            return {self.sound: gr.Column(visible=False), self.sound_plot: gr.skip()}
        voice = analysis.modalities.get("speech")
        heard = voice if isinstance(voice, SpeechReading) else None
        names = (say("axis_seconds"), say("sound_pitch"), say("sound_attention"))
        return {self.sound: gr.Column(visible=True), self.sound_plot: figures.sound_figure(samples, heard, names)}
