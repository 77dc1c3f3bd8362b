"""The voice recogniser: how something is said.

An ensemble of two kinds: a convolutional network with attention over what librosa would measure, and small networks with
attention over what a speaker encoder, trained to tell thousands of voices apart, hears in the same sound.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from emotion.checkpoint import Choice, config, fill, tensors
from emotion.labels import LABELS
from emotion.sound import FRAME, HOP, SAMPLE_RATE, frames
from emotion.speech import noise, prosody
from emotion.speech.prosody import voiced_span
from emotion.speech.reader import Heard, SpeechReader

N_MELS = 64
N_MFCC = 20
N_CHROMA = 12
N_BANDS = 6  # octaves of spectral contrast above the lowest band
CONTRAST_MIN_HZ = 200.0
CONTRAST_QUANTILE = 0.02
FLOOR_DB = 60.0  # under the loudest mel band: what lies lower is the room, not the voice
LEVEL_DB = -25.0  # every recording is brought to this level, so that the microphone's gain says nothing

N_FRAME_FEATURES = N_MFCC + N_CHROMA + N_BANDS + 1 + 4  # and zero crossings, F0, voicing, level
N_FEATURES = N_MELS + N_FRAME_FEATURES

ENCODER_FRAME, ENCODER_HOP = 400, 160  # samples: what the speaker encoder was trained on, two frames of it in one of ours
ENCODER_MELS = 40
ENCODER_LEVEL_DB = -30.0
STATES = 256  # width of the encoder's states
STRIDE = 4  # frames from one moment that is read to the next
ENCODED_AT_ONCE = 60 * SAMPLE_RATE // ENCODER_HOP  # frames of the encoder, a minute; a multiple of 2 STRIDE

CHUNK = 500  # frames transformed at once, 10 s: memory stays small
WINDOW, STEP = 200, 100  # frames: long recordings are read in windows of 4 s, every 2 s
BATCH = 16
MAX_SEGMENTS = 750  # of attention in a reading: a minute at the full resolution of 0.08 s


def filter_banks() -> dict[str, Tensor]:
    """Mel (64, 513), chroma (12, 513) and the encoder's mel (40, 201) filters by librosa.

    Training stores them with the weights: serving needs no librosa.
    """
    import librosa

    mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FRAME, n_mels=N_MELS)
    chroma = librosa.filters.chroma(sr=SAMPLE_RATE, n_fft=FRAME, n_chroma=N_CHROMA, tuning=0.0)
    encoder = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=ENCODER_FRAME, n_mels=ENCODER_MELS)
    return {name: torch.from_numpy(bank) for name, bank in (("mel", mel), ("chroma", chroma), ("encoder", encoder))}


def features(samples: np.ndarray, banks: dict[str, Tensor], voice: prosody.Prosody | None = None) -> Tensor:
    """Frame features, float32 (t, 107), 50 frames a second, of the part of a recording from its first to its last voiced sound.

    In order: 64 log-mel bands, each less its mean over the recording (the microphone's and the room's colour, and much of the
    speaker's), 20 MFCC of these, 12 chroma, 7 spectral contrasts, zero-crossing rate, F0 in octaves about 150 Hz (0 where
    unvoiced), voicing, level in dB. Each is librosa's function of the same name at n_fft 1024, hop 320.

    Parameters: ``samples`` float32 (n,), mono, 16 kHz, any length; ``voice`` spares measuring them again.
    """
    voice = voice or prosody.measure(samples)
    first, last = voiced_span(voice)
    samples, f0 = np.asarray(samples, np.float32)[first * HOP : last * HOP], voice.f0[first : last + 1]
    scaled = samples * min(10 ** ((LEVEL_DB - voice.energy_db) / 20), 1e3)
    framed = frames(scaled)  # (t, 1024)
    parts = [_spectral(framed[start : start + CHUNK], banks) for start in range(0, len(framed), CHUNK)]
    mel, tones, contrast, level = (torch.cat(kind) for kind in zip(*parts, strict=True))
    mel = mel.clamp(min=float(mel.max()) - FLOOR_DB)
    mel = mel - mel.mean(dim=0)
    voiced = torch.from_numpy((f0 > 0).astype(np.float32))
    octaves = torch.from_numpy(np.log2(np.where(f0 > 0, f0, 150.0) / 150.0).astype(np.float32))
    columns = [
        mel,
        mel @ _cosines().T,
        tones,
        contrast,
        zero_crossings(scaled)[:, None],
        octaves[:, None],
        voiced[:, None],
        level.clamp(min=LEVEL_DB - FLOOR_DB)[:, None],
    ]
    return torch.cat(columns, dim=1)


def _spectral(framed: np.ndarray, banks: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of frames (t, 1024): mel bands in dB (t, 64), chroma (t, 12), spectral contrast (t, 7) and level in dB (t,)."""
    sound = torch.from_numpy(np.array(framed))
    magnitude = torch.fft.rfft(sound * torch.hann_window(FRAME)).abs()  # (t, 513)
    power = magnitude.square()
    mel, tones = decibels(power @ banks["mel"].T), chroma(power, banks["chroma"])
    return mel, tones, spectral_contrast(magnitude), decibels(sound.square().mean(dim=1))


