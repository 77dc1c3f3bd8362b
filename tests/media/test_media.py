"""Facts about decoded media. Every file is made here, by soundfile, PyAV, OpenCV or byte by byte."""

import contextlib
import os
import struct
import time
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import soundfile

from emotion import media
from emotion.media import containers, limits, video
from emotion.messages import InputError
from emotion.sound import SAMPLE_RATE

TONE_HZ, AMPLITUDE, SECONDS = 440, 0.5, 2
WAV = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


def tone(rate=48_000, hz=TONE_HZ, seconds=SECONDS, amplitude=AMPLITUDE):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def level_db(samples):
    """RMS of the middle relative to a sine of AMPLITUDE, in dB."""
    middle = samples[2000:-2000].astype(np.float64)
    return 20 * np.log10(np.sqrt(np.mean(middle**2)) / (AMPLITUDE / np.sqrt(2)) + 1e-12)


def pitch_hz(samples):
    middle = samples[2000:-2000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * len(middle)))
    return spectrum.argmax() * SAMPLE_RATE / (8 * len(middle))


def assert_tone(samples, db=0.0, db_tolerance=0.1, seconds=SECONDS, seconds_tolerance=0.001):
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) / SAMPLE_RATE == pytest.approx(seconds, abs=seconds_tolerance)
    assert pitch_hz(samples) == pytest.approx(TONE_HZ, abs=1)
    assert level_db(samples) == pytest.approx(db, abs=db_tolerance)


def grey_frames(count, width=64, height=48):
    """Frames whose brightness tells their number, up to 100."""
    return [np.full((height, width, 3), 20 + 2 * i, np.uint8) for i in range(count)]


def write_media(path, images=(), fps=10, sound=None, vcodec="mpeg4", acodec="aac", rate=48_000, gop=None, delay=0.0, **options):
    """A file of frames (uint8 RGB) and mono sound, which begins ``delay`` seconds after the frames."""
    with av.open(str(path), "w", options=options) as container:
        if len(images):
            fast = {"deadline": "realtime", "cpu-used": "8"} if "vpx" in vcodec else {}
            video = container.add_stream(vcodec, rate=fps, options=fast)
            video.height, video.width = images[0].shape[:2]
            video.pix_fmt, video.bit_rate, video.gop_size = "yuv420p", 2_000_000, gop or fps
        if sound is not None:
            audio = container.add_stream(acodec, rate=rate, layout="mono")
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(video.encode(frame))
        if len(images):
            container.mux(video.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, round(delay * rate), Fraction(1, rate)
            size = audio.codec_context.frame_size
            converter = av.AudioResampler(audio.codec_context.format, "mono", audio.codec_context.sample_rate, frame_size=size)
            for part in [*converter.resample(frame), *converter.resample(None)]:
                container.mux(audio.encode(part))
            container.mux(audio.encode(None))
    return path


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def wav_header(seconds, rate=8_000, width=1):
    size = seconds * rate * width
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * width, width, 8 * width)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)


def sparse(path, start, size):
    path.write_bytes(start)
    os.truncate(path, size)
    return path


# --- sound


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("subtype", WAV)
def test_wav_of_any_rate_channels_and_sample_type(tmp_path, rate, channels, subtype):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(rate)] * channels, axis=1), rate, subtype=subtype)
    assert_tone(media.decode_audio(tmp_path / "a.wav"))


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.aiff"])
def test_other_sound_formats(tmp_path, rate, channels, name):
    soundfile.write(tmp_path / name, np.stack([tone(rate)] * channels, axis=1), rate)
    assert media.probe(tmp_path / name).kind == "audio"
    assert_tone(media.decode_audio(tmp_path / name), db_tolerance=0.3, seconds_tolerance=0.06)


