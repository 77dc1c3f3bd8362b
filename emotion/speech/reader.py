"""From a voice model's scores to a Reading: windows over the voice, and how much of the sound is one."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emotion.messages import InputError
from emotion.readings import SpeechReading, Window
from emotion.recogniser import Recogniser
from emotion.sound import HOP, SAMPLE_RATE
from emotion.speech import prosody

VOICED_SECONDS, VOICED_SHARE = 0.6, 0.3  # from which a reading counts fully: a short sentence said plainly
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Heard:
    """What a model makes of the windows of a recording.

    ``logits`` (w, 7); ``attention``: how much each segment of ``step`` frames of the recording counted, summing to 1, if that is
    known.
    """

    logits: np.ndarray
    attention: np.ndarray = field(default_factory=lambda: NOTHING)
    step: int = 0


class SpeechReader(Recogniser):
    """Reads voices in windows of ``window`` frames of prosody, one every ``step`` frames; at most ``max_windows``, evenly."""

    window: int
    step: int
    max_windows: int | None = None

    @abstractmethod
    def hear(self, samples: np.ndarray, voice: prosody.Prosody, starts: Sequence[int], length: int) -> Heard:
        """Reads windows of ``length`` frames that begin ``starts`` frames after the first of ``prosody.voiced_span``."""

    def logits(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([self._heard(samples, _measured(samples))[1].logits.mean(axis=0) for samples in recordings])

    def read(self, samples: np.ndarray) -> SpeechReading | None:
        """What a voice says, read in windows.

        Parameters
        ----------
        samples : float32 ndarray of shape (n,)
            In [-1, 1], mono, 16 kHz, any length.

        Returns
        -------
        SpeechReading or None
            None when too little is voiced to be a voice. The reliability grows with the voiced sound, up to VOICED_SECONDS of it
            in a recording of which VOICED_SHARE is voiced.

        Raises
        ------
        InputError
            For samples that are no numbers, and where the model answers with such.
        """
        voice = _measured(samples)
        if not prosody.is_voice(voice):
            return None
        starts, heard = self._heard(samples, voice)
        offset = prosody.voiced_span(voice)[0]
        seconds = HOP / SAMPLE_RATE
        ends = [min(start + self.window, len(voice.f0) - offset) for start in starts]
        windows = tuple(
            Window((offset + start) * seconds, (offset + end) * seconds, p)
            for start, end, p in zip(starts, ends, self.calibrated(heard.logits), strict=True)
        )
        return SpeechReading(
            self.calibrated(heard.logits.mean(axis=0)),
            voice_reliability(voice),
            intensity=voice.intensity,
            pitch_hz=voice.pitch_hz,
            energy_db=voice.energy_db,
            pitch=voice.f0,
            windows=windows,
            attention=heard.attention,
            attention_step=heard.step * seconds,
        )

    def _heard(self, samples: np.ndarray, voice: prosody.Prosody) -> tuple[list[int], Heard]:
        """First frames of the windows over the voice, the last one ending where the voice ends, and what is heard in them."""
        first, end = prosody.voiced_span(voice)
        frames = end - first + 1
        last = max(0, frames - self.window)
        starts = sorted({*range(0, last, self.step), last})
        if self.max_windows is not None and len(starts) > self.max_windows:
            starts = np.linspace(0, last, self.max_windows).astype(int).tolist()
        return starts, self.hear(samples, voice, starts, min(self.window, frames))


def _measured(samples: np.ndarray) -> prosody.Prosody:
    """Raises InputError for NaN and infinity: one such sample would spoil the whole recording."""
    finite = np.isfinite(samples)
    if not finite.all():
        raise InputError("samples_not_numbers", count=int(finite.size - finite.sum()), samples=finite.size)
    return prosody.measure(samples)


def voice_reliability(voice: prosody.Prosody) -> float:
    """0 to 1, growing with the voiced sound."""
    return min(1.0, voice.voiced_seconds / VOICED_SECONDS) * min(1.0, voice.voiced_share / VOICED_SHARE)
