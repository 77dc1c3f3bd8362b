"""The text recogniser: a small BERT over one utterance, indifferent to case, punctuation and emoji."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertConfig, BertModel

from emotion.fusion import calibrate
from emotion.labels import LABELS
from emotion.readings import Segment, TextReading, Window
from emotion.weights import Choice, config, tensors

MAX_TOKENS = 128  # an utterance; of longer texts every stretch of 128 tokens is read and the readings are averaged
BATCH = 32

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


def normalise(text: str) -> str:
    """Lower case, plain quotes, no emoji or control characters, single spaces.

    Speech to text writes neither case nor emoji, and a picture at the end of a sentence must not decide over its words.
    """
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES)).lower()
    kept = "".join(c if unicodedata.category(c)[0] not in "SC" or c in "$+=<>^|~`" else " " for c in text)
    return re.sub(r"\s+", " ", kept).strip()


def encode(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    """Token ids of a text in stretches of at most MAX_TOKENS, each with [CLS] and [SEP] around it."""
    first, *ids, last = tokenizer.encode(normalise(text)).ids
    room = MAX_TOKENS - 2
    stretches = [ids[start : start + room] for start in range(0, max(len(ids), 1), room)]
    return [[first, *stretch, last] for stretch in stretches]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both int64 (n, longest); the padding id is 0."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


class TextNetwork(nn.Module):
    """BERT encoder, mean over the tokens, linear layer: (n, t) token ids and mask to logits (n, 7).

    The encoder has the shape of all-MiniLM-L6-v2 (Wang et al. 2020): 6 layers, 384 wide. The mean over tokens is how that model
    was trained to sum up a sentence.
    """

    def __init__(self, vocabulary: int, width: int = 384, layers: int = 6, heads: int = 12, dropout: float = 0.1):
        super().__init__()
        self.encoder = BertModel(
            BertConfig(
                vocab_size=vocabulary,
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=4 * width,
                max_position_embeddings=MAX_TOKENS,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
            ),
            add_pooling_layer=False,
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, len(LABELS)))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, t, width)
        share = mask.unsqueeze(2).to(states.dtype)
        return self.head((states * share).sum(dim=1) / share.sum(dim=1))


class TextRecogniser:
    """A loaded text model. Thread-safe: nothing changes after loading."""

    def __init__(self, choice: Choice):
        folder = choice.path
        self.info, self.temperature = choice.info, choice.temperature or 1.0
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.unknown = self.tokenizer.token_to_id("[UNK]")
        self.network = TextNetwork(**config(folder)["network"])
        self.network.load_state_dict(tensors(folder))
        self.network.eval()

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities, float32 (n, 7), of texts of any length; one without words gets the model's guess at nothing."""
        stretches = [encode(self.tokenizer, text) for text in texts]
        owner = np.repeat(np.arange(len(texts)), [len(s) for s in stretches])
        rows = [row for stretch in stretches for row in stretch]
        length = np.array([len(row) for row in rows], np.float64)
        logits = self._logits(rows)
        mean = np.zeros((len(texts), len(LABELS)))
        np.add.at(mean, owner, logits * length[:, None])
        total = np.bincount(owner, length, minlength=len(texts))
        return calibrate(mean / np.maximum(total, 1.0)[:, None], self.temperature)

    def read(self, text: str, confidence: float = 1.0, segments: Sequence[Segment] = ()) -> TextReading | None:
        """The Reading of a text, or None when it holds no word. ``confidence``: expected word accuracy of a transcript.

        The reliability is the confidence times the share of words that the model knows: little for another language.
        """
        tokens = self.tokenizer.encode(normalise(text)).ids[1:-1]
        if not re.search(r"\w", normalise(text)):
            return None
        known = 1.0 - tokens.count(self.unknown) / len(tokens)
        said = [segment for segment in segments if re.search(r"\w", normalise(segment.text))]
        whole, *parts = self.predict([text, *(segment.text for segment in said)])
        windows = tuple(Window(s.start, s.end, part) for s, part in zip(said, parts, strict=True))
        return TextReading(whole, confidence * known, windows=windows)

    @torch.inference_mode()
    def _logits(self, rows: list[list[int]]) -> np.ndarray:
        parts = [self.network(*pad(rows[start : start + BATCH])) for start in range(0, len(rows), BATCH)]
        return torch.cat(parts).numpy() if parts else np.zeros((0, len(LABELS)), np.float32)
