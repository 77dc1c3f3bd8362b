"""Published models as recognisers: networks of the real architectures, tiny and random, in folders laid out as on the Hub."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import soxr
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    ViTImageProcessor,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from emotion import sound
from emotion.checkpoint import Choice
from emotion.face import detection
from emotion.face.detection import Detection
from emotion.face.recogniser import MIRRORED
from emotion.face.tracking import follow
from emotion.figures import sound_figure
from emotion.labels import GOEMOTIONS_TO_LABEL, LABELS
from emotion.messages import InputError
from emotion.page import frames as page_frames
from emotion.readings import Analysis, FaceReading, Frame, Fusion, Segment
from emotion.serving.label_map import LabelMap
from emotion.serving.loaders import load_recogniser
from emotion.serving.onnx import STANDARD, YuNet, aligned
from emotion.serving.pretrained import MAX_FRAMES, MAX_WORDS, WINDOW
from emotion.serving.slots import Serving
from emotion.serving.weights import DEFAULT_FILE, bundled
from emotion.speech import prosody
from emotion.training import evaluation
from emotion.training.datasets import Example
from tests import published
from tests.clips import blazeface
from tests.sounds import voice

pytestmark = pytest.mark.models


def choice(folder, loader="transformers", **known):
    return Choice("a/model", "hub", "0" * 40, "MIT", folder, loader=loader, **known)


def built(name):
    """A fixture: the folder of a tiny model of ``published``, and its network."""

    @pytest.fixture(scope="module", name=name)
    def build(tmp_path_factory):
        folder = tmp_path_factory.mktemp(name)
        return folder, getattr(published, name)(folder)

    return build


goemotions, seven, wav2vec2, vit = map(built, ("goemotions", "seven", "wav2vec2", "vit"))


def changed(source, target, config=None, drop=(), weights=None):
    """A copy of a model's folder with other entries in its config.json, or other parameters."""
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    entries = json.loads((target / "config.json").read_text("utf-8")) | (config or {})
    (target / "config.json").write_text(json.dumps(entries), "utf-8")
    state = load_file(target / "model.safetensors")
    state = {name: (weights or (lambda name, t: t))(name, tensor) for name, tensor in state.items() if name not in drop}
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    return target


# --- predictions are those of the library, mapped by hand ------------------------------------------------------------------


def test_goemotions_by_the_strongest_of_a_group(goemotions):
    folder, network = goemotions
    texts = ["i am so happy today", "the sad dog", "zebra"]
    model = load_recogniser("text", choice(folder))
    wanted = []
    for text in texts:
        with torch.inference_mode():
            scores = network(**published.tokenizer()(text, return_tensors="pt")).logits.sigmoid()[0].numpy()
        best = np.array([max(scores[i] for i, of in GOEMOTIONS_TO_LABEL.items() if of == label) for label in range(7)])
        wanted.append(best / best.sum())
    found = model.predict(texts)
    assert found.dtype == np.float32 and found.shape == (3, 7)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 0.01  # it is not deaf
    assert model.predict([]).shape == (0, 7)


def test_a_temperature_flattens(seven):
    folder, network = seven
    text = "my friend was angry"
    with torch.inference_mode():
        logits = network(**published.tokenizer(mask=False)(text, return_tensors="pt")).logits[0]
    for temperature in (None, 2.5):
        found = load_recogniser("text", choice(folder, temperature=temperature)).predict([text])[0]
        np.testing.assert_allclose(found, (logits / (temperature or 1.0)).softmax(0).numpy(), atol=1e-5)


def test_a_long_text_is_the_mean_of_its_stretches(goemotions):
    model = load_recogniser("text", choice(goemotions[0]))
    room = model.longest - 2
    assert model.longest == 32  # 34 places, of which RoBERTa leaves the first two empty
    first, second = "happy " * room, "sad dog and angry"
    parts = np.log(model.predict([first, second]).astype(np.float64))
    share = np.array([room + 2, 6]) / (room + 8)
    whole = np.exp(share @ [model.logits([first])[0], model.logits([second])[0]])
    np.testing.assert_allclose(model.predict([first + second])[0], whole / whole.sum(), atol=1e-5)
    assert not np.allclose(*np.exp(parts), atol=1e-3)


