"""Audio, video and picture files in; arrays out. Every limit on an input stands here, and every broken one is an ``InputError``.

PyAV carries its own libav, so nothing but ``pip`` is needed to read wav, mp3, flac, ogg, m4a, webm, mp4, mov, mkv and avi.
Files are untrusted: what they are is read from their bytes, never from their name, and a file can make libav open no other.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, groupby
from typing import BinaryIO

import av
import cv2
import numpy as np
from av.stream import Disposition

from emotion.readings import Frame, InputError
from emotion.sound import SAMPLE_RATE

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

# Demuxers that libav may use. Playlists and scripts (hls, concat, sdp, image2 ...) name other files and are not among them.
CONTAINERS = "wav,w64,aiff,mp3,aac,flac,ogg,mov,matroska,avi"
ESTIMATED = {"mp3", "aac"}  # containers without a duration, for which libav guesses one from the first bit rate it sees

BLOCK_FRAMES = 16  # of sound, mixed and resampled at once: 0.3 s of the usual 1,024 samples, 32 MB of flac's 65,535 x 8

# 128 taps (libswresample's default is 32): from 48 kHz, flat to 7.6 kHz, and what lies above 8.2 kHz comes out 95 dB down.
RESAMPLING = {"filter_size": "128", "cutoff": "0.98"}

MAX_SEGMENTS = 10_000  # before the size of a jpg; cameras write 10 to 30
PNG, JPEG, RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"


@dataclass(frozen=True)
class Probe:
    """What a file holds: ``kind`` is "audio", "video" or "image"; ``duration`` in seconds, None where the header has none."""

    kind: str
    has_audio: bool
    has_video: bool
    duration: float | None


def probe(path: str | os.PathLike) -> Probe:
    """What a file holds, from its header alone: milliseconds, whatever its length.

    Raises ``InputError`` for what is missing, empty, not media, too large, too long or has too many pixels. What passes can still
    fail to decode.
    """
    name = _name(path)
    with _file(path) as file:
        size = _picture_size(file, name)
        if size is not None:
            _check_pixels(name, *size)
            return Probe("image", has_audio=False, has_video=False, duration=None)
        with _container(file, name) as container:
            sound, pictures = _sound(container), _pictures(container)
            kind = "video" if pictures is not None else "audio"
            return Probe(kind, has_audio=sound is not None, has_video=pictures is not None, duration=_duration(container))


def decode_audio(path: str | os.PathLike) -> np.ndarray:
    """The sound of an audio or video file: float32 (n,) in [-1, 1], mono, 16 kHz.

    Channels are averaged. Time 0 is where the file begins, as for ``decode_frames``: silence stands before a sound track that
    starts later. A damaged or cut-off file gives what can be decoded.

    Raises ``InputError`` where there is no sound track, where less than ``MIN_DURATION_S`` or more than ``MAX_DURATION_S`` can be
    decoded, and for what ``probe`` refuses.
    """
    name = _name(path)
    with _file(path) as file, _container(file, name) as container:
        stream = _sound(container)
        if stream is None:
            raise InputError(f"{name} has no sound track.")
        frames = _decoded(container, stream)
        first = next(frames, None)
        if first is None:
            raise InputError(f"{name} has a sound track, but no sound can be decoded from it.")
        lead = min(max(0.0, (first.time or 0.0) - _start(container)), MAX_DURATION_S)
        blocks = _resampled(_mono(_countable(chain([first], frames)), name))
        silence = np.zeros(round(lead * SAMPLE_RATE), np.float32)
        return _bounded(np.concatenate([*_limited(chain([silence], blocks), name)]), name)


def from_samples(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sound given as an array, as ``decode_audio`` returns it: float32 (n,) in [-1, 1], mono, 16 kHz.

    Parameters: ``samples`` of shape (n,) or (n, channels), of an integer type (full scale is the largest value of the type) or
    floating point (full scale is 1; NaN and infinity count as 0); ``sample_rate`` in Hz, 1,000 to 384,000.

    Raises ``InputError`` for any other shape, type or rate, for less than ``MIN_DURATION_S`` or more than ``MAX_DURATION_S``.
    """
    samples = _array(samples, "sound")
    if samples.dtype.kind not in "iuf":
        raise InputError(f"The sound's samples are {samples.dtype}; they must be integers or floating-point numbers.")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MAX_CHANNELS):
        limit = f"it must be (n,) or (n, channels), at most {MAX_CHANNELS} channels"
        raise InputError(f"The sound has the shape {samples.shape}; {limit}.")
    if len(samples) == 0:
        raise InputError("The sound is empty: 0 samples.")
    rate = _rate(sample_rate, "The sound")
    if len(samples) / rate < MIN_DURATION_S:
        raise _too_short("The sound", len(samples) / rate)
    if len(samples) / rate > MAX_DURATION_S:
        raise _too_long("The sound", len(samples) / rate)
    blocks = (samples[i : i + rate] for i in range(0, len(samples), rate))  # a second each: the float copies stay small
    mono = ((_as_float(block).reshape(len(block), -1).mean(axis=1), rate) for block in blocks)
    return _bounded(np.concatenate([*_resampled(mono)]), "The sound")


