"""What a file holds, from its header alone."""

import os
from dataclasses import dataclass

from emotion.media.containers import container_of, duration_of, pictures_of, sound_of
from emotion.media.files import name_of, opened
from emotion.media.limits import check_pixels
from emotion.media.pictures import picture_size


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
    name = name_of(path)
    with opened(path) as file:
        size = picture_size(file, name)
        if size is not None:
            check_pixels(name, *size)
            return Probe("image", has_audio=False, has_video=False, duration=None)
        with container_of(file, name) as container:
            sound, pictures = sound_of(container), pictures_of(container)
            kind = "video" if pictures is not None else "audio"
            return Probe(kind, has_audio=sound is not None, has_video=pictures is not None, duration=duration_of(container))
