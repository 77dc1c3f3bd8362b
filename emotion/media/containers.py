"""Audio and video containers, opened by PyAV, and their streams.

PyAV carries its own libav, so nothing but ``pip`` is needed to read wav, mp3, flac, ogg, m4a, webm, mp4, mov, mkv and avi. The
format of a file is read from its bytes, never from its name, and a file cannot make libav open another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal, overload

import av
from av.stream import Disposition

from emotion.media import limits
from emotion.media.limits import check_duration, check_pixels
from emotion.messages import InputError

# Demuxers that libav may use. Playlists and scripts (hls, concat, sdp, image2 ...) name other files and are not among them.
CONTAINERS = "wav,w64,aiff,mp3,aac,flac,ogg,mov,matroska,avi"
# Frames that libav need not decode: hardly any, those that no other is made from, or all but key frames.
Skip = Literal["DEFAULT", "NONREF", "NONKEY"]
ESTIMATED = {"mp3", "aac"}  # containers without a duration, for which libav guesses one from the first bit rate it sees


@contextmanager
def container_of(file: BinaryIO, name: str) -> Iterator[av.container.InputContainer]:
    """An open audio or video file within the limits that its header shows."""
    try:
        container = av.open(
            file,
            "r",
            options={"max_pixels": str(limits.MAX_PIXELS)},  # of cover pictures too, which libav decodes to learn their format
            container_options={"format_whitelist": CONTAINERS, "protocol_whitelist": ""},
            io_open=_refuse,
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError) as e:
        raise InputError("media_unreadable", file=name) from e
    with container:
        pictures = pictures_of(container)
        if sound_of(container) is None and pictures is None:
            raise InputError("media_without_tracks", file=name)
        check_duration(name, duration_of(container) or 0.0, pictures is not None)
        if pictures is not None:
            check_pixels(name, pictures.codec_context.width, pictures.codec_context.height)
            if pictures.codec_context.width == 0:  # what libav leaves of a size that is over its max_pixels
                raise InputError("frame_size_unknown", file=name, limit=limits.MAX_PIXELS / 1e6)
        yield container


def _refuse(url: str, flags: int, options: dict) -> None:
    """Called by libav when a file's content names another file or an address to read."""
    raise PermissionError("a media file may not open another")


def sound_of(container: av.container.InputContainer) -> av.AudioStream | None:
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def pictures_of(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video track; the cover picture of a song is none."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    tracks = (stream for stream in container.streams.video if not stream.disposition & still)
    return next((stream for stream in tracks if stream.codec_context is not None), None)


def duration_of(container: av.container.InputContainer) -> float | None:
    """Seconds by the header, or None."""
    if container.duration is None or container.format.name in ESTIMATED:
        return None
    return container.duration / av.time_base


def start_of(container: av.container.InputContainer) -> float:
    """The time, in seconds, at which the earliest track begins."""
    return (container.start_time or 0) / av.time_base


def packets(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[av.Packet]:
    """Packets up to the end, or to where the file is damaged or cut off. Raises InputError for more than MAX_PACKETS."""
    try:
        for count, packet in enumerate(container.demux(stream)):
            if count > limits.MAX_PACKETS:
                raise InputError("too_many_packets", limit=limits.MAX_PACKETS)
            yield packet
    except av.FFmpegError:
        return


@overload
def decoded(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]: ...


@overload
def decoded(
    container: av.container.InputContainer, stream: av.VideoStream, skip: Callable[[av.Packet], Skip]
) -> Iterator[av.VideoFrame]: ...


def decoded(
    container: av.container.InputContainer,
    stream: av.AudioStream | av.VideoStream,
    skip: Callable[[av.Packet], Skip] | None = None,
) -> Iterator[av.AudioFrame | av.VideoFrame]:
    """Frames of one track in order of time, without those that are damaged and those that libav may ``skip``."""
    stream.codec_context.options = {"max_pixels": str(limits.MAX_PIXELS)}
    for packet in packets(container, stream):
        if skip is not None:
            stream.codec_context.skip_frame = skip(packet)
        try:
            yield from stream.decode(packet)
        except av.FFmpegError:
            continue
