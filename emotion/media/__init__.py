"""Audio, video and picture files in; arrays out. Every broken limit is an ``InputError``."""

from emotion.media.audio import Resampler, decode_audio, from_samples
from emotion.media.limits import (
    FRAME_RATE,
    FRAME_SIDE,
    IMAGE_SIDE,
    MAX_CHANNELS,
    MAX_DURATION_S,
    MAX_FILE_BYTES,
    MAX_FRAMES,
    MAX_PEAK,
    MAX_PIXELS,
    MAX_SAMPLE_RATE,
    MAX_TEXT_CHARS,
    MIN_DURATION_S,
    MIN_SAMPLE_RATE,
)
from emotion.media.pictures import decode_image
from emotion.media.probing import Probe, probe
from emotion.media.video import decode_frames

__all__ = [
    "FRAME_RATE",
    "FRAME_SIDE",
    "IMAGE_SIDE",
    "MAX_CHANNELS",
    "MAX_DURATION_S",
    "MAX_FILE_BYTES",
    "MAX_FRAMES",
    "MAX_PEAK",
    "MAX_PIXELS",
    "MAX_SAMPLE_RATE",
    "MAX_TEXT_CHARS",
    "MIN_DURATION_S",
    "MIN_SAMPLE_RATE",
    "Probe",
    "Resampler",
    "decode_audio",
    "decode_frames",
    "decode_image",
    "from_samples",
    "probe",
]
