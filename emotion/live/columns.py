"""What is drawn of a sound while it still comes in: columns of its waveform and spectrogram, those of the last few seconds."""

from dataclasses import dataclass

import numpy as np

from emotion.sound import SPECTROGRAM_BANDS, SPECTROGRAM_FRAME, SPECTROGRAM_HZ, band_levels

COLUMN = 800  # samples, 50 ms: 20 columns a second
COLUMNS = 200  # kept: 10 s
DARK_DB, RANGE_DB = -45.0, 85.0  # level of a band at which its cell is darkest, and how far above that it is the brightest

_BANDS = np.geomspace(*SPECTROGRAM_HZ, SPECTROGRAM_BANDS)
_WINDOW = np.hanning(SPECTROGRAM_FRAME).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns in order of time, of COLUMN samples each.

    Attributes
    ----------
    first : int
        Number of the first one, counted from the beginning of the sound.
    low, high : int8 ndarray of shape (n,)
        Least and greatest sample; full scale is 127.
    bands : uint8 ndarray of shape (n, SPECTROGRAM_BANDS)
        Levels from low to high frequencies; 255 is the brightest.
    """

    first: int
    low: np.ndarray
    high: np.ndarray
    bands: np.ndarray


class ColumnBuffer:
    """Takes a sound in blocks of any length and keeps its last COLUMNS columns."""

    def __init__(self) -> None:
        self.count = 0  # columns so far
        self._low, self._high = np.zeros(COLUMNS, np.int8), np.zeros(COLUMNS, np.int8)
        self._bands = np.zeros((COLUMNS, SPECTROGRAM_BANDS), np.uint8)
        # The end of the sound: the last samples drawn, to which the next column's spectrum reaches back, and those not drawn yet.
        self._rest = np.zeros(SPECTROGRAM_FRAME - COLUMN, np.float32)

    def add(self, samples: np.ndarray) -> None:
        """The next block, float32 (n,), mono, 16 kHz."""
        sound = np.concatenate([self._rest, samples])
        before = SPECTROGRAM_FRAME - COLUMN
        fresh = (len(sound) - before) // COLUMN
        if fresh:
            framed = np.lib.stride_tricks.sliding_window_view(sound, SPECTROGRAM_FRAME)[::COLUMN][:fresh]  # (n, 1024)
            columns = framed[-COLUMNS:]
            at = (self.count + fresh - len(columns) + np.arange(len(columns))) % COLUMNS
            own = columns[:, before:]
            self._low[at], self._high[at] = np.floor(own.min(axis=1) * 127), np.ceil(own.max(axis=1) * 127)
            level = band_levels(np.square(np.abs(np.fft.rfft(columns * _WINDOW, axis=1))), _BANDS)
            self._bands[at] = np.clip((level - DARK_DB) / RANGE_DB * 255, 0, 255)
            self.count += fresh
        self._rest = sound[fresh * COLUMN :]

    def since(self, number: int) -> Columns:
        """The columns from ``number`` on, as far as they are kept."""
        first = min(max(number, self.count - COLUMNS, 0), self.count)
        at = np.arange(first, self.count) % COLUMNS
        columns = Columns(first, self._low[at], self._high[at], self._bands[at])
        for array in (columns.low, columns.high, columns.bands):
            array.flags.writeable = False
        return columns
