"""From a click to an answer: input, errors, progress and what a visitor's session keeps."""

import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from emotion.analyzer import Analyzer, Progress
from emotion.labels import MODALITIES
from emotion.messages import InputError, Message
from emotion.page import own, texts, visitors
from emotion.page.history import Entry, History
from emotion.page.result import ResultPanel, shown_weight
from emotion.page.texts import Say
from emotion.readings import Analysis, Media
from emotion.serving.lanes import lane_of

log = logging.getLogger(__name__)

MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": None}  # these wait in the analyzer's lanes
QUICK_QUEUE: dict[str, Any] = {"concurrency_id": "quick", "concurrency_limit": 4}  # what runs no network waits for no analysis

Updates = dict[Any, Any]  # of components, by themselves
QUICK: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", **QUICK_QUEUE}


@dataclass
class Runs:
    """How many analyses a visitor has started: only the latest may change the panel."""

    latest: int = 0

    def begin(self) -> int:
        self.latest += 1
        return self.latest


@dataclass(frozen=True)
class Source:
    """A way to hand something in. ``arguments`` turns the component's value into what ``Analyzer.analyze`` takes."""

    name: str
    component: gr.components.Component
    triggers: Sequence[Callable]
    arguments: Callable[[Any], dict[str, Any]]
    empty: str  # key of what to say when there is nothing to analyse
    path: bool = True  # whether the component's value names a file
    title: Callable[[Say], str] | None = None  # what this visit's analyses call it: by default as its tab is called

    def called(self, say: Say) -> str:
        return self.title(say) if self.title else say(f"tab_{self.name}")


