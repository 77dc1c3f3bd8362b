"""Every limit on an input, and the errors of what breaks one.

docs/limits-and-privacy.md has them as a table, with the code that a caller gets.
"""

import math

from emotion.messages import InputError, Message

MAX_DURATION_S = 600  # 10 minutes of sound or video: 38 MB of samples, and more than one mood
MIN_DURATION_S = 0.1  # of sound: less holds no syllable, and down to 1 kHz the resampler's filter fits into it
MAX_FILE_BYTES = 100 * 2**20  # 100 MB: 10 minutes of 1.4 Mbit/s video, or of sound as on a CD
# Of a request that is no upload: twice 30 s of Live's sound, 3 MB, in base64. A data: address is part of such a request.
MAX_JSON_BYTES = 8 * 2**20
MAX_PIXELS = 40_000_000  # of a picture or video frame: a 36-megapixel photo or an 8K frame (33 million) is 120 MB as RGB
MAX_TEXT_CHARS = 5_000  # about 900 words, 6 minutes of talk
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 384_000  # Hz; below: not sound; above: no converter makes it
MAX_PACKETS = 500_000  # of one track: 10 minutes of vorbis in its shortest blocks have 450,000, of video at 240 frames/s 144,000
MAX_CHANNELS = 64  # more is an array the wrong way round, (channels, samples)
MAX_PEAK = 10.0  # full scale is 1; a loud floating-point mix reaches 2 or 3, integers kept as floats reach 128 and more
PROBE_TIMEOUT_S = 20.0  # of looking into a file
MEDIA_TIMEOUT_S = 60.0  # of decoding one
DECODER_BYTES = 2 * 2**30  # of memory for decoding one: 4K video of 10 bits with 16 reference frames takes 0.75 GB
DECODER_CPU_S = 120  # of all its threads: two cores for a minute
TRANSCRIPT_TIMEOUT_S = 30.0  # and TRANSCRIPT_RATE for each second of sound: a busy machine takes twice as long as an idle one
TRANSCRIPT_RATE = 2.0
READING_TIMEOUT_S = 90.0  # of one model; 10 minutes of voice take it a tenth of that, a server that gives no answer half
LIVE_SESSIONS = 4  # at once: each takes about half a core
LIVE_AWAY_S = 8.0  # without sound or picture, after which a session gives its place to whoever needs it: its tab may be closed
LIVE_IDLE_S = 30.0  # and after which it is forgotten: a connection may stall for a while
LIVE_LONGEST_S = 1800.0  # of a session, so that a forgotten tab keeps no place
LIVE_RETRY_S = 120.0  # that a finished session is kept, so that an analysis that failed can be tried again
LIVE_PICTURE_BYTES = 80_000  # 640 x 480 as JPEG has about 30,000
LIVE_PIXELS = 2_100_000  # 1920 x 1080: 80 kB of JPEG may else unfold to 20 million
LIVE_SOUND_BYTES = 3_000_000  # of one packet: half a minute at 48 kHz, which a stalled connection may have to make up for
LIVE_SAMPLE_RATE = 8_000  # Hz, at least: no microphone has less, and a packet grows when it is brought to 16 kHz
FRAME_RATE = 5  # sampled frames per second of video: an expression takes 0.5 s and more to come and go
MAX_FRAMES = 60  # of one video: 12 s at FRAME_RATE; longer ones are sampled more sparsely
FRAME_SIDE = 640  # pixels, longer side of a sampled frame: the face of someone filming themselves is then 150 wide and more
IMAGE_SIDE = 1280  # pixels, longer side of a picture: faces in a group photo stay 50 wide

Name = str | Message  # of a file, or what is none: the sound, the picture


def check_pixels(name: Name, width: int, height: int, most: int | None = None) -> None:
    """Raises InputError for a picture or frame of more than ``most`` pixels, by default MAX_PIXELS."""
    most = MAX_PIXELS if most is None else most
    if width * height > most:
        size, limit = math.ceil(width * height / 1e6), most / 1e6
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
