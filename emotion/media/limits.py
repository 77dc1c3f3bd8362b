"""Every limit on an input, and the errors of what breaks one."""

import math

from emotion.messages import InputError, Message

MAX_DURATION_S = 600  # 10 minutes of sound or video: 38 MB of samples, and more than one mood
MIN_DURATION_S = 0.1  # of sound: less holds no syllable, and down to 1 kHz the resampler's filter fits into it
MAX_FILE_BYTES = 100 * 2**20  # 100 MB: 10 minutes of 1.4 Mbit/s video, or of sound as on a CD
MAX_PIXELS = 40_000_000  # of a picture or video frame: a 36-megapixel photo or an 8K frame (33 million) is 120 MB as RGB
MAX_TEXT_CHARS = 5_000  # about 900 words, 6 minutes of talk
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 384_000  # Hz; below: not sound; above: no converter makes it
MAX_CHANNELS = 64  # more is an array the wrong way round, (channels, samples)
MAX_PEAK = 10.0  # full scale is 1; a loud floating-point mix reaches 2 or 3, integers kept as floats reach 128 and more
FRAME_RATE = 5  # sampled frames per second of video: an expression takes 0.5 s and more to come and go
MAX_FRAMES = 60  # of one video: 12 s at FRAME_RATE; longer ones are sampled more sparsely
FRAME_SIDE = 640  # pixels, longer side of a sampled frame: the face of someone filming themselves is then 150 wide and more
DECODER_BYTES = 2 * 2**30  # of memory for decoding one file: 4K video of 10 bits with 16 reference frames takes 0.75 GB
DECODER_CPU_S = 120  # of all its threads: two cores for a minute
IMAGE_SIDE = 1280  # pixels, longer side of a picture: faces in a group photo stay 50 wide

Name = str | Message  # of a file, or what is none: the sound, the picture


def check_pixels(name: Name, width: int, height: int) -> None:
    """Raises InputError for a picture or frame of more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        size, limit = math.ceil(width * height / 1e6), MAX_PIXELS / 1e6
        raise InputError("picture_too_large", file=name, width=width, height=height, megapixels=size, limit=limit)


def check_duration(name: Name, seconds: float, pictures: bool = False) -> None:
    """Raises InputError for sound, or ``pictures``, of more than MAX_DURATION_S."""
    if seconds > MAX_DURATION_S:
        if pictures:
            raise InputError("video_too_long", file=name, seconds=math.ceil(seconds), limit=MAX_DURATION_S)
        raise InputError("audio_too_long", file=name, seconds=math.ceil(seconds), limit=MAX_DURATION_S)


def check_shortness(name: Name, seconds: float) -> None:
    """Raises InputError for sound of less than MIN_DURATION_S."""
    if seconds < MIN_DURATION_S:
        raise InputError("audio_too_short", file=name, seconds=round(seconds, 3), limit=MIN_DURATION_S)
