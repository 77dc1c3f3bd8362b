"""Frames of a video, evenly spaced over its length."""

import av
import numpy as np

from emotion.media import limits
from emotion.media.containers import Skip, container_of, decoded, packets, pictures_of, start_of
from emotion.media.files import Source, name_of, opened
from emotion.media.limits import check_duration
from emotion.media.pictures import fitted
from emotion.messages import InputError
from emotion.readings import Frame


def decode_frames(path: Source) -> tuple[Frame, ...]:
    """Frames of a video, evenly spaced over its length: FRAME_RATE a second, or fewer, so that they are at most MAX_FRAMES.

    A damaged or cut-off file gives what can be decoded. No duration is needed in the header: browsers write none.

    Parameters
    ----------
    path : str, path or OpenFile
        Of a webm, mp4, mov, mkv or avi file, whatever its name.

    Returns
    -------
    tuple of Frame
        In order of time, in seconds from where the file begins; uint8 RGB of shape (h, w, 3), upright, the longer side at most
        FRAME_SIDE pixels.

    Raises
    ------
    InputError
        Where there are no moving pictures or none can be decoded, for more than MAX_DURATION_S, and for what ``probe`` refuses.
    """
    name = name_of(path)
    with opened(path) as file:
        with container_of(file, name) as container:
            times, keys = _packet_times(container, _track(container, name))
        end = max(times, default=0.0)
        check_duration(name, end, pictures=True)
        skip: Skip
        interval = max(1 / limits.FRAME_RATE, end / (limits.MAX_FRAMES - 0.5))  # so that the last frame still has a slot
        firsts = {_slot(time, interval): time for time in sorted(times, reverse=True)}
        if {_slot(time, interval) for time in keys} == firsts.keys():
            # Every slot has a frame that stands alone: decoding only those takes seconds for 10 minutes of video.
            wanted, skip = set[float](), "NONKEY"
        else:
            # What no other frame is made from need not be decoded where it is not wanted: up to half of a file with B-frames.
            wanted, skip = set(firsts.values()), "NONREF"
        file.seek(0)
        with container_of(file, name) as container:
            frames = _sampled(container, _track(container, name), interval, wanted, skip)
    if not frames:
        raise InputError("video_not_decodable", file=name)
    return frames


def _track(container: av.container.InputContainer, name: str) -> av.VideoStream:
    """The video track. Raises InputError where there is none."""
    track = pictures_of(container)
    if track is None:
        raise InputError("no_video_track", file=name)
    return track


def _packet_times(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[list[float], list[float]]:
    """Times in seconds of all frames, and of those that stand alone (key frames), without decoding any."""
    start, tick = start_of(container), _tick(stream)
    times, keys = [], []
    for packet in packets(container, stream):
        time = _packet_time(packet, tick, start)
        if time is None or packet.size == 0:
            continue
        times.append(time)
        if packet.is_keyframe and not packet.is_corrupt:
            keys.append(time)
    return times, keys


def _tick(stream: av.VideoStream) -> float:
    """Its time base in seconds: a float, as fractions cost more than reading a packet."""
    return float(stream.time_base or 0)


def _packet_time(packet: av.Packet, tick: float, start: float) -> float | None:
    """Seconds after ``start``."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None else max(0.0, stamp * tick - start)


def _slot(time: float, interval: float) -> int:
    return int((time + 1e-3) / interval)  # 1 ms: webm and mkv round times to it


def _sampled(
    container: av.container.InputContainer, stream: av.VideoStream, interval: float, wanted: set[float], skip: Skip
) -> tuple[Frame, ...]:
    """The first frame in every slot of ``interval`` seconds. Libav may ``skip`` packets at other than the ``wanted`` times."""
    start, aspect, tick = start_of(container), float(stream.sample_aspect_ratio or 1), _tick(stream)
    stream.thread_type = "AUTO"
    frames: list[Frame] = []
    last = -1
    for frame in decoded(container, stream, lambda packet: "DEFAULT" if _packet_time(packet, tick, start) in wanted else skip):
        time = max(0.0, frame.time - start) if frame.time is not None else 0.0
        if _slot(time, interval) > last and len(frames) < limits.MAX_FRAMES:
            frames.append(Frame(time, _upright_rgb(frame, aspect)))
            last = _slot(time, interval)
    return tuple(frames)


def _upright_rgb(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    """uint8 RGB (h, w, 3) of at most ``FRAME_SIDE``, upright. ``aspect``: width of a pixel over its height."""
    width, height = fitted(frame.width * aspect, frame.height, limits.FRAME_SIDE)
    image = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
    return np.ascontiguousarray(np.rot90(image, k=round(frame.rotation / 90)))  # both count anticlockwise
