"""The Upload tab: a recording, a video or a picture in one box; what it is, its content says."""

import gradio as gr

from emotion import media
from emotion.analyzer import Analyzer
from emotion.page.answering import Source
from emotion.page.texts import Say, static

# Besides what browsers know to be sound, video or picture: endings whose type many systems do not know.
ENDINGS = ".wav .mp3 .flac .ogg .opus .m4a .webm .mp4 .mov .mkv .avi .png .jpg .jpeg .webp".split()


def label(say: Say) -> str:
    """What may be handed in, with the limits."""
    return say("upload_label", minutes=media.MAX_DURATION_S // 60, megabytes=media.MAX_FILE_BYTES // 2**20)


BLOCKS = {"block_upload": label}


def build(analyzer: Analyzer) -> list[Source]:
    with gr.Tab(static("tab_upload"), id="upload"):
        file = gr.File(
            label=static("block_upload"),
            file_types=["audio", "video", "image", *ENDINGS],
            type="filepath",
            height=150,
            elem_id="upload",
        )
        again = gr.Button(static("analyse"), variant="primary", elem_id="upload-analyse", elem_classes="go")

    def arguments(path: str) -> dict[str, str]:
        return {"image" if analyzer.probe(path).kind == "image" else "video": path}  # sound alone is a video without pictures

    return [Source("upload", file, [file.upload, again.click], arguments, "upload_empty")]