def test_a_voice_in_windows_at_the_models_own_rate(wav2vec2, glad, tmp_path):
    folder, network = wav2vec2
    first, last = prosody.voiced_span(prosody.measure(glad))
    assert last - first < WINDOW  # all in one
    cut = glad[first * sound.HOP : (last + 1) * sound.HOP]

    def by_hand(sound, rate):
        inputs = Wav2Vec2FeatureExtractor(sampling_rate=rate)(sound, sampling_rate=rate, return_tensors="pt")
        with torch.inference_mode():
            scores = network(**inputs).logits.softmax(1)[0].numpy()
        wanted = scores[[0, 2, 3, 4, 5, 6, 7]]
        wanted[4] = max(scores[1], scores[5])  # calm counts as neutral
        return wanted / wanted.sum()

    found = load_recogniser("speech", choice(folder)).predict([glad])[0]
    np.testing.assert_allclose(found, by_hand(cut, 16_000), atol=1e-4)
    low = changed(folder, tmp_path)
    Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(low)
    other = load_recogniser("speech", choice(low, sampling_rate=8_000)).predict([glad])[0]
    np.testing.assert_allclose(other, by_hand(soxr.resample(cut, 16_000, 8_000), 8_000), atol=1e-4)
    assert not np.allclose(found, other, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 100, 5_000])
def test_a_sound_of_any_length_has_an_answer(wav2vec2, samples):
    assert load_recogniser("speech", choice(wav2vec2[0])).predict([np.zeros(samples, np.float32)]).sum() == pytest.approx(1)


def test_the_encoder_of_whisper(tmp_path, glad):
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "d_model": 16}
    config = WhisperConfig(
        vocab_size=64,
        encoder_ffn_dim=16,
        num_mel_bins=8,
        classifier_proj_size=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **sizes,
        **published.named(published.EIGHT),
    )
    WhisperForAudioClassification(config).save_pretrained(tmp_path)
    WhisperFeatureExtractor(feature_size=8).save_pretrained(tmp_path)
    assert load_recogniser("speech", choice(tmp_path)).predict([glad]).sum() == pytest.approx(1)


def test_a_face_in_colour_or_grey(vit, photograph):
    folder, network = vit
    crop = photograph[66:164, 175:273]
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    with torch.inference_mode():
        inputs = processor([crop, np.stack([grey] * 3, axis=2)], return_tensors="pt")
        wanted = network(**inputs).logits.softmax(1).numpy()
    found = load_recogniser("face", choice(folder)).predict([crop, grey])
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_threads_do_not_disturb_each_other(goemotions, tmp_path, photograph, monkeypatch):
    text = load_recogniser("text", choice(goemotions[0]))

    def logits(inputs):  # the tokenizer alone
        assert inputs["input_ids"].shape[1] <= text.longest
        return np.zeros((len(inputs["input_ids"]), 7))

    monkeypatch.setattr(text.network, "logits", logits)
    long = [f"{'happy ' * n}zebra" for n in range(2000, 2012)] * 10
    published.expression_network(tmp_path)
    face = load_recogniser("face", choice(tmp_path, "onnx", labels=LABELS, input_size=112))
    crops = [photograph[y : y + 112, x : x + 112] for x in range(0, 400, 20) for y in range(0, 400, 20)]
    alone = [text.known(words) for words in long], face.predict(crops)
    with ThreadPoolExecutor(6) as pool:
        # One truncates, which the other must not.
        pairs = [(pool.submit(text.predict, [words]), pool.submit(text.known, words)) for words in long]
        assert all(cut.result().shape == (1, 7) for cut, _ in pairs) and [known.result() for _, known in pairs] == alone[0]
        together = list(pool.map(lambda crop: face.predict([crop])[0], crops))
    np.testing.assert_allclose(together, alone[1], atol=1e-5)


def test_no_library_is_imported_before_a_model_is_loaded():
    heavy = {"torch", "transformers", "huggingface_hub", "soxr"}
    script = f"import sys, emotion.analyzer, emotion.serving.loaders; print(*({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split() == []


