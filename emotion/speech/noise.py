"""Steady noise taken out of a recording before a voice in it is read."""

import numpy as np
import torch

from emotion.sound import HOP
from emotion.speech.prosody import Prosody

FRAME, STEP = 400, 160  # samples: 25 ms every 10 ms
PAUSES = 0.05  # of the frames, the quietest, show the noise where nothing in them is voiced
FEW = 5  # frames: fewer say nothing of the noise
CLEAN_DB = 25.0  # a recording so far over its noise is left as it is
MEMORY = 0.9  # of the last frame in the expected ratio of voice to noise
FLOOR_DB = -12.0  # what is left of the noise covers that it was taken out unevenly
SEGMENT = 6000  # frames, a minute: noise changes, and memory stays small


def reduced(samples: np.ndarray, voice: Prosody) -> np.ndarray:
    """A recording with less of its steady noise: Wiener's gain by the decision-directed estimate.

    The noise is the mean spectrum of the quietest frames of each minute, those of PAUSES in which nothing is voiced. A minute
    without such pauses, or CLEAN_DB over its noise, comes back as it was; so do zeros before and after it, which a recorder put
    there.

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        In [-1, 1], mono, 16 kHz, any length.
    voice : Prosody
        Of these samples.

    Returns
    -------
    float32 ndarray of shape (n,)

    References
    ----------
    Ephraim & Malah 1984, "Speech enhancement using a minimum mean-square error short-time spectral amplitude estimator".
    """
    pieces = []
    for start in range(0, len(samples), SEGMENT * STEP):
        piece = samples[start : start + SEGMENT * STEP]
        sounding = np.flatnonzero(piece)
        first, end = (sounding[0] // HOP * HOP, sounding[-1] + 1) if len(sounding) else (0, 0)
        f0 = voice.f0[(start + first) // HOP : (start + end) // HOP + 1]
        pieces += [piece[:first], _reduced(piece[first:end], f0), piece[end:]]
    return np.concatenate(pieces) if pieces else samples


def _reduced(samples: np.ndarray, f0: np.ndarray) -> np.ndarray:
    if len(samples) < FRAME:
        return samples
    sound, window = torch.from_numpy(np.ascontiguousarray(samples, np.float32)), torch.hann_window(FRAME)
    spectrum = torch.stft(sound, FRAME, STEP, window=window, pad_mode="constant", return_complex=True)  # (201, t)
    power = spectrum.abs().square().T.numpy()
    level = np.convolve(power.sum(axis=1), np.ones(5) / 5, "same")
    quietest = np.argsort(level[1:-1])[: max(FEW, int(PAUSES * len(level)))] + 1  # the outer frames are half empty
    pauses = quietest[f0[quietest * STEP // HOP] == 0]
    if len(pauses) < FEW:
        return samples
    noise = np.convolve(np.pad(power[pauses].mean(axis=0), 4, mode="edge"), np.ones(9) / 9, "valid") + 1e-20
    if power.sum(axis=1).mean() > noise.sum() * 10 ** (CLEAN_DB / 10):
        return samples
    gain = torch.from_numpy(np.maximum(_gain(power / noise.astype(np.float32)), 10 ** (FLOOR_DB / 20))).T
    return torch.istft(spectrum * gain, FRAME, STEP, window=window, length=len(samples)).numpy()


def _gain(ratio: np.ndarray) -> np.ndarray:
    """Wiener's gain of frames and bands (t, 201) of which the ratio of what is heard to the noise is known.

    It is e / (e + 1), e being the ratio of the voice to the noise that is expected of a frame: MEMORY times what the gain left of
    the last frame, gain ** 2 * ratio, and 1 - MEMORY times what this one has over the noise, ratio - 1, if anything.
    """
    over = np.maximum(ratio - 1, 0)
    gain, kept = np.empty_like(ratio), MEMORY * over[0]
    over *= 1 - MEMORY
    for now, heard, frame in zip(over, MEMORY * ratio, gain, strict=True):  # few and in place: there are 100 frames in a second
        expected = kept + now
        np.divide(expected, expected + 1, out=frame)
        np.multiply(frame * frame, heard, out=kept)
    return gain
