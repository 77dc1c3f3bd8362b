"""Sound in files and arrays: mono, 16 kHz."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, groupby

import av
import numpy as np

from emotion.media import limits
from emotion.media.containers import container_of, decoded, sound_of, start_of
from emotion.media.files import Source, array_of, name_of, opened
from emotion.media.limits import Name, check_duration, check_shortness
from emotion.messages import InputError, Message
from emotion.sound import SAMPLE_RATE

BLOCK_FRAMES = 16  # of sound, mixed and resampled at once: 0.3 s of the usual 1,024 samples, 32 MB of flac's 65,535 x 8
# 128 taps (libswresample's default is 32): from 48 kHz, flat to 7.6 kHz, and what lies above 8.2 kHz comes out 95 dB down.
RESAMPLING = {"filter_size": "128", "cutoff": "0.98"}
LOUDEST = np.float32(1e6)  # far over MAX_PEAK, and small enough that channels and filters add up to a number
THE_SOUND = Message("the_sound")  # names a sound that came in no file


def decode_audio(path: Source) -> np.ndarray:
    """The sound of an audio or video file.

    Channels are averaged. Time 0 is where the file begins, as for ``decode_frames``: silence is put before a sound track that
    starts later. A damaged or cut-off file gives what can be decoded.

    Parameters
    ----------
    path : str, path or OpenFile
        Of a wav, mp3, flac, ogg, m4a, webm, mp4, mov, mkv or avi file, whatever its name.

    Returns
    -------
    float32 ndarray of shape (n,)
        In [-1, 1], mono, 16 kHz.

    Raises
    ------
    InputError
        Where there is no sound track, where less than MIN_DURATION_S or more than MAX_DURATION_S can be decoded, for a peak of
        over MAX_PEAK, and for what ``probe`` refuses.
    """
    name = name_of(path)
    with opened(path) as file, container_of(file, name) as container:
        stream = sound_of(container)
        if stream is None:
            raise InputError("no_sound_track", file=name)
        frames = decoded(container, stream)
        first = next(frames, None)
        if first is None:
            raise InputError("sound_not_decodable", file=name)
        lead = min(max(0.0, (first.time or 0.0) - start_of(container)), limits.MAX_DURATION_S)
        blocks = _resampled(_mono(_countable(chain([first], frames)), name))
        silence = np.zeros(round(lead * SAMPLE_RATE), np.float32)
        return _bounded(np.concatenate([*_limited(chain([silence], blocks), name)]), name)


def from_samples(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sound given as an array, in the form that ``decode_audio`` returns.

    Parameters
    ----------
    samples : ndarray of shape (n,) or (n, channels)
        At most MAX_CHANNELS channels, which are averaged. Full scale of an integer type is its largest value; that of floating
        point is 1, and NaN and infinity count as 0.
    sample_rate : int
        Hz, MIN_SAMPLE_RATE to MAX_SAMPLE_RATE.

    Returns
    -------
    float32 ndarray of shape (m,)
        In [-1, 1], mono, 16 kHz.

    Raises
    ------
    InputError
        For any other shape, type or rate, for less than MIN_DURATION_S or more than MAX_DURATION_S, and for a peak of over
        MAX_PEAK.
    """
    samples = array_of(samples, THE_SOUND)
    if samples.dtype.kind not in "iuf":
        raise InputError("samples_type", type=samples.dtype)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= limits.MAX_CHANNELS):
        raise InputError("samples_shape", shape=str(samples.shape), limit=limits.MAX_CHANNELS)
    if len(samples) == 0:
        raise InputError("samples_empty")
    rate = _rate(sample_rate, THE_SOUND)
    check_shortness(THE_SOUND, len(samples) / rate)
    check_duration(THE_SOUND, len(samples) / rate)
    blocks = (samples[i : i + rate] for i in range(0, len(samples), rate))  # a second each: the float copies stay small
    mono = ((_as_float(block).reshape(len(block), -1).mean(axis=1), rate) for block in blocks)
    return _bounded(np.concatenate([*_resampled(mono)]), THE_SOUND)


class Resampler:
    """Resamples mono sound that comes in blocks, without a seam between them, to SAMPLE_RATE.

    Parameters
    ----------
    rate : int
        Hz of the blocks, MIN_SAMPLE_RATE to MAX_SAMPLE_RATE; InputError for any other.
    """

    def __init__(self, rate: int):
        self.rate = _rate(rate, THE_SOUND)
        same = self.rate == SAMPLE_RATE
        self._inner = None if same else av.AudioResampler("fltp", "mono", SAMPLE_RATE, options=RESAMPLING)

    def add(self, samples: np.ndarray) -> np.ndarray:
        """The next block, float32 (n,), resampled as far as what follows it does not matter; float32 (m,)."""
        if self._inner is None or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis]), "fltp", "mono")
        frame.sample_rate = self.rate
        return _joined(self._inner.resample(frame))

    def end(self) -> np.ndarray:
        """The rest, float32 (m,), after the last block."""
        return _joined(self._inner.resample(None) if self._inner is not None else ())


def _countable(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Frames that ``to_ndarray`` reads correctly: PyAV 18 reads past the end of 8 or more channels in planes."""
    converter, form = None, None
    for frame in frames:
        if frame.layout.nb_channels < 8 or not frame.format.is_planar:
            yield frame
            continue
        if converter is None or form != _form(frame):
            form = _form(frame)
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
            finite = np.nan_to_num(samples.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return np.clip(finite, -LOUDEST, LOUDEST, out=finite)
    largest = float(np.iinfo(samples.dtype).max)
    if samples.dtype.kind == "u":  # silence is in the middle: 128 of uint8
        return (samples.astype(np.float32) - (largest + 1) / 2) / np.float32(largest / 2)
    return samples.astype(np.float32) / np.float32(largest)


def _rate(rate: int, name: Name) -> int:
    if not isinstance(rate, (int, float, np.number)) or not limits.MIN_SAMPLE_RATE <= rate <= limits.MAX_SAMPLE_RATE:
        least, limit = limits.MIN_SAMPLE_RATE, limits.MAX_SAMPLE_RATE
        raise InputError("sample_rate_out_of_range", file=name, rate=rate, least=least, limit=limit)
    return int(rate)


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
        check_duration(name, length / SAMPLE_RATE)
        yield block


def _bounded(samples: np.ndarray, name: Name) -> np.ndarray:
    """Samples clipped to [-1, 1], float32."""
    check_shortness(name, samples.size / SAMPLE_RATE)
    peak = max(samples.max(), -samples.min())
    if peak > limits.MAX_PEAK:
        raise InputError("sound_too_loud", file=name, peak=math.ceil(peak), limit=limits.MAX_PEAK)
    bounded: np.ndarray = np.clip(samples, -1.0, 1.0, dtype=np.float32)
    return bounded
