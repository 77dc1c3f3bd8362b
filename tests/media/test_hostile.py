"""Files that are made to do harm. Every one is answered or refused, from its content, in a process of its own."""

import io
import os
import struct
import zipfile
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import soundfile

from emotion import media
from emotion.media import limits
from emotion.messages import InputError
from tests.clips import ASTRONAUT, GLAD

DECODERS = (media.probe, media.decode_audio, media.decode_frames, media.decode_image)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """Grey, black."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


# --- bombs


def test_a_picture_that_unfolds_is_bounded_by_its_pixels(decoded, refused, tmp_path):
    path = tmp_path / "a.png"
    deflate = zlib.compressobj(9)
    rows = b"".join(deflate.compress(bytes(6001)) for _ in range(6000)) + deflate.flush()
    path.write_bytes(png(6000, 6000, chunk(b"IDAT", rows)))
    assert path.stat().st_size < 50_000
    assert decoded(media.decode_image, path).image.shape == (1280, 1280, 3)
    path.write_bytes(png(7000, 7000, chunk(b"IDAT", rows)))
    assert refused(media.decode_image, path) == "picture_too_large"
    text = b"a\0\0" + zlib.compress(bytes(200 * 2**20), 9)  # text that unfolds to a thousand times its size
    path.write_bytes(png(8, 8, *[chunk(b"zTXt", text)] * 3, chunk(b"IDAT", zlib.compress(bytes(72)))))
    assert decoded(media.decode_image, path).image.shape == (8, 8, 3)


@pytest.mark.parametrize("form, subtype", [("FLAC", "PCM_16"), ("OGG", "OPUS")])
def test_sound_that_unfolds_is_bounded_by_its_seconds(refused, tmp_path, form, subtype):
    path = tmp_path / "a"
    with soundfile.SoundFile(path, "w", 16_000, 1, subtype, format=form) as file:
        for _ in range(630):
            file.write(np.zeros(16_000, np.int16))
    assert path.stat().st_size < 700_000
    assert refused(media.decode_audio, path) == "audio_too_long"


@pytest.mark.parametrize("function", [media.decode_frames, media.decode_audio])
def test_a_track_of_too_many_pieces_is_refused(monkeypatch, video, function):
    monkeypatch.setattr(limits, "MAX_PACKETS", 20)
    with pytest.raises(InputError) as caught:
        function(video)
    assert caught.value.code == "too_many_packets"


def test_a_stream_that_goes_on_and_on_is_refused(refused, tmp_path):
    """A webm of unknown length whose end comes again and again."""
    path = tmp_path / "a.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        track = container.add_stream("libopus", rate=48_000, layout="mono")
        for i in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 960 * i, Fraction(1, 48_000)
            container.mux(track.encode(frame))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[-2000:] * 2000)
    assert refused(media.decode_audio, path) == "audio_too_long"


# --- what declares too much


@pytest.mark.parametrize("rate", [1, 999, 384_001, 2**32 - 1])
def test_absurd_rates(refused, tmp_path, rate):
    path = tmp_path / "a.wav"
    form = struct.pack("<HHIIHH", 1, 1, rate, min(rate * 2, 2**32 - 1), 2, 16)
    data = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 4000) + bytes(4000)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(data)) + data)
    code = refused(media.decode_audio, path)
    assert code in (
        "sample_rate_out_of_range",
        "audio_too_long",
        "media_unreadable",
        "sound_not_decodable",
        "media_without_tracks",
    )


@pytest.mark.parametrize("channels", [0, 65, 1000, 65_535])
def test_absurd_channels(decoded, tmp_path, channels):
    path = tmp_path / "a.wav"
    width = max(1, 2 * channels)
    form = struct.pack("<HHIIHH", 1, channels, 16_000, 16_000 * width, width % 2**16, 16)
    content = bytes(16_000 * min(width, 200))
    data = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(content)) + content
    path.write_bytes(b"RIFF" + struct.pack("<I", len(data)) + data)
    try:
        assert decoded(media.decode_audio, path).ndim == 1
    except InputError as refusal:
        assert refusal.code != "decoder_failed"


# --- what is something else


def test_what_a_file_is_counts_and_not_what_it_is_called(decoded, tmp_path):
    (tmp_path / "a.wav").write_bytes(ASTRONAUT.read_bytes())
    (tmp_path / "a.jpg").write_bytes(GLAD.read_bytes())
    assert decoded(media.probe, tmp_path / "a.wav").kind == "image"
    assert decoded(media.probe, tmp_path / "a.jpg").kind == "audio"


def test_archives_documents_and_programs_are_refused(refused, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.wav", bytes(10**7))
    for content in (
        archive.getvalue(),
        b"%PDF-1.7\n" + bytes(1000),
        b"\x1f\x8b\x08" + bytes(1000),
        b"\x7fELF\x02\x01\x01" + bytes(1000),
        b"MZ" + bytes(1000),
        b"GIF89a\x10\x00\x10\x00" + bytes(1000),
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"<html><script>alert(1)</script></html>",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    ):
        (tmp_path / "a.mp4").write_bytes(content)
        assert {refused(function, tmp_path / "a.mp4") for function in DECODERS} <= {"media_unreadable", "not_a_picture"}


def test_a_polyglot_is_what_its_first_bytes_say(decoded, refused, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("run.py", "raise SystemExit")
    path = tmp_path / "a.zip"
    path.write_bytes(ASTRONAUT.read_bytes() + archive.getvalue() + b"<script>alert(1)</script>")
    assert zipfile.is_zipfile(path)
    assert np.array_equal(decoded(media.decode_image, path).image, media.decode_image(ASTRONAUT).image)
    assert refused(media.decode_audio, path) == "media_unreadable"


def test_a_film_that_names_another_file_opens_none(refused, tmp_path, video):
    """A QuickTime film may keep its samples elsewhere: the data reference of a track then is a path or an address."""
    soundfile.write(tmp_path / "secret.wav", *soundfile.read(GLAD))
    whole = video.read_bytes()
    own = struct.pack(">I4sI", 12, b"url ", 1)  # flag 1: in this very file
    assert whole.count(own) == 2
    for address in (f"file://{tmp_path}/secret.wav", "http://127.0.0.1:9/secret.wav"):
        there = address.encode() + b"\0"
        (tmp_path / "a.mov").write_bytes(whole.replace(own, struct.pack(">I4sI", 12 + len(there), b"url ", 0) + there))
        for function in (media.decode_audio, media.decode_frames):
            assert refused(function, tmp_path / "a.mov")


# --- names


@pytest.mark.parametrize(
    "name, called",
    [
        ("../../etc/passwd", "passwd"),
        ("a\nb.wav", "a\ufffdb.wav"),
        ("a\x1b[31m.wav", "a\ufffd[31m.wav"),
        ("abc\u202egnp.wav", "abc\ufffdgnp.wav"),  # turns the direction: shown as abcvaw.png
        ("a\u200bb\ufeff.wav", "a\ufffdb\ufffd.wav"),
        (os.fsdecode(b"a\xff.wav"), "a\ufffd.wav"),
        ("=1+1|cmd.wav", "=1+1|cmd.wav"),
        ("<b>ж 你.wav", "<b>ж 你.wav"),
    ],
)
def test_a_name_is_told_without_its_folder_and_without_marks_that_are_not_seen(tmp_path, name, called):
    with pytest.raises(InputError) as caught:
        media.probe(tmp_path / name)
    assert caught.value.fields["file"] == called
    str(caught.value).encode()


def test_damaged_pictures_leave_nothing_behind(decoded, tmp_path):
    whole = cv2.imencode(".webp", cv2.imread(str(ASTRONAUT)))[1].tobytes()
    for length in range(0, len(whole), len(whole) // 20):
        (tmp_path / "a.webp").write_bytes(whole[:length] + bytes(64))
        try:
            assert decoded(media.decode_image, tmp_path / "a.webp").image.ndim == 3
        except InputError as refusal:
            assert refusal.code != "decoder_failed"
