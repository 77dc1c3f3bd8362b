"""The running app as an API: named endpoints that return ``Analysis.to_dict()``.

Files come through hidden components, not ``gr.api``: only those check that a path lies in the folder of uploads.
"""

from typing import Any

import gradio as gr

from emotion.analyzer import Analyzer
from emotion.baseline import Baseline
from emotion.messages import InputError
from emotion.page import visitors
from emotion.page.answering import MODEL_QUEUE, QUICK_QUEUE, sentences_for_errors
from emotion.page.texts import ENGLISH, Say
from emotion.readings import Analysis

JSON = dict[str, Any]
IN_ENGLISH = Say(ENGLISH)  # whatever a program's headers say


def build(analyzer: Analyzer) -> None:
    # An argument whose default is None may be left out.
    def analyze_text(request: gr.Request, text: str) -> JSON:
        """Words alone. Returns the analysis as JSON."""
        return _analyzed(request, text=text)

    def analyze_audio(request: gr.Request, audio: str | None, text: str, baseline: Any = None) -> JSON:
        """Voice and words. A text replaces what speech to text would write, a baseline is what /baseline gave. Returns JSON."""
        return _analyzed(request, text, baseline, audio=audio)

    def analyze_video(request: gr.Request, video: str | None, text: str, baseline: Any = None) -> JSON:
        """Face, voice and words; text and baseline as for /analyze_audio. Returns the analysis as JSON."""
        return _analyzed(request, text, baseline, video=video)

    def analyze_image(request: gr.Request, image: str | None, baseline: Any = None) -> JSON:
        """The face in a picture; baseline as for /analyze_audio. Returns the analysis as JSON."""
        return _analyzed(request, "", baseline, image=image)

    def baseline(request: gr.Request, audio: str | None = None, video: str | None = None, image: str | None = None) -> JSON:
        """A person's baseline, from ten seconds of a plain text read with a plain face. Returns its offsets as JSON."""
        with sentences_for_errors(IN_ENGLISH), visitors.in_lane(analyzer, request, audio=audio, video=video, image=image):
            return analyzer.baseline(audio, video, image).to_dict()

    def fuse(analysis: Any, weights: Any) -> JSON:
        """An analysis fused by other weights (text, speech, face), at once. Returns the analysis as JSON."""
        with sentences_for_errors(IN_ENGLISH):
            if not isinstance(weights, dict):
                raise InputError("weights_type", type=type(weights).__name__)
            return analyzer.with_weights(Analysis.from_dict(analysis), weights).to_dict()

    def _analyzed(request: gr.Request, text: str, baseline: Any = None, **files: str | None) -> JSON:
        with sentences_for_errors(IN_ENGLISH):
            if not isinstance(text, str):
                raise InputError("text_type", type=type(text).__name__)
            for kind, path in files.items():
                if path is None:
                    raise InputError("upload_missing", kind=kind)
            own = None if baseline is None else Baseline.from_dict(baseline)
            with visitors.in_lane(analyzer, request, **files) as report:
                given = files.get("audio"), files.get("video"), files.get("image")
                return analyzer.analyze(text, *given, baseline=own, progress=report).to_dict()

    with gr.Group(visible=False):
        file, other_file, picture = gr.File(label="audio"), gr.File(label="video"), gr.File(label="image")
        text, optional_text = gr.Textbox(label="text"), gr.Textbox(value="", label="text")
        analysis, weights, result = gr.JSON(label="analysis"), gr.JSON(label="weights"), gr.JSON(label="result")
        offsets = gr.JSON(label="baseline")
        call = gr.Button()
    endpoints = (
        (analyze_text, [text], MODEL_QUEUE),
        (analyze_audio, [file, optional_text, offsets], MODEL_QUEUE),
        (analyze_video, [other_file, optional_text, offsets], MODEL_QUEUE),
        (analyze_image, [picture, offsets], MODEL_QUEUE),
        (baseline, [file, other_file, picture], MODEL_QUEUE),
        (fuse, [analysis, weights], QUICK_QUEUE),
    )
    for function, inputs, queue in endpoints:
        call.click(function, inputs, result, api_name=function.__name__, **queue)
