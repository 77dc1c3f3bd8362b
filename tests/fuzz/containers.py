"""Real containers, made once, and files that are made of them by a seed: the same seed makes the same file."""

import io
import struct
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np
import soundfile

FILMS = {
    "mp4": ("libx264", "aac"),
    "mov": ("mpeg4", "aac"),
    "matroska": ("libx264", "libmp3lame"),
    "webm": ("libvpx", "libopus"),
    "avi": ("mpeg4", "libmp3lame"),
}
SOUNDS = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III", "AIFF": "PCM_24", "W64": "FLOAT"}
PICTURES = (".png", ".jpg", ".webp")
# What a demuxer may take for a length, a count, a rate, a size or an offset.
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
FRONT = 2048  # bytes, in which half of all damage is done: headers say more than samples do
NO_MEDIA = (
    b"#EXTM3U\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile '{path}'\n",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 97\na=rtpmap:97 L16/16000\n",
    b'<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{path}</BaseURL></AdaptationSet></Period></MPD>',
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="{path}"/></svg>',
    b"PK\x03\x04\x14\0\0\0\x08\0",
    b"%PDF-1.7\n",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    b"",
)


def seeds() -> dict[str, bytes]:
    """A second of each kind of file that the package reads, by its format."""
    rng = np.random.default_rng(0)
    samples = np.stack([0.3 * np.sin(np.arange(16_000) / 9), 0.1 * rng.standard_normal(16_000)], axis=1).astype(np.float32)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (64, 48))
    made = {}
    for form, subtype in SOUNDS.items():
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, subtype, format=form)
        made[form] = file.getvalue()
    for form, (vcodec, acodec) in FILMS.items():
        made[form] = _film(form, vcodec, acodec, picture, np.ascontiguousarray(samples[:, 0]))
    return made | {form: cv2.imencode(form, picture)[1].tobytes() for form in PICTURES}


def case(seed: int, originals: dict[str, bytes], path: str) -> tuple[str, bytes]:
    """What the file is made of, and its content. ``path``: of a file, or an address, that it may try to have opened."""
    rng = np.random.default_rng(seed)
    names = sorted(originals)
    if rng.random() < 0.1:
        content = NO_MEDIA[rng.integers(len(NO_MEDIA))].replace(b"{path}", path.encode())
        return "none", content + rng.bytes(int(rng.integers(0, 3000)))
    name = names[rng.integers(len(names))]
    data = bytearray(originals[name])
    done = []
    for _ in range(1 + rng.geometric(0.4)):
        harm = HARMS[rng.integers(len(HARMS))]
        other = originals[names[rng.integers(len(names))]]
        harm(data, rng, other, path.encode())
        done.append(harm.__name__)
    return f"{name}: {', '.join(done)}", bytes(data[: 2**22])


# --- kinds of harm, done in place


def flip(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    for _ in range(rng.integers(1, 30)):
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def extreme(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    form = (">I", "<I", ">H", "<H", ">Q", "<Q")[rng.integers(6)]
    at, value = _place(data, rng), int(EXTREMES[rng.integers(len(EXTREMES))])
    packed = struct.pack(form, value % 2 ** (8 * struct.calcsize(form)))
    data[at : at + len(packed)] = packed


def cut(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    del data[_place(data, rng) :]


def leave_out(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 400))]


def repeat(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + int(rng.integers(1, 400))] * int(rng.integers(1, 300))


def splice(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    at, start = _place(data, rng), int(rng.integers(len(other)))
    data[at:at] = other[start : start + int(rng.integers(1, 4000))]


def blank(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    at, length = _place(data, rng), int(rng.integers(1, 600))
    data[at : at + length] = bytes([(0, 0xFF)[rng.integers(2)]]) * length


def name_a_file(data: bytearray, rng: np.random.Generator, other: bytes, path: bytes) -> None:
    at = _place(data, rng)
    data[at : at + len(path) + 1] = path + b"\0"


HARMS: tuple[Callable[[bytearray, np.random.Generator, bytes, bytes], None], ...] = (
    flip,
    extreme,
    cut,
    leave_out,
    repeat,
    splice,
    blank,
    name_a_file,
)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """An offset, half of the time near the front; of an empty file one byte is made first."""
    if not data:
        data.append(0)
    return int(rng.integers(min(len(data), FRONT) if rng.random() < 0.5 else len(data)))


def _film(form: str, vcodec: str, acodec: str, picture: np.ndarray, samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        video = container.add_stream(vcodec, rate=10, width=64, height=48, pix_fmt="yuv420p")
        audio = container.add_stream(acodec, rate=48_000, layout="mono")
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, i, axis=1), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        context = audio.codec_context
        resampler = av.AudioResampler(context.format, "mono", context.sample_rate, frame_size=context.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(audio.encode(part))
        container.mux(audio.encode(None))
    return file.getvalue()
