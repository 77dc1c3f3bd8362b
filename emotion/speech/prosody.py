"""Energy, pitch and intensity of a voice. numpy alone, so that it costs milliseconds and no import."""

from dataclasses import dataclass

import numpy as np

from emotion.sound import HOP, SAMPLE_RATE, frames

MIN_HZ, MAX_HZ = 65.0, 600.0  # from a low man's voice to a shout
TROUGH = 0.1  # YIN's absolute threshold, as in de Cheveigné & Kawahara 2002
APERIODIC = (
    0.35  # a frame whose best period leaves more than this share unexplained is unvoiced; rough and breathy voices stay below
)
GATE_DB = 35.0  # frames this far under the loudest are background, voiced or not
SILENCE_DB = -70.0  # full scale: below it a recording holds nothing but its converter's noise
PADDED = 1280  # samples: a frame and zeros for the longest period, 1024 + 247, so that nothing wraps around; quick to transform
CHUNK = 32  # frames at once: what stays in a processor's cache

MARGIN = 15  # frames, 0.3 s, kept before and after the voice
MIN_VOICED_SECONDS, MIN_VOICED_SHARE = 0.2, 0.05  # less is a knock or noise with a chance period
MIN_PITCH_RANGE = 0.05  # semitones: the flattest speech moves by ten times as much, a tone not at all

# Bounds of the plausible ranges over microphones and speakers, at which a cue counts 0 and 1.
ENERGY_DB = (-55.0, -15.0)
PITCH_HZ = (90.0, 320.0)
PITCH_RANGE_SEMITONES = (1.0, 6.0)


@dataclass(frozen=True, eq=False)
class Prosody:
    """``f0`` in Hz (t,), 0 where unvoiced; ``level_db`` (t,) in dB full scale; one value for every HOP samples.

    ``energy_db``: level of the frames with sound in them. ``pitch_hz``: median F0, None when nothing is voiced. ``pitch_range``:
    half the range between the 10th and the 90th percentile of F0, in semitones. ``voiced_share``: 0 to 1, of the frames with
    sound in them.
    """

    f0: np.ndarray
    level_db: np.ndarray
    energy_db: float
    pitch_hz: float | None
    pitch_range: float
    voiced_share: float

    @property
    def voiced_seconds(self) -> float:
        return float(np.count_nonzero(self.f0)) * HOP / SAMPLE_RATE

    @property
    def intensity(self) -> str:
        """calm, neutral, low or high: how much energy is in the voice against what is plausible for any speaker.

        Level, pitch and melody each count 0 to 1 over their plausible range. "low" is a voice so weak that nothing else can be
        told from it; the others are bands of the mean of the three.
        """
        level = _position(self.energy_db, ENERGY_DB)
        if self.pitch_hz is None or level < 0.1:
            return "low"
        height = _position(np.log2(self.pitch_hz), tuple(np.log2(PITCH_HZ)))
        effort = (level + height + _position(self.pitch_range, PITCH_RANGE_SEMITONES)) / 3
        return "calm" if effort < 0.35 else "neutral" if effort < 0.6 else "high"


def measure(samples: np.ndarray) -> Prosody:
    """Level, pitch and voicing of a recording.

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        In [-1, 1], mono, 16 kHz, any length.

    Returns
    -------
    Prosody
        An unvoiced one for silence and for an empty array.
    """
    framed = frames(samples)
    power = np.concatenate([np.mean(np.square(part), axis=1, dtype=np.float64) for part in _chunks(framed)])
    level_db = 10 * np.log10(power + 1e-12)
    f0, aperiodicity = yin(framed)
    sounding = (level_db > level_db.max() - GATE_DB) & (level_db > SILENCE_DB)
    voiced = _steady(sounding & (aperiodicity < APERIODIC))
    f0 = np.where(voiced, _smooth(f0), 0.0).astype(np.float32)
    heard = f0[voiced]
    low, high = np.percentile(heard, (10, 90)) if len(heard) else (1.0, 1.0)
    loudness = np.mean(10 ** (level_db[sounding] / 10)) if sounding.any() else 1e-12
    return Prosody(
        f0=f0,
        level_db=level_db.astype(np.float32),
        energy_db=float(10 * np.log10(loudness)),
        pitch_hz=float(np.median(heard)) if len(heard) else None,
        pitch_range=float(6 * np.log2(high / low)),
        voiced_share=float(voiced.sum() / sounding.sum()) if sounding.any() else 0.0,
    )


