"""Networks of the real architectures, tiny and random, in folders laid out as published models are."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from emotion.labels import GOEMOTIONS, LABELS

EIGHT = ("Angry", "Calm", "Disgust", "Fearful", "Happy", "Neutral", "Sad", "Surprised")
SEVEN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
WORDS = "the glad dog is sad and i am so happy today about my friend who was angry".split()
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "initializer_range": 0.5}


def named(labels):
    return {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}


def tokenizer(mask=True):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {
        "bos_token": "<s>",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "cls_token": "<s>",
        "sep_token": "</s>",
    }
    return PreTrainedTokenizerFast(tokenizer_object=words, **names, **({"mask_token": "<mask>"} if mask else {}))


def loud(kind, config):
    """A network of random weights that tell one input from another: those of a new head are near nothing."""
    torch.manual_seed(1)
    model = kind(config)
    for parameter in model.classifier.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    return model.eval()


def goemotions(folder):
    config = RobertaConfig(
        vocab_size=32,
        max_position_embeddings=34,
        pad_token_id=1,
        problem_type="multi_label_classification",
        **SMALL,
        **named(GOEMOTIONS),
    )
    network = loud(RobertaForSequenceClassification, config)
    network.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return network


def seven(folder):
    network = loud(BertForSequenceClassification, BertConfig(vocab_size=32, max_position_embeddings=64, **SMALL, **named(SEVEN)))
    network.save_pretrained(folder)
    tokenizer(mask=False).save_pretrained(folder)
    return network


def wav2vec2(folder):
    network = loud(Wav2Vec2ForSequenceClassification, wav2vec2_config(EIGHT))
    network.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder)
    return network


def wav2vec2_config(labels):
    convolutions = {
        "conv_dim": (8,) * 7,
        "num_feat_extract_layers": 7,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    }
    return Wav2Vec2Config(vocab_size=8, classifier_proj_size=8, **convolutions, **SMALL, **named(labels))


def vit(folder):
    network = loud(ViTForImageClassification, ViTConfig(image_size=32, patch_size=8, **SMALL, **named(LABELS)))
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return network


def whisper(folder, vocabulary=51864):
    """Two layers; the vocabulary is that of the English models."""
    torch.manual_seed(0)
    sizes = {
        f"{part}_{name}": n
        for part in ("encoder", "decoder")
        for name, n in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 64))
    }
    config = WhisperConfig(vocab_size=vocabulary, d_model=16, max_target_positions=32, init_std=0.3, **sizes)
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


def saved(folder, nodes, inputs, outputs, constants, name="model.onnx"):
    """An ONNX file of nodes and constants."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs.items()],
        [numpy_helper.from_array(value, n) for n, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir(exist_ok=True)
    onnx.save(model, str(folder / name))
    return folder


def expression_network(folder, outputs=7, worth=1.0, softmax=False):
    """A convolution of 14 x 14 pixels and a linear layer; the kernel's and the matrix's weights come with it."""
    rng = np.random.default_rng(3)
    kernel = (rng.normal(size=(4, 3, 14, 14)) / 20).astype(np.float32)
    matrix = (rng.normal(size=(4 * 64, outputs)) / 4).astype(np.float32) * np.float32(worth)
    nodes = [
        helper.make_node("Conv", ["data", "kernel"], ["maps"], strides=[14, 14]),
        helper.make_node("Relu", ["maps"], ["rectified"]),
        helper.make_node("Flatten", ["rectified"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["scores" if softmax else "label"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["label"], axis=1))
    saved(folder, nodes, {"data": [1, 3, 112, 112]}, {"label": [1, outputs]}, {"kernel": kernel, "matrix": matrix})
    return kernel, matrix


CELL = 8  # pixels of a cell of the finest map
FEATURES = ((-3.5, -3.0), (3.5, -3.0), (0.0, 0.5), (-2.5, 4.5), (2.5, 4.5))  # of a face whose nose has the mark, in cells
EYES_APART = 7 * CELL


def blue_nose(folder):
    """A network in the layout of YuNet that sees a face of one size around every bright blue cell of 8 x 8 pixels."""
    constants, nodes, outputs = {}, [], {}
    sizes = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    for stride in (8, 16, 32):
        cells = (64 // stride) ** 2
        for kind, size in sizes.items():
            name = f"{kind}_{stride}"
            kernel, bias = np.zeros((size, 3, stride, stride), np.float32), np.zeros(size, np.float32)
            if kind == "cls":
                # Blue, green, red from 0 to 255: only what is bright blue and nothing else passes.
                kernel[0] = np.array([0.1, -0.1, -0.1], np.float32)[:, None, None] / stride**2 if stride == CELL else 0.0
                bias[:] = -15.0
            elif kind == "obj":
                bias[:] = 15.0
            elif kind == "bbox":
                bias[:] = (0.5, 0.5, np.log(12), np.log(14))
            else:
                bias[:] = np.ravel(FEATURES) + 0.5
            constants |= {f"{name}_kernel": kernel, f"{name}_bias": bias, f"{name}_shape": np.array([1, -1, size])}
            nodes.append(
                helper.make_node(
                    "Conv",
                    ["input", f"{name}_kernel", f"{name}_bias"],
                    [f"{name}_map"],
                    strides=[stride] * 2,
                    kernel_shape=[stride] * 2,
                )
            )
            last = f"{name}_map"
            if kind in ("cls", "obj"):
                nodes.append(helper.make_node("Sigmoid", [last], [f"{name}_share"]))
                last = f"{name}_share"
            nodes.append(helper.make_node("Transpose", [last], [f"{name}_turned"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Reshape", [f"{name}_turned", f"{name}_shape"], [name]))
            outputs[name] = [1, cells, size]
    return saved(folder, nodes, {"input": [1, 3, 64, 64]}, outputs, constants)