# --- readings are whole ------------------------------------------------------------------------------------------------------


def test_a_texts_reading_says_which_words_counted(goemotions, seven):
    segments = [Segment(0.0, 1.0, "the dog is sad"), Segment(1.0, 1.2, "..."), Segment(2.0, 3.0, "i am happy today")]
    text = "the dog is sad i am happy today"
    for folder, mask in ((goemotions[0], "<mask>"), (seven[0], "")):
        model = load_recogniser("text", choice(folder))
        reading = model.read(text, 0.5, segments)
        assert reading.reliability == 0.5 and [word for word, _ in reading.words] == text.split()
        assert [(w.start, w.end) for w in reading.windows] == [(0.0, 1.0), (2.0, 3.0)]
        np.testing.assert_allclose(reading.windows[1].probabilities, model.predict(["i am happy today"])[0], atol=1e-5)
        label = int(reading.probabilities.argmax())
        without = model.predict([f"the dog is {mask} i am happy today"])[0, label]
        assert dict(reading.words)["sad"] == pytest.approx(float(reading.probabilities[label] - without), abs=1e-5)
        assert max(abs(weight) for _, weight in reading.words) > 1e-3
    assert model.read(" ?! ") is None
    assert model.read("happy zebra").reliability == 0.5  # a word of two is unknown
    assert len(model.read("so happy " * 40).words) == MAX_WORDS