def decode_frames(path: str | os.PathLike) -> tuple[Frame, ...]:
    """Frames of a video, evenly spaced over its length: ``FRAME_RATE`` a second, more sparsely where that exceeds ``MAX_FRAMES``.

    Each ``Frame`` has its time in seconds from where the file begins and a uint8 RGB (h, w, 3) image, upright, the longer side at
    most ``FRAME_SIDE``. A damaged or cut-off file gives what can be decoded. No duration is needed in the header: browsers write
    none.

    Raises ``InputError`` where there are no moving pictures or none can be decoded, and for what ``probe`` refuses.
    """
    name = _name(path)
    with _file(path) as file:
        with _container(file, name) as container:
            if _pictures(container) is None:
                raise InputError(f"{name} has no video track.")
            times, keys = _packet_times(container)
        end = max(times, default=0.0)
        if end > MAX_DURATION_S:
            raise _too_long(name, end)
        interval = max(1 / FRAME_RATE, end / (MAX_FRAMES - 0.5))  # so that the last frame still has a slot
        firsts = {_slot(time, interval): time for time in sorted(times, reverse=True)}
        if {_slot(time, interval) for time in keys} == firsts.keys():
            # Every slot has a frame that stands alone: decoding only those takes seconds for 10 minutes of video.
            wanted, skip = set(), "NONKEY"
        else:
            # What no other frame is made from need not be decoded where it is not wanted: up to half of a file with B-frames.
            wanted, skip = set(firsts.values()), "NONREF"
        file.seek(0)
        with _container(file, name) as container:
            frames = _sampled(container, interval, wanted, skip)
    if not frames:
        raise InputError(f"{name} has a video track, but no frame can be decoded from it.")
    return frames


def decode_image(source: str | os.PathLike | bytes | np.ndarray) -> Frame:
    """A picture as a ``Frame`` at time 0: uint8 RGB (h, w, 3), upright, the longer side at most ``IMAGE_SIDE``.

    ``source`` is a png, jpg or webp file, or its content as bytes, or a uint8 array (h, w), (h, w, 3) RGB or (h, w, 4) RGBA. Transparency is dropped.

    Raises ``InputError`` for anything else, for more than ``MAX_PIXELS`` and for what cannot be decoded.
    """
    if isinstance(source, bytes):
        image = _picture(BytesIO(source), "The picture")
    elif isinstance(source, (str, os.PathLike)):
        with _file(source) as file:
            image = _picture(file, _name(source))
    else:
        image = _rgb(_array(source, "picture"))
    width, height = _fitted(image.shape[1], image.shape[0], IMAGE_SIDE)
    if (height, width) != image.shape[:2]:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return Frame(0.0, np.ascontiguousarray(image))


# --- files


@contextmanager
def _file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """An open regular file, neither empty nor too large; what the libraries raise on it comes out as an ``InputError``."""
    name = _name(path)
    if not os.path.exists(path):
        raise InputError(f"{name} does not exist.")
    if not os.path.isfile(path):  # a folder, a device, or a pipe that would block
        raise InputError(f"{name} is not a file.")
    if os.path.getsize(path) == 0:
        raise InputError(f"{name} is empty: 0 bytes.")
    if os.path.getsize(path) > MAX_FILE_BYTES:
        limits = f"{MAX_FILE_BYTES / 2**20:.0f} MB, and {MAX_DURATION_S} s ({MAX_DURATION_S / 60:g} minutes) of sound or video"
        raise InputError(f"{name} is too large: {os.path.getsize(path) / 2**20:.0f} MB; the limit is {limits}.")
    try:
        # By descriptor, so that the file object has no name in which libav would see an extension to trust or an address to read.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb") as file:
            yield file
    except InputError:
        raise
    except (av.FFmpegError, OSError, cv2.error, MemoryError, ValueError, RuntimeError) as e:
        raise InputError(f"{name} cannot be read: {getattr(e, 'strerror', None) or e or type(e).__name__}.") from e


