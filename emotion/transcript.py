"""Speech to text behind a voice-activity check: PocketSphinx, or Whisper where its weights are at hand, or a server's model.

To be called in a worker process: PocketSphinx holds Python's lock for as long as it decodes. Each process builds an engine once.
"""

import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emotion import prosody
from emotion.media import SAMPLE_RATE
from emotion.prosody import FRAME, HOP
from emotion.readings import InputError, Segment, Transcript

if TYPE_CHECKING:
    from whisper import Whisper as WhisperModel

Span = tuple[float, float]  # start and end in seconds from the beginning of the recording

PAUSE_S = 0.5  # a longer one ends a segment of a transcript
REMOTE = "inference:"  # before an engine that a server runs


# --- what the page asks for ----------------------------------------------------------------------------------------------


def transcribe(samples: np.ndarray, language: str = "en", engine: str | None = None) -> Transcript | None:
    """What is said in a recording.

    Parameters: ``samples`` float32 (n,) in [-1, 1], mono, 16 kHz, any length. ``language``: a code such as "en" or "en-US".
    ``engine``: None for PocketSphinx, or a local folder with a Whisper model as on the Hugging Face Hub: ``config.json`` and
    ``model.safetensors``, with ``generation_config.json`` for finer word times; or REMOTE and then the name of a model on the Hub that
    a server runs, or the server's address.

    Returns None where the engine does not know the language (see ``speaks``), and a Transcript without text where no words were
    heard: in silence, noise, hum, tones and knocks. The times of its segments are those of the recording. Its confidence is the
    expected word accuracy, 0 to 1: calibrated for PocketSphinx, for Whisper what the model believes itself.

    Raises InputError when ``engine`` holds no Whisper model.
    """
    if not speaks(language, engine):
        return None
    spans = speech_segments(samples)
    recogniser = _engine(engine)
    words = recogniser.words(samples, spans, language) if spans else []
    if not words:
        return Transcript("", 0.0, recogniser.name)
    segments = tuple(_phrases(words))
    confidence = float(np.mean([word.confidence for word in words]))
    return Transcript(" ".join(segment.text for segment in segments), confidence, recogniser.name, segments)


def speaks(language: str, engine: str | None = None) -> bool:
    """Whether the engine can write this language down. Costs no import: a Whisper model's vocabulary says if it knows others."""
    if engine is not None and engine.startswith(REMOTE):
        return True  # as far as can be known here
    return _code(language) in ENGLISH or (engine is not None and _config(engine)["vocab_size"] >= MULTILINGUAL_VOCABULARY)


def _code(language: str) -> str:
    """Without the country: "en" of "en-US"."""
    return language.strip().lower().replace("_", "-").split("-")[0]


def warm(engine: str | None = None) -> None:
    """Builds the engine of this process, so that its first transcript takes no longer than the next."""
    _engine(engine).warm()


@dataclass(frozen=True)
class Word:
    """One word, ``start`` to ``end`` seconds from the beginning of the recording; ``confidence`` 0 to 1 that it was said."""

    text: str
    start: float
    end: float
    confidence: float


class Engine(Protocol):
    """``name`` is that of ``Transcript.engine``."""

    name: str

    def words(self, samples: np.ndarray, spans: Sequence[Span], language: str) -> list[Word]: ...

    def warm(self) -> None: ...


@functools.lru_cache(maxsize=1)  # a second one would double a worker's memory
def _engine(engine: str | None) -> Engine:
    if engine is None:
        return PocketSphinx()
    if not engine.startswith(REMOTE):
        return Whisper(engine)
    from emotion.remote import RemoteTranscriber

    return RemoteTranscriber(engine.removeprefix(REMOTE))


def _phrases(words: Sequence[Word]) -> Iterator[Segment]:
    """Words joined up to the pauses between them."""
    first = 0
    for i in range(1, len(words) + 1):
        if i == len(words) or words[i].start - words[i - 1].end > PAUSE_S:
            phrase = words[first:i]
            yield Segment(phrase[0].start, phrase[-1].end, " ".join(word.text for word in phrase))
            first = i


