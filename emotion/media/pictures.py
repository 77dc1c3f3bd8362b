"""Pictures: png, jpg and webp, whose size is known before they are decoded."""

import os
import struct
from io import BytesIO
from typing import BinaryIO

import cv2
import numpy as np

from emotion.media import limits
from emotion.media.files import OpenFile, Source, array_of, name_of, opened
from emotion.media.limits import Name, check_pixels
from emotion.messages import InputError, Message
from emotion.readings import Frame

MAX_SEGMENTS = 10_000  # before the size of a jpg; cameras write 10 to 30
PNG, JPEG, RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"
THE_PICTURE = Message("the_picture")  # which came in no file


def decode_image(source: Source | bytes | np.ndarray) -> Frame:
    """A picture, decoded.

    Parameters
    ----------
    source : str, path, OpenFile, bytes, or uint8 ndarray of shape (h, w), (h, w, 3) or (h, w, 4)
        A png, jpg or webp file, its content, or grey, RGB or RGBA. Transparency is dropped.

    Returns
    -------
    Frame
        At time 0: uint8 RGB of shape (h, w, 3), upright, the longer side at most IMAGE_SIDE pixels.

    Raises
    ------
    InputError
        For anything else, for more than MAX_PIXELS, and for what cannot be decoded.
    """
    if isinstance(source, bytes):
        image = _picture(BytesIO(source), THE_PICTURE)
    elif isinstance(source, (str, os.PathLike, OpenFile)):
        with opened(source) as file:
            image = _picture(file, name_of(source))
    else:
        image = _rgb(array_of(source, THE_PICTURE))
    width, height = fitted(image.shape[1], image.shape[0], limits.IMAGE_SIDE)
    if (height, width) != image.shape[:2]:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return Frame(0.0, np.ascontiguousarray(image))


def fitted(width: float, height: float, side: int) -> tuple[int, int]:
    """Width and height scaled so that the longer is at most ``side``, never enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _rgb(image: np.ndarray) -> np.ndarray:
    """A picture given as an array, checked, as (h, w, 3)."""
    if image.dtype != np.uint8:
        raise InputError("picture_type", type=image.dtype)
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise InputError("picture_shape", shape=str(image.shape))
    check_pixels(THE_PICTURE, image.shape[1], image.shape[0])
    return np.repeat(image[:, :, np.newaxis], 3, axis=2) if image.ndim == 2 else image[:, :, :3]


def _picture(file: BinaryIO, name: Name) -> np.ndarray:
    size = picture_size(file, name)
    if size is None:
        raise InputError("not_a_picture", file=name)
    check_pixels(name, *size)
    # IMREAD_COLOR_RGB turns by EXIF, drops transparency, spreads grey and palettes and takes 16 bits down to 8.
    image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError("picture_damaged", file=name)
    return image


def picture_size(file: BinaryIO, name: Name) -> tuple[int, int] | None:
    """Width and height by the header of a png, jpg or webp, so that any size can be refused unread; None for other files."""
    head = file.read(32)
    file.seek(0)
    try:
        if head.startswith(PNG):
            return struct.unpack(">II", head[16:24])
        if head.startswith(JPEG):
            return jpeg_size(file)
        if head.startswith(RIFF) and head[8:12] == b"WEBP":
            return _webp_size(head)
    except struct.error as e:
        raise InputError("picture_header_damaged", file=name) from e
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


def jpeg_size(file: BinaryIO) -> tuple[int, int]:
    """Width and height of a jpg. Raises struct.error where its header is damaged.

    Walks the segments up to the one that starts the frame (SOF0 to SOF15 less DHT, JPG and DAC), which holds the size.
    """
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