@contextmanager
def _container(file: BinaryIO, name: str) -> Iterator[av.container.InputContainer]:
    """An open audio or video file within the limits that its header shows."""
    try:
        container = av.open(
            file,
            options={"max_pixels": str(MAX_PIXELS)},  # of cover pictures too, which libav decodes to learn their format
            container_options={"format_whitelist": CONTAINERS, "protocol_whitelist": ""},
            io_open=_refuse,
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError) as e:
        reason = "it is something else, damaged or cut off"
        raise InputError(f"{name} is not a sound or video file that can be read: {reason}.") from e
    with container:
        if _sound(container) is None and _pictures(container) is None:
            raise InputError(f"{name} has neither a sound track nor a video track that can be read.")
        duration = _duration(container)
        if duration is not None and duration > MAX_DURATION_S:
            raise _too_long(name, duration)
        if (pictures := _pictures(container)) is not None:
            _check_pixels(name, pictures.codec_context.width, pictures.codec_context.height)
            if pictures.codec_context.width == 0:  # what libav leaves of a size that is over its max_pixels
                limit = f"the limit of {MAX_PIXELS / 1e6:.0f} million pixels"
                raise InputError(f"{name} has video frames of an unknown size, or over {limit}.")
        yield container


def _refuse(url: str, flags: int, options: dict) -> None:
    """Called by libav when a file's content names another file or an address to read."""
    raise PermissionError("a media file may not open another")


def _name(path: str | os.PathLike) -> str:
    """How messages call a file: without its folder, which is no business of whoever uploaded it."""
    try:
        return os.path.basename(os.path.normpath(os.fsdecode(path))) or "The path"
    except TypeError as e:
        raise InputError(f"A {type(path).__name__} is not the path of a file.") from e