class Session:
    """Wires sources, sliders and transcript to the panel. All state is the visitor's: an Entry without sound and pictures."""

    def __init__(self, analyzer: Analyzer, panel: ResultPanel, language: gr.Radio, baseline: gr.HTML):
        self.analyzer, self.panel, self.language, self.baseline = analyzer, panel, language, baseline
        self.kept = gr.State()
        self.runs = gr.State(Runs())
        self.history = History()
        self._wire_weights()
        self._wire_transcript()
        self._wire_baseline()

    def listen(self, sources: Sequence[Source]) -> None:
        for source in sources:
            answered = gr.on(
                source.triggers,
                self._answer(source),
                [self.runs, source.component, self.language, self.baseline, *self.panel.sliders],
                self._outputs,
                show_progress_on=self.panel.headline,
                trigger_mode="once",  # a second click while the first is at work counts for nothing
                api_visibility="private",
                **MODEL_QUEUE,
            )
            answered.success(
                self._settle, [self.kept, *self.panel.sliders], [*self._keeping, *self.panel.fusion_outputs], **QUICK
            )
            answered.success(None, self.history.component, js="emotion.arrived", api_visibility="private")

    @property
    def _outputs(self) -> list:
        return [*self._keeping, *self.panel.outputs]

    @property
    def _keeping(self) -> list:
        return [self.kept, self.history.component]

    def _keep(self, say: Say, entry: Entry, whole: bool = True) -> dict:
        value = self.history.value if whole else self.history.fusion_value
        return {self.kept: entry, self.history.component: value(say, entry)}

    def _answer(self, source: Source) -> Callable:
        # A default value is how Gradio hands a progress bar in.
        def answer(
            request: gr.Request,
            runs: Runs,
            value: Any,
            language: str,
            baseline: str | None,
            *weights: float,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Updates:
            say = texts.of(request)
            if value is None or (isinstance(value, str) and not value.strip()):
                gr.Info(say(source.empty))
                return dict.fromkeys(self._outputs, gr.skip())
            if source.path and not os.path.exists(value):
                raise gr.Error(say("deleted"), print_exception=False)
            run, report = runs.begin(), self._reporter(say, progress)
            with sentences_for_errors(say):
                arguments = functools.cache(source.arguments)  # a live session can be taken once, and only when its turn comes
                lane = "film" if source.name == "live" else lane_of(self.analyzer.probe, **arguments(value))
                with visitors.turn(self.analyzer, request, lane, report):
                    start = time.monotonic()
                    analysis = self.analyzer.analyze(
                        **arguments(value), language=language, progress=report, baseline=own.of(baseline)
                    )
                    chosen = _by_modality(weights)
                    analysis = self.analyzer.with_weights(analysis, chosen)
                    updates = self.panel.show(say, analysis, chosen)
            log.info("%s answered in %.1f s: %s", source.name, time.monotonic() - start, _times(analysis))
            entry = Entry(replace(analysis, media=Media()), source.called(say))
            if run != runs.latest:  # something else was handed in meanwhile: this answer is one for the history alone
                return {**dict.fromkeys(self._outputs, gr.skip()), self.history.component: self.history.value(say, entry)}
            return {**updates, **self._keep(say, entry)}

        return answer

    def _settle(self, request: gr.Request, entry: Entry | None, *weights: float) -> Updates:
        """Fuses anew where the weights were moved while the answer was made."""
        unchanged = dict.fromkeys([*self._keeping, *self.panel.fusion_outputs], gr.skip())
        if entry is None or entry.analysis.mood is None:
            return unchanged
        shares = self.analyzer.with_weights(entry.analysis, _by_modality(weights)).fusion.shares
        moved = any(abs(share - entry.analysis.fusion.shares[name]) > 1e-6 for name, share in shares.items())
        return self._weigh(request, entry, *weights) if moved else unchanged

    def _weigh(self, request: gr.Request, entry: Entry | None, *weights: float) -> Updates:
        say = texts.of(request)
        if entry is None:
            raise gr.Error(say("gone"), print_exception=False)
        with sentences_for_errors(say):
            chosen = _by_modality(weights)
            analysis = self.analyzer.with_weights(entry.analysis, chosen)
            kept = self._keep(say, replace(entry, analysis=analysis), whole=False)
            return {**self.panel.show_fusion(say, analysis, chosen), **kept}

    def _reporter(self, say: Say, progress: gr.Progress) -> Progress:
        """Shows how far an answer is, and ends it once its visitor has left."""

        def report(share: float, stage: Message) -> None:
            loading = any(status.passing for status in self.analyzer.status().values())
            told = stage.say(say.language)
            waiting = f" ({say('models_still_loading')})" if loading else ""
            progress(share, desc=told[0].upper() + told[1:] + waiting)

        return visitors.watched(report)

    def _wire_weights(self) -> None:
        panel = self.panel

        def reset(request: gr.Request, entry: Entry | None) -> Updates:
            fitted = [shown_weight(self.analyzer.weights[name]) for name in MODALITIES]
            return {**self._weigh(request, entry, *fitted), **dict(zip(panel.sliders, fitted, strict=True))}

        gr.on(
            [slider.input for slider in panel.sliders],
            self._weigh,
            [self.kept, *panel.sliders],
            [*self._keeping, *panel.fusion_outputs],
            trigger_mode="always_last",
            **QUICK,
        )
        panel.reset.click(reset, self.kept, [*self._keeping, *panel.fusion_outputs, *panel.sliders], trigger_mode="once", **QUICK)

    def _wire_transcript(self) -> None:
        panel = self.panel

        def correct(request: gr.Request, entry: Entry | None, text: str, *weights: float) -> Updates:
            say = texts.of(request)
            if entry is None:
                raise gr.Error(say("gone"), print_exception=False)
            with sentences_for_errors(say), visitors.turn(self.analyzer, request, "text", visitors.watched()):
                start = time.monotonic()
                chosen = _by_modality(weights)
                analysis = self.analyzer.with_text(entry.analysis, text, chosen)
                updates = panel.show_text(say, analysis, chosen)
            log.info("transcript edited, answered in %.2f s", time.monotonic() - start)
            return {**updates, **self._keep(say, replace(entry, analysis=analysis))}

        gr.on(
            [panel.transcript.submit, panel.apply.click],
            correct,
            [self.kept, panel.transcript, *panel.sliders],
            [*self._keeping, *panel.text_outputs],
            show_progress_on=panel.headline,
            trigger_mode="once",
            api_visibility="private",
            **MODEL_QUEUE,
        )

    def _wire_baseline(self) -> None:
        panel, outputs = self.panel, [*self._keeping, *self.panel.baseline_outputs]

        def set_by_answer(request: gr.Request, entry: Entry | None) -> str:
            say = texts.of(request)
            if entry is None:
                raise gr.Error(say("own_first"), print_exception=False)
            with sentences_for_errors(say):
                baseline = self.analyzer.baseline_of(entry.analysis)
            gr.Info(say("own_is_set"))
            return baseline.to_json()

        def apply(request: gr.Request, entry: Entry | None, value: str | None, *weights: float) -> Updates:
            """The answer on the page by the baseline that is set now, if any."""
            if entry is None:
                return dict.fromkeys(outputs, gr.skip())
            say, chosen = texts.of(request), _by_modality(weights)
            with sentences_for_errors(say):
                analysis = self.analyzer.with_baseline(entry.analysis, own.of(value), chosen)
            return {**panel.show_baseline(say, analysis, chosen), **self._keep(say, replace(entry, analysis=analysis))}

        self.baseline.submit(set_by_answer, self.kept, self.baseline, **QUICK)
        self.baseline.change(apply, [self.kept, self.baseline, *panel.sliders], outputs, **QUICK)


@contextlib.contextmanager
def sentences_for_errors(say: Say) -> Iterator[None]:
    """Turns errors into what a visitor or a program may read: an InputError's sentence, and one plain sentence for all others."""
    try:
        yield
    except InputError as e:
        raise gr.Error(e.message.say(say.language), print_exception=False) from e
    except gr.Error:
        raise
    except visitors.LeftError as e:
        log.info("a visitor left before the answer")
        raise gr.Error(say("gone"), print_exception=False) from e
    except TimeoutError as e:
        log.exception("an answer took too long")
        raise gr.Error(say("busy"), print_exception=False) from e
    except Exception as e:
        log.exception("an answer failed")
        raise gr.Error(say("unexpected"), print_exception=False) from e


def _by_modality(weights: Sequence[float]) -> dict[str, float]:
    return dict(zip(MODALITIES, weights, strict=True))


def _times(analysis: Analysis) -> str:
    return ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in analysis.timings_ms.items())