# --- voice activity ------------------------------------------------------------------------------------------------------

# Three cues, for none suffices alone: WebRTC's detector takes any steady noise or tone for speech, noise has chance periods, and a
# tone or a hum is as periodic as a vowel. Speech is louder than what surrounds it, periodic now and then, and always changing.
VAD_MODE = 2  # of 0 (lets most pass) to 3
VAD_LEVEL_DB = -20.0  # of the loudest half second, for the detector's thresholds are absolute
VAD_MAX_GAIN_DB = 40.0
WINDOW = 640  # samples, 40 ms: three periods of a low voice
SPEECH_HZ = (80.0, 4000.0)  # band of the level and the spectrum
VOICE_HZ = (80.0, 2000.0)  # band of the periodicity
PITCH_HZ = (70.0, 500.0)
PRE_EMPHASIS = 0.9  # flattens rumble, whose slow swings look periodic
MIN_VOICING = 0.6  # normalised autocorrelation: 0.73 in the middle of speech frames, 0.46 in the highest tenth of noise
FLOOR_PERCENTILE = 10  # of the frame levels: what this percentage of the frames lies under is taken for the background
FLOOR_DB = -80.0  # full scale; the least background, for recordings with digital silence between words
OVER_FLOOR_DB = 6.0
CHANGE_FRAMES = 4  # 80 ms, about one sound of speech
MIN_CHANGE = 0.1  # median 1 - cosine of spectra 80 ms apart: 0.2 to 0.7 in speech, under 0.03 in tones and hum
MAX_PURITY = 0.97  # median share of the 8 strongest bins, 125 Hz together: under 0.94 in speech, over 0.99 in a whistle
MIN_VOICED_FRAMES, MIN_VOICED_SHARE = 5, 0.15  # 0.1 s
MAX_GAP_FRAMES = 15  # 0.3 s: a shorter pause does not end a span


def speech_segments(samples: np.ndarray) -> list[Span]:
    """Where somebody speaks: (start, end) in seconds, in order, more than 0.3 s apart.

    Frames of 20 ms that WebRTC's detector (``pocketsphinx.Vad``) takes for speech and that are louder than the background are joined
    into spans; a span counts when enough of it is periodic and its spectrum moves. Whispering has no period and is not found.

    Parameters: ``samples`` float32 (n,), mono, 16 kHz, any length. Silence, noise, hum, tones and knocks give an empty list.
    """
    samples = np.asarray(samples, np.float32)
    cues = _cues(samples)
    loud = cues.level_db > max(np.percentile(cues.level_db, FLOOR_PERCENTILE), FLOOR_DB) + OVER_FLOOR_DB
    if not loud.any():
        return []
    active = loud & _vad(samples, cues.level_db)
    voiced = active & (cues.voicing > MIN_VOICING)
    spans = []
    for start, end in _joined(_runs(active), MAX_GAP_FRAMES):
        inside = np.flatnonzero(voiced[start:end]) + start
        if len(inside) < max(MIN_VOICED_FRAMES, MIN_VOICED_SHARE * (end - start)):
            continue
        if np.median(cues.change[inside]) > MIN_CHANGE and np.median(cues.purity[inside]) < MAX_PURITY:
            spans.append((max(0, start - 0.5) * HOP / SAMPLE_RATE, min((end - 0.5) * HOP, len(samples)) / SAMPLE_RATE))
    return spans


@dataclass(frozen=True, eq=False)
class _Cues:
    """Of frames centred on every HOP samples, each float32 (t,): ``level_db`` in dB full scale; ``voicing``, the highest normalised
    autocorrelation at a period of speech; ``change`` against 80 ms before; ``purity``, the share of the strongest bins."""

    level_db: np.ndarray
    voicing: np.ndarray
    change: np.ndarray
    purity: np.ndarray