def _check_pixels(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        limit = f"the limit is {MAX_PIXELS / 1e6:.0f} million pixels"
        raise InputError(f"{name} is too large: {width} x {height} = {width * height / 1e6:.0f} million pixels; {limit}.")


def _too_long(name: str, seconds: float | str) -> InputError:
    value = seconds if isinstance(seconds, str) else f"{seconds:.1f}"
    return InputError(f"{name} is too long: {value} s; the limit is {MAX_DURATION_S} s ({MAX_DURATION_S / 60:g} minutes).")


def _too_short(name: str, seconds: float) -> InputError:
    return InputError(f"{name} is too short: {seconds:.3f} s of sound; the least is {MIN_DURATION_S} s.")


def _array(values: object, what: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as e:  # a ragged list
        raise InputError(f"The {what} is a {type(values).__name__} that makes no array.") from e


# --- streams of a container


def _sound(container: av.container.InputContainer) -> av.AudioStream | None:
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _pictures(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video track; the cover picture of a song is none."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    tracks = (stream for stream in container.streams.video if not stream.disposition & still)
    return next((stream for stream in tracks if stream.codec_context is not None), None)


def _duration(container: av.container.InputContainer) -> float | None:
    """Seconds by the header, or None."""
    if container.duration is None or container.format.name in ESTIMATED:
        return None
    return container.duration / av.time_base


def _start(container: av.container.InputContainer) -> float:
    """The time, in seconds, at which the earliest track begins."""
    return (container.start_time or 0) / av.time_base


def _packets(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[av.Packet]:
    """Packets up to the end, or to where the file is damaged or cut off."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        return


def _decoded(
    container: av.container.InputContainer, stream: av.stream.Stream, skip: Callable[[av.Packet], str] | None = None
) -> Iterator[av.AudioFrame | av.VideoFrame]:
    """Frames of one track in order of time; those that are damaged are left out, and those that libav is told to ``skip``."""
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    for packet in _packets(container, stream):
        if skip is not None:
            stream.codec_context.skip_frame = skip(packet)
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


# --- sound


def _countable(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Frames that ``to_ndarray`` reads rightly: PyAV 18 reads past the end of 8 or more channels in planes, so these are packed."""
    converter, form = None, None
    for frame in frames:
        if frame.layout.nb_channels < 8 or not frame.format.is_planar:
            yield frame
            continue
        if form != (form := _form(frame)):
            converter = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
        yield from converter.resample(frame)


def _mono(frames: Iterable[av.AudioFrame], name: str) -> Iterator[tuple[np.ndarray, int]]:
    """Samples of decoded frames in blocks of float32 (n,), and their rate in Hz.

    The mean is taken here: in floating point libswresample would mix stereo 3 dB louder, and it leaves out bass channels.
    """
    for _, block in groupby(enumerate(frames), key=lambda item: (item[0] // BLOCK_FRAMES, *_form(item[1]))):
        alike = [frame for _, frame in block]
        rate = _rate(alike[0].sample_rate, name)
        planar, channels = alike[0].format.is_planar, alike[0].layout.nb_channels
        joined = np.concatenate([frame.to_ndarray() for frame in alike], axis=1)  # (channels, n) planar, (1, n * channels) packed
        samples = _as_float(joined if planar else joined.reshape(-1, channels).T)
        yield samples.mean(axis=0), rate


def _form(frame: av.AudioFrame) -> tuple[str, str, int]:
    """What the numbers of a frame mean: frames of one form can be joined."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def _as_float(samples: np.ndarray) -> np.ndarray:
    """Samples of any integer or floating-point type as float32 with full scale 1, shape kept."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.nan_to_num(samples.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(np.iinfo(samples.dtype).max)
    if samples.dtype.kind == "u":  # silence is in the middle: 128 of uint8
        return (samples.astype(np.float32) - (largest + 1) / 2) / np.float32(largest / 2)
    return samples.astype(np.float32) / np.float32(largest)


def _rate(rate: int, name: str) -> int:
    if not isinstance(rate, (int, float, np.number)) or not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise InputError(f"{name} has a sample rate of {rate!r} Hz; it must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz.")
    return int(rate)


class Resampler:
    """Brings mono sound that comes in blocks, float32 (n,) at ``rate`` Hz, to ``SAMPLE_RATE``, without a seam between them."""

    def __init__(self, rate: int):
        self.rate = _rate(rate, "The sound")
        same = self.rate == SAMPLE_RATE
        self._inner = None if same else av.AudioResampler("fltp", "mono", SAMPLE_RATE, options=RESAMPLING)

    def add(self, samples: np.ndarray) -> np.ndarray:
        """What the next block, after those before it, comes to."""
        if self._inner is None or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis]), "fltp", "mono")
        frame.sample_rate = self.rate
        return _joined(self._inner.resample(frame))

    def end(self) -> np.ndarray:
        """What is still held back after the last block."""
        return _joined(self._inner.resample(None) if self._inner is not None else ())


def _joined(frames: Iterable[av.AudioFrame]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *(frame.to_ndarray()[0] for frame in frames)])


def _resampled(blocks: Iterable[tuple[np.ndarray, int]]) -> Iterator[np.ndarray]:
    """Mono blocks (samples, rate in Hz) at ``SAMPLE_RATE``; the rate may change on the way, as in joined ogg files."""
    resampler = Resampler(SAMPLE_RATE)
    for samples, rate in blocks:
        if rate != resampler.rate:
            yield resampler.end()
            resampler = Resampler(rate)
        yield resampler.add(samples)
    yield resampler.end()


def _limited(blocks: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
    """The same blocks as long as they keep to the limit: headers can lie, or say nothing."""
    length = 0
    for block in blocks:
        length += len(block)
        if length > MAX_DURATION_S * SAMPLE_RATE:
            raise _too_long(name, f"more than {MAX_DURATION_S}")
        yield block


def _bounded(samples: np.ndarray, name: str) -> np.ndarray:
    """Samples clipped to [-1, 1], float32."""
    if samples.size < MIN_DURATION_S * SAMPLE_RATE:
        raise _too_short(name, samples.size / SAMPLE_RATE)
    peak = max(samples.max(), -samples.min())
    if peak > MAX_PEAK:
        raise InputError(f"{name} reaches {peak:.0f}; full scale of floating-point samples is 1, and {MAX_PEAK:.0f} the limit.")
    return np.clip(samples, -1.0, 1.0, dtype=np.float32)


# --- video


def _packet_times(container: av.container.InputContainer) -> tuple[list[float], list[float]]:
    """Times in seconds of all frames, and of those that stand alone (key frames), without decoding any."""
    stream, start = _pictures(container), _start(container)
    tick = float(stream.time_base)
    times, keys = [], []
    for packet in _packets(container, stream):
        time = _packet_time(packet, tick, start)
        if time is None or packet.size == 0:
            continue
        times.append(time)
        if packet.is_keyframe and not packet.is_corrupt:
            keys.append(time)
    return times, keys


def _packet_time(packet: av.Packet, tick: float, start: float) -> float | None:
    """Seconds after ``start``. ``tick``: the track's time base in seconds, a float, as fractions cost more than reading the packet."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None else max(0.0, stamp * tick - start)


def _slot(time: float, interval: float) -> int:
    return int((time + 1e-3) / interval)  # 1 ms: webm and mkv round times to it


def _sampled(container: av.container.InputContainer, interval: float, wanted: set[float], skip: str) -> tuple[Frame, ...]:
    """The first frame in every stretch of ``interval`` seconds. Of packets that are not of the ``wanted`` times, libav may ``skip`` some."""
    stream, start = _pictures(container), _start(container)
    aspect, tick = float(stream.sample_aspect_ratio or 1), float(stream.time_base)
    stream.thread_type = "AUTO"
    frames, last = [], -1
    for frame in _decoded(container, stream, lambda packet: "DEFAULT" if _packet_time(packet, tick, start) in wanted else skip):
        time = max(0.0, frame.time - start) if frame.time is not None else 0.0
        if _slot(time, interval) > last and len(frames) < MAX_FRAMES:
            frames.append(Frame(time, _upright_rgb(frame, aspect)))
            last = _slot(time, interval)
    return tuple(frames)


def _upright_rgb(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    """uint8 RGB (h, w, 3) of at most ``FRAME_SIDE``, upright. ``aspect``: width of a pixel over its height."""
    width, height = _fitted(frame.width * aspect, frame.height, FRAME_SIDE)
    image = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
    return np.ascontiguousarray(np.rot90(image, k=round(frame.rotation / 90)))  # both count anticlockwise


def _fitted(width: float, height: float, side: int) -> tuple[int, int]:
    """Width and height scaled so that the longer is at most ``side``, never enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


# --- pictures


def _rgb(image: np.ndarray) -> np.ndarray:
    """A picture given as an array, checked, as (h, w, 3)."""
    if image.dtype != np.uint8:
        raise InputError(f"The picture's values are {image.dtype}; they must be uint8, 0 to 255.")
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise InputError(f"The picture has the shape {image.shape}; it must be (h, w), (h, w, 3) or (h, w, 4), and not empty.")
    _check_pixels("The picture", image.shape[1], image.shape[0])
    return np.repeat(image[:, :, np.newaxis], 3, axis=2) if image.ndim == 2 else image[:, :, :3]


def _picture(file: BinaryIO, name: str) -> np.ndarray:
    size = _picture_size(file, name)
    if size is None:
        raise InputError(f"{name} is not a png, jpg or webp picture.")
    _check_pixels(name, *size)
    # IMREAD_COLOR_RGB turns by EXIF, drops transparency, spreads grey and palettes and takes 16 bits down to 8.
    image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError(f"{name} cannot be decoded: it is damaged or cut off.")
    return image


def _picture_size(file: BinaryIO, name: str) -> tuple[int, int] | None:
    """Width and height by the header of a png, jpg or webp, so that any size can be refused unread; None for other files."""
    head = file.read(32)
    file.seek(0)
    try:
        if head.startswith(PNG):
            return struct.unpack(">II", head[16:24])
        if head.startswith(JPEG):
            return _jpeg_size(file)
        if head.startswith(RIFF) and head[8:12] == b"WEBP":
            return _webp_size(head)
    except struct.error as e:
        raise InputError(f"{name} cannot be decoded: the picture's header is damaged or cut off.") from e
    return None


def _webp_size(head: bytes) -> tuple[int, int]:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    if head[12:16] == b"VP8X":  # 24 bits each, less one
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":  # 14 bits each, less one
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", head[26:30])  # VP8: 14 bits each, above them how to scale
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    """Walks the segments up to the one that starts the frame (SOF0 to SOF15 less DHT, JPG and DAC), which holds the size."""
    file.seek(2)
    for _ in range(MAX_SEGMENTS):
        before, marker = struct.unpack("BB", file.read(2))
        if before != 0xFF:
            break
        if marker == 0xFF:  # padding before a marker
            file.seek(-1, os.SEEK_CUR)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", file.read(5))
            file.seek(0)
            return width, height
        file.seek(length - 2, os.SEEK_CUR)
    raise struct.error("no start of frame")
