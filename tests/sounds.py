"""Sounds whose answer is known."""

import numpy as np

from emotion.sound import SAMPLE_RATE


def voice(hertz, seconds=2.0, level=0.1, vibrato=0.0):
    """A buzz of 12 harmonics, its pitch swinging by ``vibrato`` semitones one and a half times a second."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    f0 = hertz * 2 ** (vibrato / 12 * np.sin(2 * np.pi * 1.5 * t))
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 13))
    return (level * sound / np.sqrt(np.mean(sound**2))).astype(np.float32)


def spoken(words=3):
    """Words of 0.6 s with pauses of 0.3 s between."""
    pause = np.zeros(3 * SAMPLE_RATE // 10, np.float32)
    return np.concatenate([pause, *(part for _ in range(words) for part in (voice(160, 0.6, vibrato=2.0), pause))])