def voiced_span(voice: Prosody) -> tuple[int, int]:
    """First and last frame of the part that is read: from a little before the first voiced frame to a little after the last.

    All of the recording when nothing is voiced.
    """
    voiced, end = np.flatnonzero(voice.f0), len(voice.f0) - 1
    return (max(0, int(voiced[0]) - MARGIN), min(end, int(voiced[-1]) + MARGIN)) if len(voiced) else (0, end)


def is_voice(voice: Prosody) -> bool:
    """Whether a recording has a voice in it: enough voiced sound, and a pitch that moves as no whistle or hum does."""
    return (
        voice.voiced_seconds >= MIN_VOICED_SECONDS
        and voice.voiced_share >= MIN_VOICED_SHARE
        and voice.pitch_range > MIN_PITCH_RANGE
    )


def yin(framed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 and aperiodicity, as ``librosa.yin`` has them, without its half minute of compilation on a fresh machine.

    Parameters
    ----------
    framed : float32 ndarray of shape (t, FRAME)
        Frames at 16 kHz, as of ``sound.frames``.

    Returns
    -------
    f0 : float64 ndarray of shape (t,)
        In Hz, MIN_HZ to MAX_HZ, a guess where nothing is voiced.
    aperiodicity : float64 ndarray of shape (t,)
        Share of the frame that its best period leaves unexplained, about 0 to 1.

    References
    ----------
    de Cheveigné & Kawahara 2002, "YIN, a fundamental frequency estimator for speech and music".
    """
    f0, aperiodicity = zip(*(_yin(part.astype(np.float64)) for part in _chunks(framed)), strict=True)
    return np.concatenate(f0), np.concatenate(aperiodicity)


def _chunks(framed: np.ndarray) -> list[np.ndarray]:
    return [framed[start : start + CHUNK] for start in range(0, len(framed), CHUNK)]


def _yin(framed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shortest, longest = int(SAMPLE_RATE // MAX_HZ), int(np.ceil(SAMPLE_RATE / MIN_HZ))  # samples
    spectrum = np.fft.rfft(framed, PADDED, axis=1)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)), axis=1)[:, : longest + 1]
    # Energy of what a lag pushes out of the frame: the difference function of the two overlapping parts, equation 7.
    energy = np.cumsum(np.square(framed[:, :longest]), axis=1)
    difference = 2 * (correlation[:, :1] - correlation[:, 1:]) - energy
    mean = np.cumsum(difference, axis=1) / np.arange(1, longest + 1)
    d = difference[:, shortest - 1 :] / (mean[:, shortest - 1 :] + np.finfo(float).tiny)  # equation 8, lags shortest..longest
    trough = np.zeros(d.shape, bool)
    trough[:, 1:-1] = (d[:, 1:-1] < d[:, :-2]) & (d[:, 1:-1] <= d[:, 2:])
    trough[:, 0] = d[:, 0] < d[:, 1]
    deep = trough & (d < TROUGH)
    best = np.where(deep.any(axis=1), deep.argmax(axis=1), d.argmin(axis=1))
    rows = np.arange(len(d))
    left, here, right = d[rows, np.maximum(best - 1, 0)], d[rows, best], d[rows, np.minimum(best + 1, d.shape[1] - 1)]
    curve, slope = left + right - 2 * here, (right - left) / 2
    inside = (np.abs(slope) < np.abs(curve)) & (best > 0) & (best < d.shape[1] - 1)
    shift = np.where(inside, -slope / np.where(inside, curve, 1.0), 0.0)  # parabola through three points
    return SAMPLE_RATE / (shortest + best + shift), np.clip(here, 0.0, 1.0)


def _smooth(f0: np.ndarray) -> np.ndarray:
    """Median over 5 frames: takes out single octave jumps."""
    median: np.ndarray = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(f0, 2, mode="edge"), 5), axis=1)
    return median


def _steady(voiced: np.ndarray) -> np.ndarray:
    """Without voiced segments under 3 frames (60 ms): no vowel is that short, but chance periods of noise are."""
    runs = np.all(np.lib.stride_tricks.sliding_window_view(np.pad(voiced, 2), 3), axis=1)  # every run of 3, by its start - 2
    kept: np.ndarray = voiced & (runs[:-2] | runs[1:-1] | runs[2:])
    return kept


def _position(value: float, span: tuple[float, float]) -> float:
    return float(np.clip((value - span[0]) / (span[1] - span[0]), 0.0, 1.0))