@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize("form", ["FLAC", "OGG"])  # packed samples and planes
def test_surround_sound(tmp_path, channels, form):
    soundfile.write(tmp_path / "a", np.stack([tone()] * channels, axis=1), 48_000, format=form)
    bass = 20 * np.log10(5 / 6) if (form, channels) == ("OGG", 6) else 0  # libvorbis keeps no 440 Hz in the bass channel of 5.1
    assert_tone(media.decode_audio(tmp_path / "a"), db=bass, db_tolerance=0.3)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_ogg_opus(tmp_path, rate):
    soundfile.write(tmp_path / "a.ogg", tone(rate), rate, format="OGG", subtype="OPUS")
    assert_tone(media.decode_audio(tmp_path / "a.ogg"), db_tolerance=0.3)


@pytest.mark.parametrize(
    "name, vcodec, acodec",
    [
        ("a.m4a", None, "aac"),
        ("a.webm", None, "libopus"),
        ("a.mp4", "libx264", "aac"),
        ("a.mov", "mpeg4", "aac"),
        ("a.mkv", "libx264", "libmp3lame"),
        ("a.avi", "mpeg4", "libmp3lame"),
        ("v.webm", "libvpx", "libopus"),
        ("9.webm", "libvpx-vp9", "libopus"),
    ],
)
def test_sound_and_frames_of_containers(tmp_path, name, vcodec, acodec):
    images = grey_frames(20) if vcodec else []
    path = write_media(tmp_path / name, images, sound=tone(), vcodec=vcodec, acodec=acodec)
    found = media.probe(path)
    assert (found.kind, found.has_audio, found.has_video) == ("video" if vcodec else "audio", True, bool(vcodec))
    assert found.duration == pytest.approx(SECONDS, abs=0.15)
    assert_tone(media.decode_audio(path), db_tolerance=0.5, seconds_tolerance=0.1)  # LAME turns all sound down by 0.45 dB
    if vcodec:
        frames = media.decode_frames(path)[:10]  # avi holds no times but a count of frames, and mpeg4 encodes with a delay of one
        assert [frame.time for frame in frames] == pytest.approx(np.arange(0, SECONDS, 0.2), abs=0.002)
        assert [frame.image.mean() for frame in frames] == pytest.approx(20 + 4 * np.arange(10), abs=4)


def test_channels_are_averaged(tmp_path):
    silent = np.zeros_like(tone())
    soundfile.write(tmp_path / "a.wav", np.stack([tone(), silent], axis=1), 48_000)
    assert_tone(media.decode_audio(tmp_path / "a.wav"), db=-6.02)
    soundfile.write(tmp_path / "b.wav", np.stack([tone(), -tone()], axis=1), 48_000)
    assert np.abs(media.decode_audio(tmp_path / "b.wav")).max() < 1e-3


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_nothing_above_8_khz_comes_out_below(rate):
    assert level_db(media.from_samples(tone(rate, hz=9_000), rate)) < -60
    assert level_db(media.from_samples(tone(rate, hz=7_500), rate)) == pytest.approx(0, abs=0.5)


