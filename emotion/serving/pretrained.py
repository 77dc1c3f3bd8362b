"""Recognisers around published models: classifiers of the transformers library in a local folder, laid out as on the Hub.

Only safetensors are read, no code of the folder is run, and no connection is made. A model that does not fit, or lacks a part, is
refused when it is loaded.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import soxr
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from emotion.checkpoint import Choice
from emotion.face.reader import FaceReader, coloured
from emotion.labels import LABELS
from emotion.messages import InputError
from emotion.serving.label_map import LabelMap
from emotion.sound import HOP, SAMPLE_RATE
from emotion.speech import prosody
from emotion.speech.reader import Heard, SpeechReader
from emotion.text.reader import TextReader, known_share

LOCAL = {"local_files_only": True, "trust_remote_code": False}

MAX_TOKENS = 512  # of a segment, where the model does not allow fewer: attention's cost grows faster than the length
TEXT_BATCH = 8
MAX_WORDS = 24  # that are weighed: each takes a pass, 0.1 s with a model of a usual size

WINDOW = 250  # frames, 5 s, without overlap: such models take a second of a core for it, and learned from sentences
MAX_WINDOWS = 24  # two minutes without a gap
LEAST_SAMPLES = 1600  # 0.1 s at 16 kHz: convolutions over the sound need 25 ms

FACE_BATCH = 4
MAX_FRAMES = 16  # a transformer of the usual size takes half a second of a core for a face


class Network:
    """A classifier of transformers and what its outputs mean. Raises InputError where it cannot serve."""

    def __init__(self, kind: Any, choice: Choice):
        if not any(choice.local.glob("*.safetensors")):
            raise InputError("model_without_safetensors", model=choice.name)
        # The library would refuse tensors of another size at length; ``report`` names them.
        options = {"use_safetensors": True, "dtype": torch.float32, "ignore_mismatched_sizes": True}
        self.model, report = _loaded(kind, choice, output_loading_info=True, **options)
        strange = sorted(name for name, *_ in report["mismatched_keys"])
        if strange:
            raise InputError("model_tensor_size", model=choice.name, tensor=strange[0])
        missing = sorted(report["missing_keys"])
        if missing:
            raise InputError("model_untrained", model=choice.name, count=len(missing), tensor=missing[0])
        self.model.eval()
        config = self.model.config
        self.labels = LabelMap.of([config.id2label[i] for i in range(config.num_labels)], choice.labels)
        self.many = config.problem_type == "multi_label_classification"

    @torch.inference_mode()
    def logits(self, inputs: Mapping[str, torch.Tensor]) -> np.ndarray:
        """Logits (n, 7) of our labels. ``inputs``: as the model takes them. Of its labels one holds, or any number of them."""
        outputs = self.model(**inputs).logits.double()
        return self.labels.logits((outputs.sigmoid() if self.many else outputs.softmax(dim=-1)).numpy())


class PretrainedText(TextReader):
    """A text classifier with its tokenizer. A text that is too long is read in segments, whose logits are averaged."""

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.network = Network(AutoModelForSequenceClassification, choice)
        self.tokenizer = _loaded(AutoTokenizer, choice)
        if not self.tokenizer.is_fast:
            raise InputError("model_without_tokenizer", model=choice.name)
        config = self.network.model.config
        positions = getattr(config, "max_position_embeddings", MAX_TOKENS)
        # RoBERTa's positions begin after that of the padding. Other models lose a token or so by this.
        self.longest = min(
            MAX_TOKENS, self.tokenizer.model_max_length, positions - (getattr(config, "pad_token_id", None) or 0) - 1
        )
        self.batch = TEXT_BATCH if self.tokenizer.pad_token else 1
        self.lock = threading.Lock()  # a tokenizer keeps its truncation as a state from call to call
        self.predict(["a trial"])

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        with self.lock:
            rows = self.tokenizer(list(texts), truncation=True, max_length=self.longest, return_overflowing_tokens=True)
        owner = np.array(rows.pop("overflow_to_sample_mapping"))
        length = np.array([len(row) for row in rows["input_ids"]], np.float64)
        share = (length / np.bincount(owner, length)[owner])[:, None]
        parts = []
        for start in range(0, len(owner), self.batch):
            some = {name: values[start : start + self.batch] for name, values in rows.items()}
            parts.append(self.network.logits(self.tokenizer.pad(some, padding=self.batch > 1, return_tensors="pt")))
        mean = np.zeros((len(texts), len(LABELS)))
        np.add.at(mean, owner, np.concatenate(parts) * share)
        return mean

    def known(self, text: str) -> float:
        with self.lock:
            pieces = self.tokenizer.tokenize(text)
        return known_share(pieces, self.tokenizer.unk_token, text)

    def words(self, text: str, label: int) -> tuple[tuple[str, float], ...]:
        """How much probability is lost when a word is replaced by the model's mask token, or removed where it has none.

        Of the first MAX_WORDS words, read without what follows them.
        """
        spans = [match.span() for match in re.finditer(r"\S+", text)][:MAX_WORDS]
        text = text[: spans[-1][1]]
        mask = self.tokenizer.mask_token or ""
        masked = [text[:start] + mask + text[end:] for start, end in spans]
        probability = self.predict([text, *masked])[:, label]
        return tuple((text[start:end], float(probability[0] - p)) for (start, end), p in zip(spans, probability[1:], strict=True))


class PretrainedSpeech(SpeechReader):
    """An audio classifier with its feature extractor, at whose sampling rate it hears."""

    window = step = WINDOW
    max_windows = MAX_WINDOWS

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.network = Network(AutoModelForAudioClassification, choice)
        self.extractor = _loaded(AutoFeatureExtractor, choice)
        self.rate = self.extractor.sampling_rate
        if choice.sampling_rate not in (None, self.rate):
            raise InputError("model_sampling_rate", model=choice.name, rate=self.rate, said=choice.sampling_rate)
        self.predict([np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) / 10)])

    def hear(self, samples: np.ndarray, voice: prosody.Prosody, starts: Sequence[int], length: int) -> Heard:
        first = prosody.voiced_span(voice)[0]
        return Heard(np.concatenate([self._logits(samples[(first + s) * HOP : (first + s + length) * HOP]) for s in starts]))

    def _logits(self, samples: np.ndarray) -> np.ndarray:
        sound = np.pad(np.asarray(samples, np.float32), (0, max(0, LEAST_SAMPLES - len(samples))))
        if self.rate != SAMPLE_RATE:
            sound = soxr.resample(sound, SAMPLE_RATE, self.rate)
        return self.network.logits(self.extractor(sound, sampling_rate=self.rate, return_tensors="pt"))


class PretrainedFace(FaceReader):
    """An image classifier with its image processor, on faces cut out in colour."""

    max_frames = MAX_FRAMES

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.network = Network(AutoModelForImageClassification, choice)
        self.processor = _loaded(AutoImageProcessor, choice)
        self.predict([np.full((48, 48, 3), 128, np.uint8)])

    def logits(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        for start in range(0, len(crops), FACE_BATCH):
            faces = [coloured(crop) for crop in crops[start : start + FACE_BATCH]]
            parts.append(self.network.logits(self.processor(faces, input_data_format="channels_last", return_tensors="pt")))
        return np.concatenate(parts)


def _loaded(kind: Any, choice: Choice, **options: Any) -> Any:
    """What a class of transformers loads from the model's folder. Raises InputError where it cannot."""
    try:
        return kind.from_pretrained(str(choice.path), **LOCAL, **options)
    except Exception as e:  # a stranger's folder can be wrong in as many ways as the library has classes
        reason = next((line.strip() for line in str(e).splitlines() if line.strip()), type(e).__name__)
        raise InputError("model_not_loadable", model=choice.name, reason=reason) from e
