"""What a file holds, from its header alone."""

from dataclasses import dataclass

from emotion.media.containers import container_of, duration_of, pictures_of, sound_of
from emotion.media.files import Source, name_of, opened
from emotion.media.limits import check_pixels
from emotion.media.pictures import picture_size


@dataclass(frozen=True)
class Probe:
    """What a file holds.

    Attributes
    ----------
    kind : str
        "audio", "video" or "image".
    has_audio, has_video : bool
        Whether it has a sound track, and moving pictures.
    duration : float or None
        Seconds; None of an image, and where the header has none.
    """

    kind: str
    has_audio: bool
    has_video: bool
    duration: float | None


def probe(path: Source) -> Probe:
    """What a file holds, from its header alone. Takes milliseconds, whatever its length.

    Parameters
    ----------
    path : str, path or OpenFile

    Returns
    -------
    Probe
        Of a file that may still fail to decode.

    Raises
    ------
    InputError
        For what is missing, empty or not media, and for more than MAX_FILE_BYTES, MAX_DURATION_S or MAX_PIXELS.
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