def test_resampling_moves_nothing_in_time():
    for rate in (8_000, 44_100, 48_000):
        click = np.zeros(rate, np.float32)
        click[rate // 2] = 1
        assert media.from_samples(click, rate).argmax() == SAMPLE_RATE // 2


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_arrays_of_any_type(dtype, channels):
    samples = tone(16_000).astype(np.float64)
    if dtype.startswith("uint"):
        samples = (samples + 1) / 2 * np.iinfo(dtype).max
    elif dtype.startswith("int"):
        samples = samples * np.iinfo(dtype).max
    samples = samples.astype(dtype)
    samples = np.stack([samples] * channels, axis=1) if channels else samples
    decoded = media.from_samples(samples, 16_000)
    assert_tone(decoded)
    assert abs(decoded.mean()) < 0.01


def test_an_array_and_its_file_give_the_same(tmp_path):
    samples = (tone(44_100) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 44_100)
    assert media.from_samples(samples, 44_100) == pytest.approx(media.decode_audio(tmp_path / "a.wav"), abs=1e-4)


def test_full_scale_stays_within_bounds():
    loud = media.from_samples(np.array([-32768, 32767] * 8_000, np.int16), 16_000)
    assert loud.min() == -1 and loud.max() == 1
    square = np.sign(tone(48_000)) * np.float32(1.5)  # rings beyond full scale when resampled
    assert np.abs(media.from_samples(square, 48_000)).max() == 1


def test_numbers_that_are_none_count_as_silence(tmp_path):
    samples = tone(16_000)
    samples[8_000:8_100] = np.nan
    samples[9_000], samples[9_001] = np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    for decoded in (media.from_samples(samples, 16_000), media.decode_audio(tmp_path / "a.wav")):
        assert np.isfinite(decoded).all() and not decoded[8_000:8_100].any() and not decoded[9_000:9_002].any()


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_numbers_too_large_to_add_up_are_refused_as_too_loud(tmp_path, rate):
    samples = np.full((rate, 2), 3e38, np.float32)
    samples[::7] *= -1
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    for decode in (lambda: media.from_samples(samples, rate), lambda: media.decode_audio(tmp_path / "a.wav")):
        with pytest.raises(InputError, match="full scale"):
            decode()


@pytest.mark.parametrize(
    "samples, rate, words",
    [
        (np.zeros(0, np.int16), 16_000, "empty"),
        (np.zeros(500), 16_000, "0.031 s.* least is 0.1 s"),
        (np.zeros((2, 16_000)), 16_000, r"\(2, 16000\).*\(n, channels\)"),
        (np.zeros((10, 2, 2)), 16_000, r"\(10, 2, 2\)"),
        (np.float32(1), 16_000, r"shape \(\)"),
        (np.zeros(16_000), 999, "999 Hz.*1,000 to 384,000"),
        (np.zeros(16_000), 400_000, "400,000 Hz.*1,000 to 384,000"),
        (np.zeros(16_000), float("nan"), "nan Hz"),
        (np.zeros(16_000), None, "None Hz"),
        (np.zeros(601_000, np.int16), 1_000, "601 s of sound; the limit is 600 s"),
        (np.zeros(16_000, complex), 16_000, "complex128"),
        (np.zeros(16_000, bool), 16_000, "bool"),
        (None, 16_000, "object"),
        ([[1.0], [1.0, 2.0]], 16_000, "list"),
        (tone(16_000) * 32767, 16_000, "reaches 16,384; full scale.*is 1"),
    ],
)
def test_arrays_that_are_no_sound(samples, rate, words):
    with pytest.raises(InputError, match=words):
        media.from_samples(samples, rate)


def test_a_late_sound_track_keeps_its_place(tmp_path):
    path = write_media(tmp_path / "a.mp4", grey_frames(30), sound=tone(seconds=1), delay=1.5)
    samples = media.decode_audio(path)
    assert np.flatnonzero(np.abs(samples) > 0.1)[0] / SAMPLE_RATE == pytest.approx(1.5, abs=0.06)


# --- video


@pytest.mark.parametrize("gop", [10, 1000], ids=["many key frames", "one key frame"])
def test_a_long_video_is_sampled_evenly_over_its_whole_length(tmp_path, gop):
    # 75 s at 10 frames/s in a minute's worth of slots: brightness rises by 1 every 0.5 s
    images = [np.full((32, 48, 3), 20 + i // 5, np.uint8) for i in range(750)]
    frames = media.decode_frames(write_media(tmp_path / "a.mkv", images, gop=gop, vcodec="libx264"))
    times = np.array([frame.time for frame in frames])
    assert len(frames) == media.MAX_FRAMES
    assert times[0] == 0 and times[-1] > 73
    assert np.diff(times) == pytest.approx(75 / 60, abs=1.0 if gop == 10 else 0.15)
    assert [frame.image.mean() for frame in frames] == pytest.approx(20 + times * 2, abs=4)


def test_what_is_not_sampled_is_not_decoded_where_nothing_is_made_from_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pattern = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120))
    path = write_media(tmp_path / "a.mp4", [np.roll(pattern, 3 * i, axis=1) for i in range(60)], 30, vcodec="libx264", gop=1000)
    some, decoded = decoded_frames(path, monkeypatch)
    every, all_decoded = decoded_frames(path, monkeypatch, skipping=False)
    assert all_decoded == 60 and decoded < 50
    assert [frame.time for frame in some] == [frame.time for frame in every]
    assert all((one.image == other.image).all() for one, other in zip(some, every, strict=True))


def decoded_frames(path, monkeypatch, skipping=True):
    """The sampled frames, and how many were decoded for them."""
    decoded = []

    def counted(container, stream, skip):
        for frame in whole(container, stream, skip if skipping else None):
            decoded.append(frame.time)
            yield frame

    whole = containers.decoded
    with monkeypatch.context() as patch:
        patch.setattr(video, "decoded", counted)
        return media.decode_frames(path), len(decoded)


def test_a_recording_without_duration_and_without_its_end(tmp_path):
    path = write_media(tmp_path / "a.webm", grey_frames(50), sound=tone(seconds=5), vcodec="libvpx", acodec="libopus", live="1")
    assert media.probe(path) == media.Probe("video", has_audio=True, has_video=True, duration=None)
    assert len(media.decode_frames(path)) == 25
    assert_tone(media.decode_audio(path), seconds=5, db_tolerance=0.3, seconds_tolerance=0.05)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    assert media.probe(path).duration is None
    assert 10 <= len(media.decode_frames(path)) <= 24
    assert 2 * SAMPLE_RATE < len(media.decode_audio(path)) < 5 * SAMPLE_RATE


def test_duration_is_limited_where_the_header_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_DURATION_S", 3)
    path = write_media(tmp_path / "a.webm", grey_frames(50), sound=tone(seconds=5), vcodec="libvpx", acodec="libopus", live="1")
    soundfile.write(tmp_path / "a.mp3", tone(seconds=5), 48_000)
    for decode, file in ((media.decode_audio, path), (media.decode_frames, path), (media.decode_audio, tmp_path / "a.mp3")):
        with pytest.raises(InputError, match="the limit is 3 s"):
            decode(file)


@pytest.mark.parametrize(
    "matrix, corner",
    [
        ((1, 0, 0, 1), "upper left"),
        ((0, 1, -1, 0), "upper right"),  # a quarter turn clockwise, as phones held upright write it
        ((-1, 0, 0, -1), "lower right"),
        ((0, -1, 1, 0), "lower left"),
    ],
)
def test_video_is_turned_as_the_camera_was_held(tmp_path, matrix, corner):
    image = np.zeros((48, 96, 3), np.uint8)
    image[:16, :32] = 255
    path = write_media(tmp_path / "a.mp4", [image] * 5)
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    at = data.index(b"tkhd") + 44  # version, flags, 5 numbers, 8 reserved bytes, layer, group, volume, 2 reserved bytes
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    decoded = media.decode_frames(path)[0].image
    assert decoded.shape == ((48, 96, 3) if corner in ("upper left", "lower right") else (96, 48, 3))
    bright = {
        "upper left": decoded[4, 4],
        "upper right": decoded[4, -5],
        "lower left": decoded[-5, 4],
        "lower right": decoded[-5, -5],
    }
    assert {name for name, pixel in bright.items() if pixel.mean() > 128} == {corner}


@pytest.mark.parametrize("vcodec", ["mpeg4", "libx264", "libvpx"])
def test_video_colours_are_rgb(tmp_path, vcodec):
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, :32], image[:, 32:64], image[:, 64:] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    decoded = media.decode_frames(write_media(tmp_path / "a.mkv", [image] * 5, vcodec=vcodec))[0].image
    assert decoded.dtype == np.uint8
    assert decoded[24, [16, 48, 80]].astype(int) == pytest.approx(image[24, [16, 48, 80]].astype(int), abs=16)


