"""Sound as arrays, mono at 16 kHz: its rate, frames, envelope and spectrogram. numpy alone."""

import numpy as np

SAMPLE_RATE = 16_000  # Hz, of all decoded sound: speech lies below 8 kHz, and both speech-to-text engines were trained at it
FRAME = 1024  # samples, 64 ms: two periods of the lowest voice
HOP = 320  # samples, 20 ms: 50 values a second

ENVELOPE_POINTS = 600  # columns of the waveform: as many as a screen shows
SPECTROGRAM_COLUMNS, SPECTROGRAM_BANDS = 400, 72  # 29,000 cells of one byte
SPECTROGRAM_HZ = (60.0, 8000.0)  # from the lowest voice to the end of the samples
SPECTROGRAM_FRAME = 1024  # samples, 64 ms: separates the harmonics of a low voice
SPECTROGRAM_RANGE_DB = 70.0  # under the loudest cell: the rest is drawn as silence
FRAMES_PER_COLUMN = 8  # at most: a column of a long recording is the mean of these
FRAMES_AT_ONCE = 4000  # 60 MB while they are computed


def frames(samples: np.ndarray) -> np.ndarray:
    """Overlapping frames (1 + n // HOP, FRAME), each centred on its time, zeros beyond the ends: librosa's centred framing."""
    padded = np.pad(np.asarray(samples, np.float32), FRAME // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]


def envelope(samples: np.ndarray, points: int = ENVELOPE_POINTS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times in seconds and the least and greatest sample of each of at most ``points`` equal segments, each float32 (k,)."""
    samples = np.asarray(samples, np.float32)
    if not len(samples):
        return (np.zeros(0, np.float32),) * 3
    starts = np.unique(np.linspace(0, len(samples), min(points, len(samples)), endpoint=False).astype(int))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    return (starts / SAMPLE_RATE).astype(np.float32), low, high


def spectrogram(samples: np.ndarray, most: int = SPECTROGRAM_COLUMNS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times in seconds (t,), band centres in Hz (b,) and levels int8 (b, t) in dB under the loudest cell, down to -70.

    Power of Hann windows of 64 ms, in bands of equal width in octaves; at most ``most`` columns, a hundred a second.
    """
    samples = np.asarray(samples, np.float32)
    columns = int(np.clip(len(samples) // 160, 1, most))
    slot = len(samples) / columns
    per_column = int(np.clip(np.ceil(slot / (SPECTROGRAM_FRAME / 2)), 1, FRAMES_PER_COLUMN))
    centres = (np.arange(columns * per_column) + 0.5) * slot / per_column
    padded = np.pad(samples, (SPECTROGRAM_FRAME // 2, SPECTROGRAM_FRAME))
    framed = np.lib.stride_tricks.sliding_window_view(padded, SPECTROGRAM_FRAME)
    window, bands = np.hanning(SPECTROGRAM_FRAME).astype(np.float32), np.geomspace(*SPECTROGRAM_HZ, SPECTROGRAM_BANDS)
    levels = []
    for some in np.array_split(centres.astype(int).reshape(columns, per_column), -(-len(centres) // FRAMES_AT_ONCE)):
        power = np.square(np.abs(np.fft.rfft(framed[some] * window, axis=-1))).mean(axis=1)  # (some, 513)
        levels.append(band_levels(power, bands))
    level = np.concatenate(levels)
    level = np.clip(level - max(float(level.max()), -40.0), -SPECTROGRAM_RANGE_DB, 0.0)
    return (centres[::per_column] / SAMPLE_RATE).astype(np.float32), bands.astype(np.float32), level.T.round().astype(np.int8)


def band_levels(power: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Levels in dB (t, b) at the frequencies ``bands`` in Hz of power spectra (t, 513) of SPECTROGRAM_FRAME samples."""
    bins = bands * SPECTROGRAM_FRAME / SAMPLE_RATE
    left = np.minimum(bins.astype(int), power.shape[1] - 2)
    share = (bins - left).astype(np.float32)
    levels: np.ndarray = 10 * np.log10(power[:, left] * (1 - share) + power[:, left + 1] * share + 1e-10)
    return levels
