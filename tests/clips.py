"""The project's own clips, and a video that the tests make of them."""

import functools
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from emotion.face.blazeface import BlazeFace
from emotion.serving.loaders import load_recogniser
from emotion.serving.weights import DEFAULT_FILE, bundled

MEDIA = Path(__file__).parent / "data"
ASTRONAUT = MEDIA / "astronaut.jpg"
GLAD = MEDIA / "glad.flac"
FRAME_RATE = 15


def spoken_video(path: Path) -> Path:
    """A film of the photograph, drifting a little, with GLAD as its sound."""
    samples, rate = soundfile.read(GLAD, dtype="float32")
    picture = cv2.resize(cv2.imread(str(ASTRONAUT)), (480, 480))
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=FRAME_RATE, width=480, height=360, pix_fmt="yuv420p", bit_rate=2_000_000)
        sound = container.add_stream("aac", rate=rate, layout="mono")
        for i in range(int(len(samples) / rate * FRAME_RATE)):
            shift = int(20 + 15 * np.sin(i / 8))
            image = np.ascontiguousarray(np.roll(picture, shift, axis=1)[:360])
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, FRAME_RATE)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


@functools.cache
def blazeface() -> BlazeFace:
    """The face detector that comes with the app."""
    return load_recogniser("detector", bundled("detector", DEFAULT_FILE))