def test_large_video_frames_are_scaled_down(tmp_path):
    path = write_media(tmp_path / "a.mp4", [np.full((720, 1280, 3), 90, np.uint8)] * 3)
    assert media.decode_frames(path)[0].image.shape == (360, 640, 3)


def test_the_cover_of_a_song_is_no_video(tmp_path):
    soundfile.write(tmp_path / "a.mp3", tone(), 48_000)
    picture = b"\0image/png\0\3\0" + png_header(64, 64)
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    tag = b"ID3\3\0\0" + bytes([0, 0, len(frame) >> 7, len(frame) & 127]) + frame
    (tmp_path / "b.mp3").write_bytes(tag + (tmp_path / "a.mp3").read_bytes())
    with av.open(str(tmp_path / "b.mp3")) as container:
        assert len(container.streams.video) == 1
    assert media.probe(tmp_path / "b.mp3") == media.Probe("audio", has_audio=True, has_video=False, duration=None)
    assert_tone(media.decode_audio(tmp_path / "b.mp3"), db_tolerance=0.3, seconds_tolerance=0.06)


# --- pictures


def halves(height=60, width=100):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = (230, 40, 20), (20, 40, 230)
    return image


@pytest.mark.parametrize("extension", ["png", "jpg", "webp"])
def test_pictures(tmp_path, extension):
    path = tmp_path / "no extension tells"
    path.write_bytes(cv2.imencode(f".{extension}", halves()[:, :, ::-1])[1].tobytes())
    assert media.probe(path) == media.Probe("image", has_audio=False, has_video=False, duration=None)
    frame = media.decode_image(path)
    assert frame.time == 0 and frame.image.dtype == np.uint8 and frame.image.shape == (60, 100, 3)
    assert frame.image[30, [10, 90]].astype(int) == pytest.approx(halves()[30, [10, 90]].astype(int), abs=12)


