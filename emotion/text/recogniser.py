"""The text recogniser: a small BERT over one utterance, indifferent to case, punctuation and emoji."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertConfig, BertModel

from emotion.checkpoint import Choice, config, fill, tensors
from emotion.labels import GOEMOTIONS, GOEMOTIONS_TO_LABEL, LABELS
from emotion.text.reader import TextReader, known_share

MAX_TOKENS = 128  # an utterance; of longer texts every segment of 128 tokens is read and the readings are averaged
EMOTIONS = len(GOEMOTIONS)
EMOTION_GROUPS = [[i for i, of in GOEMOTIONS_TO_LABEL.items() if of == label] for label in range(len(LABELS))]
BATCH = 32
MAX_WORDS = 60  # that are weighed

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


def normalise(text: str) -> str:
    """Lower case, plain quotes, no emoji or control characters, single spaces.

    Speech to text writes neither case nor emoji, and a picture at the end of a sentence must not decide over its words.
    """
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES)).lower()
    kept = "".join(c if unicodedata.category(c)[0] not in "SC" or c in "$+=<>^|~`" else " " for c in text)
    return re.sub(r"\s+", " ", kept).strip()


def encode(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    """Token ids of a text in segments of at most MAX_TOKENS, each with [CLS] and [SEP] around it."""
    first, *ids, last = tokenizer.encode(normalise(text)).ids
    room = MAX_TOKENS - 2
    segments = [ids[start : start + room] for start in range(0, max(len(ids), 1), room)]
    return [[first, *segment, last] for segment in segments]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both int64 (n, longest); the padding id is 0."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


class TextNetwork(nn.Module):
    """BERT encoder, mean over the tokens, two linear layers: (n, t) token ids and mask to logits (n, 7) and (n, 28).

    The first are of the seven labels, one of which holds; the second of the emotions of GoEmotions, any number of which may.

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
        self.dropout = nn.Dropout(0.2)
        self.label = nn.Linear(width, len(LABELS))
        self.emotions = nn.Linear(width, EMOTIONS)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, t, width)
        share = mask.unsqueeze(2).to(states.dtype)
        mean = self.dropout((states * share).sum(dim=1) / share.sum(dim=1))
        return self.label(mean), self.emotions(mean)


class TextRecogniser(TextReader):
    """The project's own text model."""

    def __init__(self, choice: Choice):
        super().__init__(choice)
        folder, settings = choice.local, config(choice.local)
        self.thresholds = np.array(settings["thresholds"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.network = TextNetwork(**settings["network"])
        fill(self.network, tensors(folder), folder)
        self.network.eval()

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        return self._logits(texts)[0]

    def shows(self, texts: Sequence[str]) -> np.ndarray:
        """Which of the seven labels each text shows, any number of them, by the network's second layer: bool (n, 7)."""
        return label_scores(self._logits(texts)[1]) > self.thresholds

    def known(self, text: str) -> float:
        plain = normalise(text)
        return known_share(self.tokenizer.encode(plain).tokens[1:-1], "[UNK]", plain)

    @torch.inference_mode()
    def words(self, text: str, label: int) -> tuple[tuple[str, float], ...]:
        """How much each word adds to the probability of a label, -1 to 1: what is lost when it alone is masked (occlusion).

        Of the first MAX_TOKENS pieces of the text and at most MAX_WORDS words, in the spelling that the model reads.
        """
        plain = normalise(text)
        encoding = self.tokenizer.encode(plain)
        inside = min(len(encoding.ids) - 1, MAX_TOKENS - 1)  # without the last, [SEP]
        starts = np.array([start for start, _ in encoding.offsets[1:inside]])
        spans = [match.span() for match in re.finditer(r"\S+", plain) if starts.size and match.start() <= starts[-1]][:MAX_WORDS]
        starts = starts[starts < spans[-1][1]] if spans else starts
        inside = 1 + len(starts)
        mask = torch.ones(1 + len(spans), inside + 1, dtype=torch.long)  # the first row masks nothing
        for row, (start, end) in zip(mask[1:], spans, strict=True):
            row[1:inside] = torch.as_tensor((starts < start) | (starts >= end))
        ids = torch.tensor([[*encoding.ids[:inside], encoding.ids[-1]]]).expand(len(mask), -1)
        parts = [self.network(*pair)[0] for pair in zip(ids.split(BATCH), mask.split(BATCH), strict=True)]
        probability = self.calibrated(torch.cat(parts).numpy())[:, label]
        return tuple(
            (plain[start:end], float(probability[0] - p)) for (start, end), p in zip(spans, probability[1:], strict=True)
        )

    @torch.inference_mode()
    def _logits(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Of the labels (n, 7) and of the emotions (n, 28); a longer text has the mean of its segments, each as it is long."""
        segments = [encode(self.tokenizer, text) for text in texts]
        rows = [row for segment in segments for row in segment]
        owner = np.repeat(np.arange(len(texts)), [len(s) for s in segments])
        length = np.array([len(row) for row in rows], np.float64)
        share = (length / np.maximum(np.bincount(owner, length, minlength=len(texts)), 1.0)[owner])[:, None]
        parts = [self.network(*pad(rows[start : start + BATCH])) for start in range(0, len(rows), BATCH)]
        means = np.zeros((len(texts), len(LABELS))), np.zeros((len(texts), EMOTIONS))
        for mean, logits in zip(means, zip(*parts, strict=True), strict=False):
            np.add.at(mean, owner, torch.cat(logits).numpy() * share)
        return means


def label_scores(emotion_logits: np.ndarray) -> np.ndarray:
    """How surely any emotion of each label's group is there, (n, 28) to (n, 7), as if they came independently."""
    absent = 1.0 / (1.0 + np.exp(emotion_logits))
    return 1.0 - np.stack([absent[:, group].prod(axis=1) for group in EMOTION_GROUPS], axis=1)
