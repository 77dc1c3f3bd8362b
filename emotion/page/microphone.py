"""The Microphone tab: record and be answered."""

import gradio as gr

from emotion.analyzer import Analyzer
from emotion.page import wording
from emotion.page.answering import Source
from emotion.page.texts import static

SAMPLE_RATE = 48_000  # Hz, of what the browser sends: at 16 kHz its own resampling costs 11 dB of signal to noise


def build(analyzer: Analyzer) -> list[Source]:
    with gr.Tab(static("tab_microphone"), id="microphone"):
        recording = gr.Audio(
            sources=["microphone"],
            type="filepath",
            label=static("record_label"),
            buttons=[],
            editable=False,
            waveform_options=gr.WaveformOptions(sample_rate=SAMPLE_RATE),
            elem_id="microphone",
            elem_classes="recorder",
        )
        gr.HTML(wording.DEVICE_TROUBLE, elem_classes="trouble")
        again = gr.Button(static("analyse"), variant="primary", elem_id="microphone-analyse", elem_classes="go")
    return [
        Source(
            "microphone",
            recording,
            [recording.stop_recording, again.click],
            lambda path: {"audio": path},
            "record_empty",
        )
    ]