def _cues(samples: np.ndarray) -> _Cues:
    framed = prosody.frames(samples)[:, (FRAME - WINDOW) // 2 : (FRAME + WINDOW) // 2]
    parts = [_measured(framed[i : i + prosody.CHUNK]) for i in range(0, len(framed), prosody.CHUNK)]
    level_db, voicing, purity, shape = (np.concatenate(column) for column in zip(*parts, strict=True))
    change = np.zeros(len(shape), np.float32)
    change[CHANGE_FRAMES:] = 1 - np.sum(shape[CHANGE_FRAMES:] * shape[:-CHANGE_FRAMES], axis=1)
    return _Cues(level_db, voicing, change, purity)


def _measured(framed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Level, voicing, purity (t,) and magnitude spectrum of unit length (t, bins) of frames (t, WINDOW)."""
    window = np.hanning(WINDOW).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(framed * window, FRAME))).astype(np.float32)  # (t, 513)
    hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    banded = power[:, (hz >= SPEECH_HZ[0]) & (hz <= SPEECH_HZ[1])]
    total = banded.sum(axis=1) + 1e-12
    # Twice the one-sided power over the window's energy is the mean square of the frame (Parseval).
    level_db = 10 * np.log10(2 * total / (FRAME * np.sum(window**2)))
    purity = np.partition(banded, -8, axis=1)[:, -8:].sum(axis=1) / total

    emphasis = np.abs(1 - PRE_EMPHASIS * np.exp(-2j * np.pi * hz / SAMPLE_RATE)) ** 2
    emphasis[(hz < VOICE_HZ[0]) | (hz > VOICE_HZ[1])] = 0
    correlation = np.fft.irfft(power * emphasis.astype(np.float32))
    taper = np.fft.irfft(np.square(np.abs(np.fft.rfft(window, FRAME))))  # of the window itself, which falls with the lag
    lags = slice(int(SAMPLE_RATE / PITCH_HZ[1]), int(SAMPLE_RATE / PITCH_HZ[0]) + 1)
    voicing = (correlation[:, lags] / (taper[lags] / taper[0])).max(axis=1) / (correlation[:, 0] + 1e-12)
    return level_db, voicing, purity, np.sqrt(banded / total[:, None])


def _vad(samples: np.ndarray, level_db: np.ndarray) -> np.ndarray:
    """WebRTC's decision for each frame, bool (t,)."""
    from pocketsphinx import Vad

    vad = Vad(mode=VAD_MODE, sample_rate=SAMPLE_RATE, frame_length=HOP / SAMPLE_RATE)
    centred = np.pad(samples, (HOP // 2, HOP))  # frame i is centred on sample i * HOP
    data = pcm(centred, min(VAD_LEVEL_DB - _loudest(level_db), VAD_MAX_GAIN_DB))
    return np.array([vad.is_speech(data[2 * HOP * i : 2 * HOP * (i + 1)]) for i in range(len(level_db))], bool)


def _loudest(level_db: np.ndarray) -> float:
    """The level that half a second reaches: knocks are shorter, words together longer."""
    half_second = min(len(level_db), SAMPLE_RATE // (2 * HOP))
    return float(np.sort(level_db)[-half_second])


def pcm(samples: np.ndarray, gain_db: float) -> bytes:
    """16-bit integers, little-endian, limited at full scale."""
    return np.clip(samples * np.float32(10 ** (gain_db / 20) * 32767), -32768, 32767).astype("<i2").tobytes()


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _joined(spans: Sequence[tuple], gap: float, longest: float = math.inf) -> list[tuple]:
    """Spans with those joined that lie at most ``gap`` apart and make no more than ``longest`` together."""
    joined: list[tuple] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap and end - joined[-1][0] <= longest:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


# --- PocketSphinx --------------------------------------------------------------------------------------------------------

CALIBRATION = Path(__file__).parent / "models" / "transcript" / "calibration.json"
ENGLISH = ("en", "eng", "english")

UTTERANCE_GAP_S = 0.6  # a shorter pause does not end an utterance: the language model gains more than the search loses
UTTERANCE_S = 20.0  # the longest utterance that spans are joined to: memory and the last pass grow with it
MARGIN_S = 0.1  # decoded before and after: the model expects a little silence, and more of it spoils the cepstral mean
DECODE_LEVEL_DB = -20.0  # of the loudest half second of an utterance: the noise removal has an absolute floor
FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*\+\+")  # <s>, <sil>, [NOISE], ++BREATH++
VARIANT = re.compile(r"\(\d+\)$")

FRAME_RATE = 100  # of the decoder, a second
FEATURES = ("mean_log_posterior", "acoustic_score_per_frame")  # natural logarithms

SETTINGS = {"maxhmmpf": 3000, "maxwpf": 10, "warp_type": "inverse_linear", "warp_params": "1.0"}
# A short vocal tract spreads the spectrum, and few of the model's speakers had one: warping its frequencies (Eide & Gish 1996) took
# the word error rate of women from 0.62 to 0.50 and left that of men as it was.
HIGH_VOICE_HZ = 180.0  # median F0 above which a voice is taken to come from a short vocal tract
HIGH_VOICE_WARP = 1.25


class PocketSphinx:
    """The US English model of the PyPI package ``pocketsphinx``: a PTM acoustic model, a trigram and CMUdict's words.

    Loads in 0.4 s; a process with it takes 170 MB, and 350 MB after minutes of speech. The same sound gives the same words, whatever
    was heard before.
    """

    name = "pocketsphinx-en-us"

    def __init__(self, calibration: "Calibration | None" = None) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(loglevel="FATAL", **SETTINGS)
        self._calibration = calibration or Calibration.read(CALIBRATION)

    def words(self, samples: np.ndarray, spans: Sequence[Span], language: str = "en") -> list[Word]:
        """Words of each utterance, with the utterance's expected word accuracy as their confidence."""
        return [
            Word(text, start, end, self.confidence(utterance))
            for utterance in self.utterances(samples, spans)
            for text, start, end in utterance.words
        ]

    def confidence(self, utterance: "Utterance") -> float:
        """Expected word accuracy, 0 to the calibration's ceiling."""
        return self._calibration.expected_accuracy(utterance.features)

    def utterances(self, samples: np.ndarray, spans: Sequence[Span]) -> Iterator["Utterance"]:
        """What the decoder makes of the spans, those close to one another decoded as one; utterances without a word are left out."""
        for start, end in utterance_spans(samples, spans, UTTERANCE_GAP_S, UTTERANCE_S):
            first = max(0, round((start - MARGIN_S) * SAMPLE_RATE))
            utterance = self._decode(samples[first : round((end + MARGIN_S) * SAMPLE_RATE)], first / SAMPLE_RATE)
            if utterance.words:
                yield utterance

    def warm(self) -> None:
        """Decodes half a second of noise: what is read and allocated at first use is then there."""
        self._decode(np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE // 2).astype(np.float32), 0.0)

    def _decode(self, samples: np.ndarray, offset: float) -> "Utterance":
        decoder = self._decoder
        pitch_hz = prosody.measure(samples).pitch_hz
        high = pitch_hz is not None and pitch_hz > HIGH_VOICE_HZ
        decoder.config["warp_params"] = str(HIGH_VOICE_WARP if high else 1.0)
        # In 0.2 ms. It also forgets the noise of what was decoded before, which would be removed from this utterance.
        decoder.reinit_feat(decoder.config)
        decoder.start_utt()
        # The whole utterance at once: the cepstral mean is then its own and not that of what was decoded before.
        decoder.process_raw(pcm(samples, DECODE_LEVEL_DB - _loudest(_cues(samples).level_db)), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return Utterance((), np.zeros(len(FEATURES)))
        found = spoken(decoder.seg())
        words = tuple(
            (plain(s.word), offset + s.start_frame / FRAME_RATE, offset + (s.end_frame + 1) / FRAME_RATE) for s in found
        )
        return Utterance(words, _features(found))


def spoken(segments: Iterable[Any]) -> list[Any]:
    """The decoder's segments without silence, noise and the marks of begin and end."""
    return [segment for segment in segments if not FILLER.fullmatch(segment.word)]


def plain(word: str) -> str:
    """A word without the number of the pronunciation that matched: "the(2)" is "the"."""
    return VARIANT.sub("", word)


@dataclass(frozen=True, eq=False)
class Utterance:
    """``words``: (text, start, end) in seconds of the recording. ``features``: float64 (len(FEATURES),), for the calibration."""

    words: tuple[tuple[str, float, float], ...]
    features: np.ndarray


def _features(words: Sequence[Any]) -> np.ndarray:
    """What tells a good hypothesis from a bad one, of the decoder's word segments: how far other words would fit as well, and how
    well these fit the sound. (The decoder's own confidence is the product of the posteriors, and so falls with every word.)"""
    if not words:
        return np.zeros(len(FEATURES))
    posterior = np.log(np.clip([word.prob for word in words], 1e-6, 1.0))
    acoustic = np.log(np.clip([word.ascore for word in words], 1e-300, 1.0))
    return np.array([posterior.mean(), acoustic.sum() / sum(word.end_frame - word.start_frame + 1 for word in words)])


@dataclass(frozen=True)
class Calibration:
    """Expected word accuracy, 1 - word error rate in 0..1, of an utterance: a logistic function of its features.

    ``weights`` and ``bias`` act on the features limited to ``low`` and ``high``, the range that they were fitted in;
    ``ceiling`` bounds the result, for what the fit could not see.
    """

    weights: tuple[float, ...]
    bias: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    ceiling: float

    @classmethod
    def read(cls, file: Path) -> "Calibration":
        """Raises ValueError when the file was fitted to other features or settings of the decoder than are in use."""
        content = json.loads(file.read_text("utf-8"))
        if content["features"] != list(FEATURES) or content["settings"] != SETTINGS:
            raise ValueError(f"{file} was fitted to {content['features']} at {content['settings']}: fit it again.")
        weights, low, high = (tuple(content[name]) for name in ("weights", "low", "high"))
        return cls(weights, content["bias"], low, high, content["ceiling"])

    def expected_accuracy(self, features: np.ndarray) -> float:
        inside = np.clip(features, self.low, self.high)
        return min(1 / (1 + math.exp(-self.bias - float(np.dot(self.weights, inside)))), self.ceiling)


def utterance_spans(samples: np.ndarray, spans: Sequence[Span], gap: float, longest: float) -> list[Span]:
    """Spans joined over short pauses up to ``longest`` seconds, and those longer than it cut where they are quietest."""
    return _joined([part for span in spans for part in _cut(samples, span, longest)], gap, longest)


def _cut(samples: np.ndarray, span: Span, longest: float) -> list[Span]:
    start, end = span
    if end - start <= longest:
        return [span]
    first, last = (int((start + share * longest) * SAMPLE_RATE) for share in (0.5, 1.0))
    level = prosody.frames(samples[first:last]).var(axis=1)
    middle = (first + int(level.argmin()) * HOP) / SAMPLE_RATE
    return [(start, middle), *_cut(samples, (middle, end), longest)]


# --- Whisper -------------------------------------------------------------------------------------------------------------

MULTILINGUAL_VOCABULARY = 51865  # tokens; the English-only models have one less
WHISPER_S = 28.0  # the model hears 30 s at once, whatever it is given: spans are joined to as much, whatever the pause
WHISPER_CEILING = 0.95  # of any confidence: the model is sure of what it makes up, too
REPETITIVE = 2.4  # zlib's compression ratio of a text: above it the model is stuck in a loop (Radford et al. 2022, section 4.5)

# From the names of transformers to those of openai-whisper, in this order: the norms' names contain those of the attentions.
RENAMED = (
    ("model.", ""),
    ("self_attn_layer_norm", "attn_ln"),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("final_layer_norm", "mlp_ln"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
    ("self_attn", "attn"),
    ("encoder_attn", "cross_attn"),
    ("q_proj", "query"),
    ("k_proj", "key"),
    ("v_proj", "value"),
    ("out_proj", "out"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("layers.", "blocks."),
    ("embed_positions.weight", "positional_embedding"),
    ("embed_tokens", "token_embedding"),
)


class Whisper:
    """A Whisper model (Radford et al. 2022) of a local folder, run by ``openai-whisper`` on the processor in float32.

    Without sampling, so that the same sound gives the same words; what it repeats in a loop is left out.
    """

    def __init__(self, folder: str) -> None:
        self.name = Path(_config(folder).get("_name_or_path") or folder).name
        self._model = load_whisper(folder)

    def words(self, samples: np.ndarray, spans: Sequence[Span], language: str) -> list[Word]:
        """Words with the model's own belief in their passage: exp(mean log probability of its tokens) (1 - no-speech probability).

        Raises InputError for a language that Whisper has no name for.
        """
        from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

        code = _code(language)
        if code not in LANGUAGES and code not in TO_LANGUAGE_CODE:
            raise InputError(f"Whisper knows no language {language!r}.")
        words = []
        for start, end in utterance_spans(samples, spans, math.inf, WHISPER_S):
            first = max(0, round((start - MARGIN_S) * SAMPLE_RATE))
            piece = np.ascontiguousarray(samples[first : round((end + MARGIN_S) * SAMPLE_RATE)], np.float32)
            for passage in self._passages(piece, code):
                belief = min(math.exp(passage["avg_logprob"]) * (1 - passage["no_speech_prob"]), WHISPER_CEILING)
                offset = first / SAMPLE_RATE
                words += [Word(w["word"].strip(), offset + w["start"], offset + w["end"], belief) for w in passage["words"]]
        return [word for word in words if word.text]

    def warm(self) -> None:
        """Transcribes a second of silence, and compiles the alignment of words to times, which takes seconds at first use."""
        import torch
        from whisper.timing import dtw

        dtw(torch.zeros(2, 2))
        self._passages(np.zeros(SAMPLE_RATE, np.float32), "en")

    def _passages(self, samples: np.ndarray, language: str) -> list[dict[str, Any]]:
        result = self._model.transcribe(
            samples, language=language, temperature=0.0, condition_on_previous_text=False, word_timestamps=True, fp16=False
        )
        return [passage for passage in result["segments"] if passage["compression_ratio"] <= REPETITIVE]


def load_whisper(folder: str) -> "WhisperModel":
    """A model of openai-whisper with the weights of a folder in the layout of the Hugging Face Hub; only safetensors are read.

    Raises InputError when the folder holds no Whisper model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from whisper.model import ModelDimensions
    from whisper.model import Whisper as Model

    config = _config(folder)
    try:
        model = Model(
            ModelDimensions(
                n_mels=config["num_mel_bins"],
                n_audio_ctx=config["max_source_positions"],
                n_audio_state=config["d_model"],
                n_audio_head=config["encoder_attention_heads"],
                n_audio_layer=config["encoder_layers"],
                n_vocab=config["vocab_size"],
                n_text_ctx=config["max_target_positions"],
                n_text_state=config["d_model"],
                n_text_head=config["decoder_attention_heads"],
                n_text_layer=config["decoder_layers"],
            )
        )
        weights = load_file(Path(folder) / "model.safetensors")
        weights.pop("proj_out.weight", None)  # the output layer is the token embedding
        model.load_state_dict({_parameter(name): tensor for name, tensor in weights.items()})
    except (OSError, KeyError, RuntimeError, SafetensorError) as e:
        raise InputError(f"{folder} holds no Whisper model: {e}") from e
    _set_alignment_heads(model, Path(folder) / "generation_config.json")
    return model.eval()


def _parameter(name: str) -> str:
    for theirs, ours in RENAMED:
        name = name.replace(theirs, ours)
    return name


def _set_alignment_heads(model: "WhisperModel", file: Path) -> None:
    """The attention heads that follow the sound, where the model's authors list them; else openai-whisper's guess stands."""
    import torch

    heads = json.loads(file.read_text("utf-8")).get("alignment_heads") if file.is_file() else None
    if heads:
        mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
        mask[tuple(torch.tensor(heads).T)] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)


@functools.lru_cache(maxsize=8)
def _config(folder: str) -> dict[str, Any]:
    try:
        config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise InputError(f"{folder} holds no Whisper model: {e}") from e
    if config.get("model_type") != "whisper":
        raise InputError(f"{folder} holds no Whisper model but a {config.get('model_type')!r}.")
    return config