def test_a_voices_reading(wav2vec2, glad):
    model = load_recogniser("speech", choice(wav2vec2[0]))
    long = np.tile(glad, -(-12 * 16_000 // len(glad)))
    reading = model.read(long)
    assert len(reading.windows) >= 3 and reading.windows[0].end - reading.windows[0].start == WINDOW * 0.02
    mean = np.mean([np.log(w.probabilities) for w in reading.windows], axis=0)
    np.testing.assert_allclose(reading.probabilities, np.exp(mean) / np.exp(mean).sum(), atol=1e-5)
    assert reading.pitch_hz > 0 and reading.intensity and reading.pitch.any() and reading.reliability > 0.5
    assert reading.attention.size == 0 and sound_figure(long, reading).data
    again = Analysis.from_dict(Analysis(fused(reading), {"speech": reading}).to_dict())
    assert again.modalities["speech"].attention.size == 0
    assert model.read(np.zeros(16_000, np.float32)) is None


def test_a_long_voice_costs_no_more_than_two_minutes(wav2vec2, monkeypatch):
    model = load_recogniser("speech", choice(wav2vec2[0]))
    heard = []
    monkeypatch.setattr(model, "_logits", lambda samples: heard.append(len(samples)) or np.zeros((1, 7)))
    reading = model.read(np.tile(voice(150, 2.0, 0.1, 3.0), 150))
    assert len(heard) == model.max_windows == len(reading.windows) and max(heard) == WINDOW * sound.HOP
    assert reading.windows[-1].end == pytest.approx(300, abs=1)


def test_a_faces_reading_without_regions(vit, photograph):
    frames = [Frame(i / 5, photograph) for i in range(20)]
    reading = load_recogniser("face", choice(vit[0])).read(frames, blazeface())
    assert reading.frames_with_face == 20 and len(reading.frames) == MAX_FRAMES and reading.reliability > 0.9
    assert sum(frame.weight for frame in reading.frames) == pytest.approx(1, abs=1e-4)
    assert [frame.time for frame in reading.frames] == sorted(frame.time for frame in reading.frames)
    assert all(frame.regions.size == 0 for frame in reading.frames)
    face = reading.frames[0]
    assert page_frames.annotated(photograph, face).any()
    again = Analysis.from_dict(Analysis(fused(reading), {"face": reading}).to_dict())
    assert again.modalities["face"].frames[0].regions.size == 0


def fused(reading):
    return Fusion(reading.mood, "sad", reading.probabilities, 1.0, False, {reading.modality: 1.0})


def test_evaluation_knows_models_without_a_second_reading(goemotions, tmp_path, monkeypatch):
    model = load_recogniser("text", choice(goemotions[0]))
    rows = [Example(str(i), text, label, str(i)) for i, (text, label) in enumerate([("so happy", 3), ("sad", 5)])]

    analyzer = SimpleNamespace(serving=lambda role: Serving(choice(goemotions[0]), model))
    monkeypatch.setattr(evaluation.emotion, "load", lambda source: analyzer)
    monkeypatch.setattr(evaluation.datasets, "load", lambda *_: rows)
    report = evaluation.evaluate("text", "goemotions", "nowhere", None, False, False, None)
    assert report["n"] == 2 and "macro_f1_multilabel" not in report


# --- what is refused ---------------------------------------------------------------------------------------------------------


def refusal(role, folder, loader="transformers", **known):
    with pytest.raises(InputError) as raised:
        load_recogniser(role, choice(folder, loader, **known))
    return str(raised.value)


opened: list[str] = []
watching = False
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if watching and event == "open" else None)


def test_pickles_are_never_opened(seven, tmp_path):
    global watching
    folder = changed(seven[0], tmp_path)
    for name in ("pytorch_model.bin", "model.pt", "training_args.bin", "weights.pkl", "model.ckpt"):
        (folder / name).write_bytes(b"not a pickle")
    opened.clear()
    watching = True
    try:
        load_recogniser("text", choice(folder))
        assert any(name.endswith("config.json") for name in opened)  # the hook sees
        (folder / "model.safetensors").rename(folder / "other.safetensors")
        assert "cannot be loaded" in refusal("text", folder)
        (folder / "other.safetensors").unlink()
        assert "without safetensors" in refusal("text", folder)
    finally:
        watching = False
    assert not [name for name in opened if name.endswith((".bin", ".pt", ".pkl", ".ckpt"))]


def test_a_head_that_is_missing(wav2vec2, tmp_path):
    said = refusal("speech", changed(wav2vec2[0], tmp_path, drop=("classifier.weight", "projector.bias")))
    assert "lacks 2" in said and "classifier.weight" in said


def test_parameters_of_another_size(seven, tmp_path):
    said = refusal("text", changed(seven[0], tmp_path, config=published.named([*published.SEVEN, "contempt"])))
    assert "classifier.bias of another size" in said


def test_a_broken_file_and_a_missing_one(seven, tmp_path):
    folder = changed(seven[0], tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "a/model cannot be loaded" in refusal("text", folder)
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "config.json").unlink()
    assert "a/model cannot be loaded" in refusal("text", folder)


def test_code_of_the_folder_is_not_run(seven, tmp_path):
    folder = changed(seven[0], tmp_path, config={"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}})
    (folder / "mine.py").write_text("raise SystemExit('run')", "utf-8")
    assert "cannot be loaded" in refusal("text", folder)


@pytest.mark.parametrize("worth", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers(seven, tmp_path, worth):
    folder = changed(seven[0], tmp_path, weights=lambda name, t: t * worth if name == "classifier.weight" else t)
    assert "not a number" in refusal("text", folder)


def test_a_rate_that_is_not_the_models(wav2vec2):
    assert "16,000 Hz" in refusal("speech", wav2vec2[0], sampling_rate=8_000)


def test_labels_that_say_nothing(seven, tmp_path):
    folder = changed(seven[0], tmp_path, config=published.named([f"LABEL_{i}" for i in range(7)]))
    assert "LABEL_0, LABEL_1" in refusal("text", folder)
    told = {f"LABEL_{i}": label for i, label in enumerate(LABELS)}
    texts = ["the sad dog"]
    wanted = load_recogniser("text", choice(seven[0])).predict(texts)
    np.testing.assert_allclose(load_recogniser("text", choice(folder, labels=told)).predict(texts), wanted, atol=1e-6)
    np.testing.assert_allclose(load_recogniser("text", choice(folder, labels=LABELS)).predict(texts), wanted, atol=1e-6)
    assert "6 labels to a model with 7 outputs" in refusal("text", folder, labels=LABELS[:6])
    assert "no label label_9" in refusal("text", folder, labels={**told, "LABEL_9": "sad"})
    assert "LABEL_3" in refusal("text", folder, labels={name: label for name, label in told.items() if name != "LABEL_3"})
    assert "gloomy under labels is none of" in refusal("text", folder, labels={**told, "LABEL_0": "gloomy"})


def test_the_map_of_labels():
    contempt = LabelMap.of(["Anger", "contempt", " HAPPY", "other", "sadness", "Neutral"])
    p = np.exp(contempt.logits(np.array([[0.2, 0.4, 0.1, 0.1, 0.1, 0.1]])))[0]
    np.testing.assert_allclose(p, [0.2, 0, 0, 0.1, 0.1, 0.1, 0])  # dropped, unknown ones 0; calibrating makes the sum 1
    assert LabelMap.of(["ang", "hap", "neu", "sad"]).groups[3] == (1,)
    assert LabelMap.of(["ang", "hap", "neu", "sad", "love"]).groups[3] == (1, 4)
    assert LabelMap.of(["ang", "hap", "neu", "sad", "love"], {"love": None}).groups[3] == (1,)
    with pytest.raises(InputError, match="knows 3 of the seven"):
        LabelMap.of(["angry", "happy", "sad"])
    with pytest.raises(InputError, match="unhappy"):
        LabelMap.of(["angry", "happy", "sad", "fear", "unhappy"])


def test_what_a_model_does_not_know_is_impossible(tmp_path, glad):
    Wav2Vec2ForSequenceClassification(published.wav2vec2_config(["neu", "hap", "ang", "sad"])).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    model = load_recogniser("speech", choice(tmp_path, temperature=1.7))
    long = np.tile(glad, 4)
    for p in (model.predict([long])[0], model.read(long).probabilities, model.read(long).windows[0].probabilities):
        assert [LABELS[i] for i in np.flatnonzero(p == 0)] == ["disgust", "fear", "surprise"] and p.sum() == pytest.approx(1)


def test_a_loader_that_there_is_not(tmp_path):
    assert "no loader pickle for text; there are: emotion, transformers, inference" in refusal("text", tmp_path, "pickle")
    assert "no loader yunet for speech" in refusal("speech", tmp_path, "yunet")


# --- ONNX --------------------------------------------------------------------------------------------------------------------


def expression_by_hand(face, kernel, matrix):
    x = ((face / 255 - 0.5) / 0.5).reshape(8, 14, 8, 14, 3)
    maps = np.einsum("yixjc,kcij->kyx", x, kernel)
    scores = np.maximum(maps, 0).ravel() @ matrix
    return np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()


@pytest.mark.parametrize("softmax", [False, True])
def test_an_onnx_network_equals_numpy(tmp_path, photograph, softmax):
    kernel, matrix = published.expression_network(tmp_path, softmax=softmax)
    face = cv2.resize(photograph[66:164, 175:273], (112, 112))
    model = load_recogniser("face", choice(tmp_path, "onnx", labels=LABELS, input_size=112))
    np.testing.assert_allclose(model.predict([face])[0], expression_by_hand(face, kernel, matrix), atol=1e-5)
    np.testing.assert_allclose(model.predict([photograph[66:164, 175:273]]), model.predict([face]), atol=1e-5)
    other = load_recogniser("face", choice(tmp_path, "onnx", labels=LABELS[::-1], input_size=112, temperature=2.0))
    flatter = np.sqrt(model.predict([face])[0][::-1])
    np.testing.assert_allclose(other.predict([face])[0], flatter / flatter.sum(), atol=1e-5)


def test_a_detected_face_is_aligned(tmp_path, photograph):
    kernel, matrix = published.expression_network(tmp_path)
    model = load_recogniser("face", choice(tmp_path, "onnx", labels=LABELS, input_size=112))
    landmarks = (STANDARD * 0.9 + (170, 60)).astype(np.float32)
    reading = model.read([Frame(0.0, photograph)], Known(landmarks))
    face = aligned(photograph, landmarks, 112)
    np.testing.assert_allclose(reading.probabilities, expression_by_hand(face, kernel, matrix), atol=1e-5)


def test_the_middle_of_the_mouth_aligns_as_its_corners_do(photograph):
    landmarks = (STANDARD * 0.9 + (170, 60)).astype(np.float32)
    middle = np.vstack([landmarks[:3], landmarks[3:].mean(axis=0)])
    corners, by_middle = (aligned(photograph, points, 112).astype(float) for points in (landmarks, middle))
    assert np.abs(corners - by_middle).mean() < 1


class Known:
    """A detector that sees one face, wherever it looks."""

    def __init__(self, landmarks):
        self.face = Detection(landmarks, 1.0)

    def detect(self, image, thorough=True):
        return [self.face]

    def look(self, image, place):
        return self.face


@pytest.mark.parametrize("degrees", [0, 25, -70])
def test_aligning_brings_landmarks_to_their_places(degrees):
    turn = cv2.getRotationMatrix2D((56, 56), degrees, 2.3)
    landmarks = STANDARD @ turn[:, :2].T + turn[:, 2] + 150
    image = np.zeros((500, 500, 3), np.uint8)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    for (x, y), colour in zip(landmarks, colours, strict=True):
        cv2.circle(image, (round(x), round(y)), 12, colour, -1)
    face = aligned(image, landmarks.astype(np.float32), 112)
    for (x, y), colour in zip(STANDARD, colours, strict=True):
        assert face[round(y), round(x)].tolist() == list(colour)
    half = aligned(image, landmarks.astype(np.float32), 56)
    assert half[round(STANDARD[0, 1] / 2), round(STANDARD[0, 0] / 2)].tolist() == list(colours[0])


def test_onnx_refusals(tmp_path):
    folder = tmp_path / "good"
    published.expression_network(folder)
    wanted = {"loader": "onnx", "labels": LABELS, "input_size": 112}
    assert "6 labels to a model with 7 outputs" in refusal("face", folder, **{**wanted, "labels": LABELS[:6]})
    assert "needs an input_size" in refusal("face", folder, **{**wanted, "input_size": None})
    assert "output 0" in refusal("face", folder, **{**wanted, "labels": None})
    assert "cannot be run" in refusal("face", folder, **{**wanted, "input_size": 64})
    (folder / "second.onnx").write_bytes(b"x" * 2000)
    assert "found: model.onnx, second.onnx" in refusal("face", folder, **wanted)
    pointer = tmp_path / "pointer"
    pointer.mkdir()
    assert "found: 0" in refusal("face", pointer, **wanted)
    (pointer / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4f61\nsize 4791892\n")
    assert "it may be a pointer of Git LFS" in refusal("face", pointer, **wanted)
    (pointer / "model.onnx").write_bytes(b"x" * 5000)
    assert "cannot be run" in refusal("face", pointer, **wanted)
    broken = tmp_path / "broken"
    published.expression_network(broken, worth=float("nan"))
    assert "not a number" in refusal("face", broken, **wanted)


# --- the face detector -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return load_recogniser("detector", choice(published.blue_nose(tmp_path_factory.mktemp("yunet")), "yunet"))


def marked(image, x, y, degrees=0):
    """A copy with a blue cell whose upper left corner is at x, y."""
    image = image.copy()
    image[y : y + published.CELL, x : x + published.CELL] = (0, 0, 255)
    return image


def test_yunet_tells_where_the_features_are(detector, photograph):
    assert detector.detect(photograph) == []
    (found,) = detector.detect(marked(photograph, 216, 120))
    np.testing.assert_allclose(found.landmarks, (np.array(published.FEATURES) + 0.5) * published.CELL + (216, 120), atol=1e-2)
    assert found.confidence == 1
    larger = cv2.resize(marked(photograph, 216, 120), None, fx=2.5, fy=2.5, interpolation=cv2.INTER_NEAREST)  # 1280: halved
    (twice,) = detector.detect(larger)
    assert twice.landmarks.max() < 1280 and np.ptp(twice.landmarks[:2, 0]) == pytest.approx(2 * published.EYES_APART, abs=1)
    for shape in ((1, 1, 3), (7, 300, 3), (33, 65, 3)):
        assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_a_detected_face_is_boxed_as_fer2013_cuts_it(detector, photograph):
    track = follow([Frame(0.0, marked(photograph, 216, 120))], detector)
    (sighting,) = track.sightings
    assert track.faces == 1 and sighting.box[2] == pytest.approx(60 / detection.EYES, abs=2)  # eyes to mouth: 7.5 cells
    centre = sighting.box[0] + sighting.box[2] / 2, sighting.box[1] + sighting.box[3] / 2
    assert centre == pytest.approx((220, 124 + (-3.0 + detection.MIDDLE * 7.5) * published.CELL), abs=2)
    assert sighting.weight > 0.9 and np.array_equal(sighting.landmarks[2], np.float32([220, 128]))
    x, y, side, _ = sighting.box
    assert np.array_equal(sighting.crop, marked(photograph, 216, 120)[y : y + side, x : x + side])


def test_two_detectors_give_the_photographs_face_the_same_box(photograph):
    eyes_and_mouth = np.float32([[202, 101], [247, 103], [224, 126], [205, 140], [244, 140]])
    known, found = (follow([Frame(0.0, photograph)], detector) for detector in (Known(eyes_and_mouth), blazeface()))
    assert known.sightings[0].box == pytest.approx(found.sightings[0].box, abs=12)
    assert known.clearness == pytest.approx(found.clearness, abs=0.1)


def test_a_face_is_followed_by_a_detector(detector, photograph):
    places = [160 + 8 * i for i in range(8)]
    shown = [marked(photograph, x, 120) for x in places]
    shown[6] = marked(shown[6], 400, 400)  # seen once: no face
    track = follow([Frame(i / 5, image) for i, image in enumerate(shown)], detector)
    assert track.faces == 1 and track.frames_sampled == 8
    assert {0, 3, 6} <= {sighting.index for sighting in track.sightings}  # those that are searched whole: the cells fall in place
    for sighting in track.sightings:
        assert sighting.landmarks[2, 0] == pytest.approx(places[sighting.index] + 4, abs=0.1)
    assert track.clearness > 0.3
    assert follow([Frame(i / 5, photograph) for i in range(3)], detector).faces == 0


def test_a_tilted_face_is_turned_upright(photograph):
    turn = cv2.getRotationMatrix2D((224, 118), 24, 1.0)
    image = cv2.warpAffine(photograph, turn, photograph.shape[1::-1])
    points = np.float32([[202, 101], [247, 103], [224, 126], [205, 140], [244, 140]])
    tilted = (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)

    def crop(picture, landmarks):
        (sighting,) = follow([Frame(0.0, picture)], Known(landmarks)).sightings
        return cv2.resize(sighting.crop, (24, 24), interpolation=cv2.INTER_AREA)

    assert np.corrcoef(crop(image, tilted).ravel(), crop(photograph, points).ravel())[0, 1] > 0.95


def test_many_faces_are_read_once_each_and_few_mirrored_too(photograph):
    own = load_recogniser("face", bundled("face", DEFAULT_FILE))
    frames = [Frame(i / 5, photograph) for i in range(MIRRORED + 1)]
    few, many = (own.read(frames[:n], blazeface()).frames[0].probabilities for n in (MIRRORED, MIRRORED + 1))
    crop = follow(frames[:1], blazeface()).sightings[0].crop
    np.testing.assert_allclose(few, own.predict([crop])[0], atol=1e-5)
    assert 1e-4 < np.abs(many - few).max() < 0.2


def test_a_file_that_is_no_yunet(tmp_path):
    published.expression_network(tmp_path)
    assert "is no YuNet" in refusal("detector", tmp_path, "yunet")


def test_a_file_that_is_no_blazeface(tmp_path):
    assert "found: 0" in refusal("detector", tmp_path, "blazeface")
    (tmp_path / "face.tflite").write_bytes(b"x" * 5000)
    assert "is no BlazeFace" in refusal("detector", tmp_path, "blazeface")


def test_the_own_model_reads_what_a_detector_finds(detector, photograph):
    own = load_recogniser("face", bundled("face", DEFAULT_FILE))
    reading = own.read([Frame(i / 5, marked(photograph, 216, 120)) for i in range(3)], detector)
    assert isinstance(reading, FaceReading) and reading.frames_with_face == 3
    assert isinstance(detector, YuNet) and reading.frames[0].regions.shape == (6, 6)
