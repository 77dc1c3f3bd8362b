"""Speech to text by the Whisper model of a local folder."""

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion.messages import InputError
from emotion.readings import Transcript
from emotion.sound import SAMPLE_RATE
from emotion.transcript.passages import MARGIN_S, Passage, pieces, transcript_of

if TYPE_CHECKING:
    from whisper import Whisper as WhisperModel

MULTILINGUAL_VOCABULARY = 51865  # tokens; the English-only models have one less
WINDOW_S = 28.0  # of a piece: the model takes as long for any, as it hears 30 s at once
CEILING = 0.95  # of any confidence: the model is sure of what it makes up, too
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
    """A Whisper model (Radford et al. 2022), run by ``openai-whisper`` on the processor in float32.

    It does not sample, so that the same sound gives the same words. What it repeats in a loop is left out.
    """

    def __init__(self, folder: str) -> None:
        self.name = Path(_config(folder).get("_name_or_path") or folder).name
        self._model = load_whisper(folder)

    def draft(self, samples: np.ndarray, language: str) -> Transcript:
        """The segments are the model's own. Raises InputError for a language that Whisper has no name for.

        The confidence in each is exp(mean log probability of its tokens) (1 - no-speech probability), at most CEILING.
        """
        from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

        code = code_of(language)
        if code not in LANGUAGES and code not in TO_LANGUAGE_CODE:
            raise InputError("whisper_language", language=language)
        found = []
        for start, end in pieces(samples, WINDOW_S):
            first = max(0, round((start - MARGIN_S) * SAMPLE_RATE))
            piece = np.ascontiguousarray(samples[first : round((end + MARGIN_S) * SAMPLE_RATE)], np.float32)
            offset, length = first / SAMPLE_RATE, len(piece) / SAMPLE_RATE
            for heard in self._heard(piece, code):
                belief = min(math.exp(heard["avg_logprob"]) * (1 - heard["no_speech_prob"]), CEILING)
                begin, until = (offset + min(heard[name], length) for name in ("start", "end"))  # the model may name later times
                found.append(Passage(begin, until, heard["text"].strip(), belief))
        return transcript_of(self.name, found)

    def checked(self, samples: np.ndarray, heard: Transcript) -> Transcript:
        """As it is: a draft has the model's belief already."""
        return heard

    def warm(self) -> None:
        """Transcribes a second of silence."""
        self._heard(np.zeros(SAMPLE_RATE, np.float32), "en")

    def _heard(self, samples: np.ndarray, language: str) -> list[dict[str, Any]]:
        result = self._model.transcribe(samples, language=language, temperature=0.0, condition_on_previous_text=False, fp16=False)
        return [passage for passage in result["segments"] if passage["compression_ratio"] <= REPETITIVE]


def multilingual(folder: str) -> bool:
    """Whether a folder's model knows more than English, by the size of its vocabulary. Raises InputError where there is none."""
    return bool(_config(folder)["vocab_size"] >= MULTILINGUAL_VOCABULARY)


def code_of(language: str) -> str:
    """A language without the country: "en" of "en-US"."""
    return language.strip().lower().replace("_", "-").split("-")[0]


def load_whisper(folder: str) -> "WhisperModel":
    """A model of openai-whisper with the weights of a folder.

    Parameters
    ----------
    folder : str
        Laid out as on the Hugging Face Hub; only safetensors are read.

    Returns
    -------
    whisper.Whisper

    Raises
    ------
    InputError
        When the folder holds no Whisper model.
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
        raise InputError("whisper_unreadable", folder=folder, reason=e) from e
    return model.eval()


def _parameter(name: str) -> str:
    for theirs, ours in RENAMED:
        name = name.replace(theirs, ours)
    return name


@functools.lru_cache(maxsize=8)
def _config(folder: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise InputError("whisper_unreadable", folder=folder, reason=e) from e
    if config.get("model_type") != "whisper":
        raise InputError("whisper_other_type", folder=folder, type=config.get("model_type"))
    return config
