"""The Microphone tab: record and be answered."""

import gradio as gr

from emotion.analyzer import Analyzer
from emotion.page import wording
from emotion.page.answering import Source

SAMPLE_RATE = 48_000  # Hz, of what the browser sends: at 16 kHz its own resampling costs 11 dB of signal to noise


def build(analyzer: Analyzer) -> list[Source]:
    with gr.Tab("Microphone", id="microphone"):
        recording = gr.Audio(
            sources=["microphone"],
            type="filepath",
            label="Speak; the answer comes when you stop",
            buttons=[],
            editable=False,
            waveform_options=gr.WaveformOptions(sample_rate=SAMPLE_RATE),
            elem_id="microphone",
            elem_classes="recorder",
        )
        gr.HTML(wording.DEVICE_TROUBLE, elem_classes="trouble")
        again = gr.Button("Analyse", variant="primary", elem_id="microphone-analyse", elem_classes="go")
    return [
        Source(
            "microphone",
            recording,
            [recording.stop_recording, again.click],
            lambda path: {"audio": path},
            "Press Record and say something first.",
        )
    ]