def test_photos_are_turned_by_exif(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: turn clockwise
    jpg = cv2.imencode(".jpg", halves()[:, :, ::-1])[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(jpg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpg[2:])
    image = media.decode_image(tmp_path / "a.jpg").image
    assert image.shape == (100, 60, 3)
    assert image[5, 30, 0] > 200 and image[-5, 30, 2] > 200


def test_pictures_of_other_depths(tmp_path):
    bgr = halves()[:, :, ::-1]
    grey = np.full((60, 100), 77, np.uint8)
    alpha = np.dstack([bgr, np.full((60, 100), 200, np.uint8)])
    for name, values, expected in (
        ("grey.png", grey, (77, 77, 77)),
        ("grey16.png", grey.astype(np.uint16) * 257, (77, 77, 77)),
        ("rgb16.png", bgr.astype(np.uint16) * 257, (230, 40, 20)),
        ("alpha.png", alpha, (230, 40, 20)),
        ("alpha.webp", alpha, (230, 40, 20)),
    ):
        cv2.imwrite(str(tmp_path / name), values)
        image = media.decode_image(tmp_path / name).image
        assert image.shape == (60, 100, 3) and image.dtype == np.uint8
        assert image[30, 10].astype(int) == pytest.approx(expected, abs=12), name


def test_picture_arrays():
    assert (media.decode_image(halves()).image == halves()).all()
    assert (media.decode_image(np.dstack([halves(), halves()[:, :, 0]])).image == halves()).all()
    assert (media.decode_image(np.full((4, 5), 9, np.uint8)).image == np.full((4, 5, 3), 9)).all()
    assert media.decode_image(np.zeros((500, 2560, 3), np.uint8)).image.shape == (250, 1280, 3)


@pytest.mark.parametrize(
    "values, words",
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.broadcast_to(np.uint8(0), (12_000, 12_000, 3)), "144 million pixels; the limit is 40"),
        (None, "object"),
    ],
)
def test_arrays_that_are_no_picture(values, words):
    with pytest.raises(InputError, match=words):
        media.decode_image(values)


