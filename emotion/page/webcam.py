"""The Webcam tab: a video with sound, or a snapshot."""

import gradio as gr

from emotion.analyzer import Analyzer
from emotion.page import wording
from emotion.page.answering import Source
from emotion.page.texts import static

VIDEO, SNAPSHOT = "video", "snapshot"

# About what is read: 640 pixels, 5 pictures a second, and some more for a smooth film.
# mirror=True would have the server encode all anew.
FILM = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 15}}, "audio": True}
PICTURE = {"video": {"width": {"ideal": 1280}, "height": {"ideal": 720}}}


def build(analyzer: Analyzer) -> list[Source]:
    with gr.Tab(static("tab_webcam"), id="webcam"):
        kind = gr.Radio(
            [(static("film"), VIDEO), (static("snapshot"), SNAPSHOT)],
            value=VIDEO,
            show_label=False,
            container=False,
            elem_id="webcam-kind",
        )
        with gr.Column() as film:
            video = gr.Video(
                sources=["webcam"],
                include_audio=True,
                webcam_options=gr.WebcamOptions(mirror=False, constraints=FILM),
                height=360,
                buttons=[],
                label=static("film_label"),
                elem_id="webcam",
                elem_classes="recorder",
            )
            video_again = gr.Button(static("analyse"), variant="primary", elem_id="webcam-analyse", elem_classes="go")
        with gr.Column(visible=False) as photograph:
            picture = gr.Image(
                sources=["webcam"],
                type="filepath",
                format="jpeg",
                webcam_options=gr.WebcamOptions(mirror=False, constraints=PICTURE),
                height=360,
                buttons=[],
                label=static("snapshot_label"),
                elem_id="snapshot",
            )
            picture_again = gr.Button(static("analyse"), variant="primary", elem_id="snapshot-analyse", elem_classes="go")
        gr.HTML(wording.DEVICE_TROUBLE, elem_classes="trouble")
        kind.change(
            lambda chosen: (gr.Column(visible=chosen == VIDEO), gr.Column(visible=chosen == SNAPSHOT)),
            kind,
            [film, photograph],
            show_progress="hidden",
            api_visibility="private",
            queue=False,
        )
    return [
        Source(
            "webcam",
            video,
            [video.stop_recording, video_again.click],
            lambda path: {"video": path},
            "film_empty",
        ),
        Source(
            "snapshot",
            picture,
            [picture.input, picture_again.click],
            lambda path: {"image": path},
            "snapshot_empty",
            title=lambda say: say("snapshot"),
        ),
    ]
