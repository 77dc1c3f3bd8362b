"""Every limit on an input, and the errors of what breaks one."""

from emotion.readings import InputError

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
IMAGE_SIDE = 1280  # pixels, longer side of a picture: faces in a group photo stay 50 wide


def check_pixels(name: str, width: int, height: int) -> None:
    """Raises InputError for a picture or frame of more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        limit = f"the limit is {MAX_PIXELS / 1e6:.0f} million pixels"
        raise InputError(f"{name} is too large: {width} x {height} = {width * height / 1e6:.0f} million pixels; {limit}.")


def too_long(name: str, seconds: float | str) -> InputError:
    """The error of what lasts longer than MAX_DURATION_S."""
    value = seconds if isinstance(seconds, str) else f"{seconds:.1f}"
    return InputError(f"{name} is too long: {value} s; the limit is {MAX_DURATION_S} s ({MAX_DURATION_S / 60:g} minutes).")


def too_short(name: str, seconds: float) -> InputError:
    """The error of sound shorter than MIN_DURATION_S."""
    return InputError(f"{name} is too short: {seconds:.3f} s of sound; the least is {MIN_DURATION_S} s.")