# --- refusals

DECODERS = (media.probe, media.decode_audio, media.decode_frames, media.decode_image)


def assert_refused(path, words, functions=DECODERS, seconds=0.5):
    for function in functions:
        start = time.process_time()  # not the clock: other programs may keep the machine busy
        with pytest.raises(InputError, match=words) as caught:
            function(path)
        assert time.process_time() - start < seconds
        assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_what_is_no_file(tmp_path):
    (tmp_path / "empty.wav").touch()
    os.mkfifo(tmp_path / "pipe.wav")
    assert_refused(tmp_path / "none.wav", "none.wav does not exist")
    assert_refused(tmp_path, "is not a file")
    assert_refused(tmp_path / "pipe.wav", "pipe.wav is not a file")
    assert_refused("/dev/zero", "zero is not a file")
    assert_refused(tmp_path / "empty.wav", "empty.wav is empty: 0 bytes")
    assert_refused("", "does not exist")
    assert_refused("a\0b", "does not exist")
    assert_refused(0, "int is not the path", DECODERS[:3])


NO_MEDIA = [
    b"hello there\n" * 500,
    bytes(5000),
    np.random.default_rng(0).bytes(5000),
    b"RIFF",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
]


@pytest.mark.parametrize("content", NO_MEDIA)
@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "a.png"])
def test_what_is_no_media(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert_refused(tmp_path / name, "a sound or video file that can be read|png, jpg or webp|cannot be decoded|no sound|no video")


def test_two_hours_are_refused_by_the_header(tmp_path):
    for rate, width, words in (
        (8_000, 1, "7,200 s of sound; the limit is 600 s"),
        (16_000, 2, "220 MB; the limit is 100 MB, and 600 s"),
    ):
        header = wav_header(7_200, rate, width)
        assert_refused(sparse(tmp_path / "a.wav", header, len(header) + 7_200 * rate * width), words, DECODERS[:3])


def test_a_header_may_promise_more_than_there_is(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_header(7_200, 16_000, 2) + (tone(16_000) * 32767).astype(np.int16).tobytes())
    assert_tone(media.decode_audio(tmp_path / "a.wav"))


def test_large_files_are_refused(tmp_path):
    wav = wav_header(1) + bytes(8_000)
    assert_refused(sparse(tmp_path / "a.wav", wav, 101 * 2**20), "101 MB; the limit is 100 MB", DECODERS[:3])
    assert_refused(sparse(tmp_path / "a.png", png_header(64, 64), 101 * 2**20), "101 MB; the limit is 100 MB", DECODERS[::3])


def test_pixels_are_counted_before_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    path = tmp_path / "a"
    size = "12,000 x 12,000 = 144 million pixels; the limit is 40 million"
    path.write_bytes(png_header(12_000, 12_000))
    assert_refused(path, size, DECODERS[::3])
    path.write_bytes(b"\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x11\x08" + struct.pack(">HH", 12_000, 12_000) + bytes(100))
    assert_refused(path, size, DECODERS[::3])
    path.write_bytes(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + 2 * (11_999).to_bytes(3, "little") + bytes(100))
    assert_refused(path, size, DECODERS[::3])
    path.write_bytes(b"RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + (11_999 | 11_999 << 14).to_bytes(4, "little") + bytes(100))
    assert_refused(path, size, DECODERS[::3])
    path.write_bytes(b"RIFF\0\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 12_000, 12_000) + bytes(100))
    assert_refused(path, size, DECODERS[::3])


def test_pixels_of_a_video(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 1_000)
    for vcodec in ("libx264", "mpeg4", "libvpx-vp9"):
        path = write_media(tmp_path / "a.mkv", grey_frames(5), sound=tone(), vcodec=vcodec)
        assert_refused(path, "64 x 48 .* pixels; the limit is|or over the limit of", DECODERS[:3])


def test_a_jpg_header_without_end_is_given_up(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + b"\xff" * 20_000_000)
    assert_refused(tmp_path / "a.jpg", "header is damaged", DECODERS[::3])


def test_missing_tracks(tmp_path):
    video = write_media(tmp_path / "a.mp4", grey_frames(5))
    assert not media.probe(video).has_audio
    assert_refused(video, "a.mp4 has no sound track", [media.decode_audio])
    soundfile.write(tmp_path / "a.wav", tone(), 48_000)
    assert_refused(tmp_path / "a.wav", "a.wav has no video track", [media.decode_frames])
    assert_refused(tmp_path / "a.wav", "not a png, jpg or webp picture", [media.decode_image])
    (tmp_path / "b.wav").write_bytes(wav_header(0))
    assert_refused(tmp_path / "b.wav", "b.wav", [media.decode_audio])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.mkv", "a.webm"])
def test_a_cut_off_file_gives_what_is_there(tmp_path, name):
    path = tmp_path / name
    if name in ("a.mkv", "a.webm"):
        write_media(path, grey_frames(60), sound=tone(seconds=6), vcodec="libvpx", acodec="libopus")
    else:
        soundfile.write(path, tone(seconds=6), 48_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    samples = media.decode_audio(path)
    assert 1 < len(samples) / SAMPLE_RATE < 5
    assert pitch_hz(samples) == pytest.approx(TONE_HZ, abs=1)
    path.write_bytes(path.read_bytes()[:20])
    assert_refused(path, "a\\.", DECODERS[:3])


def test_an_error_while_reading_ends_the_track():
    class Torn:
        def demux(self, stream):
            yield "packet"
            raise av.error.InvalidDataError(1, "torn")

    assert list(containers.packets(Torn(), None)) == ["packet"]


def test_a_cut_off_mp4_has_no_index_left(tmp_path):
    path = write_media(tmp_path / "a.mp4", grey_frames(20), sound=tone())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_refused(path, "damaged or cut off", DECODERS[:3])


def test_noise_in_a_file_is_left_out_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    whole = np.frombuffer(write_media(tmp_path / "a.mkv", grey_frames(20), sound=tone()).read_bytes(), np.uint8)
    for _ in range(20):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 20)] = rng.integers(0, 256, 20)
        damaged.tofile(tmp_path / "b.mkv")
        for function in DECODERS:
            with contextlib.suppress(InputError):
                function(tmp_path / "b.mkv")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.wav\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 97\na=rtpmap:97 L16/16000\n",
        '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{path}</BaseURL></AdaptationSet></Period></MPD>',
    ],
    ids=["m3u8", "ffconcat", "sdp", "dash"],
)
@pytest.mark.parametrize("name", ["a.m3u8", "a.ffconcat", "a.sdp", "a.wav", "a.mp4"])
def test_a_playlist_opens_nothing(tmp_path, content, name):
    soundfile.write(tmp_path / "secret.wav", tone(), 48_000)
    (tmp_path / name).write_text(content.format(path=tmp_path / "secret.wav"))
    assert_refused(tmp_path / name, "sound or video file that can be read|png, jpg or webp")


def test_addresses_are_not_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", tone(), 48_000)
    for address in ("http://127.0.0.1:9/a.wav", f"file://{tmp_path}/a.wav", "file:a.wav", "concat:a.wav|a.wav", "-", "pipe:0"):
        assert_refused(address, "does not exist")
    os.rename("a.wav", "concat:a.wav|b")  # a strange name of a real file is still that file
    assert_tone(media.decode_audio("concat:a.wav|b"))