def encoder_input(samples: np.ndarray, banks: dict[str, Tensor], voice: prosody.Prosody | None = None) -> Tensor:
    """Mel power as the speaker encoder takes it, float32 (2 t, 40), of the part that ``features`` gives t frames of."""
    voice = voice or prosody.measure(samples)
    first, last = voiced_span(voice)
    scaled = np.asarray(samples, np.float32)[first * HOP : last * HOP] * min(
        10 ** ((ENCODER_LEVEL_DB - voice.energy_db) / 20), 1e3
    )
    sound = nn.functional.pad(torch.from_numpy(scaled), (ENCODER_FRAME // 2, ENCODER_FRAME // 2 + ENCODER_HOP))
    framed, window = sound.unfold(0, ENCODER_FRAME, ENCODER_HOP)[: 2 * (last - first + 1)], torch.hann_window(ENCODER_FRAME)
    return torch.cat([torch.fft.rfft(part * window).abs().square() @ banks["encoder"].T for part in framed.split(2 * CHUNK)])


def decibels(power: Tensor) -> Tensor:
    """10 log10, not below -100 dB: ``librosa.power_to_db`` with ref 1 and without top_db."""
    return 10.0 * torch.log10(power.clamp(min=1e-10))


def chroma(power: Tensor, bank: Tensor) -> Tensor:
    """Energy of the twelve pitch classes, (t, 513) to (t, 12), the strongest of a frame being 1."""
    raw = power @ bank.T
    return raw / raw.amax(dim=1, keepdim=True).clamp(min=1e-10)


def spectral_contrast(magnitude: Tensor) -> Tensor:
    """Peak over valley in dB of each octave band (Jiang et al. 2002), (t, 513) to (t, 7)."""
    hertz = torch.linspace(0, SAMPLE_RATE / 2, magnitude.shape[1])
    edges = [0.0, *(CONTRAST_MIN_HZ * 2.0**k for k in range(N_BANDS + 1))]
    rows = []
    for k, (low, high) in enumerate(pairwise(edges)):
        inside = torch.nonzero((hertz >= low) & (hertz <= high)).flatten()
        first, last = int(inside[0]) - (k > 0), int(inside[-1])
        if k == N_BANDS:
            last = magnitude.shape[1] - 1
        count = max(1, round(CONTRAST_QUANTILE * (last - first + 1)))
        # librosa leaves the top bin of every band but the last to the band above.
        band = magnitude[:, first : last + (k == N_BANDS)]
        peak, valley = (band.topk(count, dim=1, largest=largest).values.mean(dim=1) for largest in (True, False))
        rows.append(decibels(peak) - decibels(valley))
    return torch.stack(rows, dim=1)


def zero_crossings(samples: np.ndarray) -> Tensor:
    """Share of sign changes in each frame, (t,)."""
    padded = np.pad(samples, FRAME // 2, mode="edge" if len(samples) else "constant")
    negative = padded < -1e-10  # what is nearer to 0 has no sign
    counted = np.concatenate([np.zeros(1, np.int32), np.cumsum(negative[1:] != negative[:-1], dtype=np.int32)])
    starts = np.arange(1 + len(samples) // HOP) * HOP
    return torch.from_numpy(((counted[starts + FRAME - 1] - counted[starts]) / FRAME).astype(np.float32))


def _cosines() -> Tensor:
    """The orthonormal DCT-II that turns 64 log-mel bands into 20 MFCC."""
    k, n = torch.arange(N_MFCC)[:, None], torch.arange(N_MELS)[None, :]
    basis: Tensor = torch.cos(torch.pi * k * (2 * n + 1) / (2 * N_MELS)) * (2.0 / N_MELS) ** 0.5
    basis[0] /= 2.0**0.5
    return basis


class Attending(nn.Module):
    """A network that closes with attention pooling: logits alone when called, with the attention by ``attended``."""

    attention: nn.Module
    head: nn.Module

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.attended(x, lengths)[0]

    def attended(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 7), and how much each head looked at each moment, (n, heads, t/4)."""
        raise NotImplementedError

    def _read(self, states: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        weights = attention(self.attention, states, inside)
        return self.head(pooled(states, weights)), weights


class SpectralNetwork(Attending):
    """CNN with attention pooling: features (n, t, 107) and their lengths (n,) to logits (n, 7).

    Log-mel bands go through two-dimensional convolutions, which find a pattern at any pitch; the other features through
    one-dimensional ones. Four attention heads then weigh the moments of the utterance, mean and standard deviation of each
    channel being kept. About 0.1 G multiply-adds for 4 s.
    """

    mean: Tensor  # of each feature, and below what it is divided by
    scale: Tensor

    def __init__(self, width: int = 24, dropout: float = 0.3, heads: int = 4):
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("scale", torch.ones(N_FEATURES))
        self.mel = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False),  # (n, width, t/2, 32)
            Residual(width, width, (1, 1)),
            Residual(width, 2 * width, (2, 2)),  # (n, 2 width, t/4, 16)
            Residual(2 * width, 4 * width, (1, 2)),  # (n, 4 width, t/4, 8)
            nn.BatchNorm2d(4 * width),
            nn.ReLU(inplace=True),
        )
        self.other = nn.Sequential(
            nn.Conv1d(N_FRAME_FEATURES, 64, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout / 2),
            nn.Conv1d(64, 64, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(inplace=True),
        )
        merged = 128
        self.merge = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv1d(4 * width * 8 + 64, merged, 1, bias=False),
            nn.BatchNorm1d(merged),
            nn.ReLU(inplace=True),
            nn.Conv1d(merged, merged, 3, padding=1, bias=False),
            nn.BatchNorm1d(merged),
            nn.ReLU(inplace=True),
        )
        self.attention = nn.Conv1d(merged, heads, 1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * heads * merged, len(LABELS)))

    def attended(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.arange(x.shape[1]) < lengths[:, None]  # (n, t)
        x = (x - self.mean) / self.scale * inside[:, :, None]
        mel = self.mel(x[:, None, :, :N_MELS].to(memory_format=torch.channels_last))  # (n, 4 width, t/4, 8)
        mel = mel.transpose(2, 3).flatten(1, 2)  # (n, 32 width, t/4)
        states = self.merge(torch.cat([mel, self.other(x[:, :, N_MELS:].transpose(1, 2))], dim=1)).float()  # (n, 128, t/4)
        return self._read(states, inside[:, ::STRIDE])


class EncodedNetwork(Attending):
    """Attention pooling over the encoder's states: (n, t/4, 256) and the lengths (n,) in frames to logits (n, 7)."""

    def __init__(self, width: int = 128, dropout: float = 0.3, heads: int = 4, states: int = STATES, classes: int = len(LABELS)):
        super().__init__()
        self.classes = classes
        self.states = nn.Sequential(
            nn.BatchNorm1d(states),
            nn.Dropout(0.2),
            nn.Conv1d(states, width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
        )
        self.attention = nn.Conv1d(width, heads, 1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * heads * width, classes))

    def attended(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.arange(x.shape[1]) * STRIDE < lengths[:, None]
        return self._read(self.states(x.transpose(1, 2)).float(), inside)


class SpeakerEncoder(nn.Module):
    """Two layers of LSTM: mel power (n, 2 t, 40) to the mean states of every fourth frame, (n, t/4, 256).

    The lower two of three layers of a speaker encoder (Wan et al. 2018), whose top forgets how something is said. A recording
    goes through minute by minute, so that memory stays small; the states go on from one to the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(ENCODER_MELS, STATES, num_layers=2, batch_first=True)

    def forward(self, mel: Tensor) -> Tensor:
        means, memory = [], None
        for segment in mel.split(ENCODED_AT_ONCE, dim=1):
            states, memory = self.lstm(segment, memory)
            means.append(nn.functional.avg_pool1d(states.transpose(1, 2), 2 * STRIDE, ceil_mode=True))
        return torch.cat(means, dim=2).transpose(1, 2)


class SpeechNetwork(nn.Module):
    """The ensemble: features (n, t, 107), the encoder's states (n, t/4, 256) and lengths (n,) in frames to logits and attention.

    Both are means over the members: logits (n, 7), and how much their heads looked at each moment, (n, t/4).
    """

    def __init__(self, encoded: int = 4):
        super().__init__()
        self.spectral = SpectralNetwork()
        self.encoder = SpeakerEncoder()
        self.encoded = nn.ModuleList(EncodedNetwork() for _ in range(encoded))

    @property
    def members(self) -> list[EncodedNetwork]:
        """Those over the encoder's states."""
        return [member for member in self.encoded if isinstance(member, EncodedNetwork)]

    def forward(self, x: Tensor, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        encoded = (member.attended(states, lengths) for member in self.members)
        logits, weights = zip(self.spectral.attended(x, lengths), *encoded, strict=True)
        return torch.stack(logits).mean(dim=0), torch.stack(weights).mean(dim=(0, 2))


def attention(layer: nn.Module, states: Tensor, inside: Tensor) -> Tensor:
    """How much each head looks at each moment of states (n, c, t), (n, heads, t): 0 where ``inside`` (n, t) is not."""
    scores: Tensor = layer(states).float()
    return scores.masked_fill(~inside[:, None], float("-inf")).softmax(dim=2)


def pooled(states: Tensor, weights: Tensor) -> Tensor:
    """Mean and standard deviation of each channel under each head's weights: (n, c, t) and (n, heads, t) to (n, 2 heads c)."""
    mean = torch.einsum("nht,nct->nhc", weights, states)
    variance = torch.einsum("nht,nct->nhc", weights, states.square()) - mean.square()
    return torch.cat([mean, (variance.clamp(min=0) + 1e-5).sqrt()], dim=2).flatten(1)


class Residual(nn.Module):
    """Pre-activation block of two 3 x 3 convolutions (He et al. 2016)."""

    def __init__(self, inside: int, outside: int, stride: tuple[int, int]):
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(inside), nn.ReLU(inplace=True))
        self.convolve = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
        )
        same = stride == (1, 1) and inside == outside
        self.around = None if same else nn.Conv2d(inside, outside, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.activate(x)
        result: Tensor = (x if self.around is None else self.around(active)) + self.convolve(active)
        return result


class SpeechRecogniser(SpeechReader):
    """The project's own voice model."""

    window, step = WINDOW, STEP

    def __init__(self, choice: Choice):
        super().__init__(choice)
        folder = choice.local
        state = tensors(folder)
        self.banks = {name: state.pop(f"banks.{name}") for name in ("mel", "chroma", "encoder")}
        self.network = SpeechNetwork(**config(folder)["network"])
        fill(self.network, state, folder)
        self.network.eval()

    @torch.inference_mode()
    def hear(self, samples: np.ndarray, voice: prosody.Prosody, starts: Sequence[int], length: int) -> Heard:
        samples = noise.reduced(samples, voice)
        x = features(samples, self.banks, voice)
        # Once for all windows, which overlap: half the work, and the encoder's memory is empty only before the first.
        states = self.network.encoder(encoder_input(samples, self.banks, voice)[None])[0]
        parts = []
        for i in range(0, len(starts), BATCH):
            some = starts[i : i + BATCH]
            windows = torch.stack([x[start : start + length] for start in some])
            encoded = torch.stack([states[start // STRIDE :][: -(-length // STRIDE)] for start in some])
            parts.append([t.numpy() for t in self.network(windows, encoded, torch.full((len(some),), length))])
        logits, looks = (np.concatenate(kind) for kind in zip(*parts, strict=True))
        first, frames = voiced_span(voice)[0], len(voice.f0)
        return Heard(logits, _along(looks, [first + start for start in starts], frames), _step(frames))


def _step(frames: int) -> int:
    """Frames to a segment of attention: STRIDE of them, or a multiple that leaves at most MAX_SEGMENTS."""
    return STRIDE * -(-frames // (STRIDE * MAX_SEGMENTS))


def _along(looks: np.ndarray, starts: list[int], frames: int) -> np.ndarray:
    """The attention of windows (w, t/4), which begin at ``starts``, over the segments of a whole recording; sums to 1."""
    step = _step(frames)
    at = (np.array(starts)[:, None] + np.arange(looks.shape[1]) * STRIDE) // step
    total = np.bincount(np.minimum(at, (frames - 1) // step).ravel(), looks.ravel(), minlength=(frames - 1) // step + 1)
    shares: np.ndarray = total / total.sum()
    return shares.astype(np.float32)
