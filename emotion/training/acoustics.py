"""What rooms, lines and noise do to a recording: drawn at random for augmentation, fixed for the tables of robustness."""

import numpy as np
from scipy.signal import butter, sosfilt

from emotion.sound import SAMPLE_RATE

ORDER = 4  # of the band-pass: 24 dB an octave at either side
FLAT_BINS = 10  # of a spectrum, under which noise no longer rises: a few hertz, which nobody hears


def level(samples: np.ndarray) -> float:
    """Root mean square of samples (n,)."""
    return float(np.sqrt(np.mean(np.square(samples)) + 1e-12))


def reverberation(white: np.ndarray, seconds: float, direct_db: float) -> np.ndarray:
    """A room's impulse response (n,) without the direct sound, of which 1 would stand in its first sample.

    ``white`` noise (n,), n at most ``seconds`` long, made to fall by 60 dB within these; as a whole ``direct_db`` under the
    direct sound.
    """
    t = np.arange(len(white)) / SAMPLE_RATE
    tail = white * 10 ** (-3 * t / seconds)
    return tail * (10 ** (-direct_db / 20) / np.linalg.norm(tail))


def band_limited(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Samples (n,) through a line or a loudspeaker that passes ``low_hz`` to ``high_hz`` (Butterworth)."""
    passed: np.ndarray = sosfilt(butter(ORDER, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos"), samples)
    return passed


def coloured(white: np.ndarray, slope: float) -> np.ndarray:
    """White noise (n,) to noise of level 1, its amplitude falling with frequency ** ``slope``: 0 leaves it white, 0.5 is pink."""
    spectrum = np.fft.rfft(white)
    spectrum /= np.maximum(np.arange(len(spectrum)), FLAT_BINS) ** slope
    noise = np.fft.irfft(spectrum, len(white))
    return noise / (level(noise) + 1e-12)


def noisy(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Samples (n,) with ``noise`` (n,) of level 1 added, ``snr_db`` under them."""
    return samples + noise * level(samples) * 10 ** (-snr_db / 20)
