"""Data-set loaders, figures and the training loop, on sets that the tests make."""

import csv
import io
import json
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import soundfile
import torch

from emotion import cli
from emotion.face.recogniser import FaceEnsemble
from emotion.fusion import calibrate
from emotion.labels import GOEMOTIONS_TO_LABEL, LABELS
from emotion.messages import InputError
from emotion.training import (
    datasets,
    evaluation,
    export,
    face,
    metrics,
    phrases,
    protocols,
    robustness,
    speech,
    text,
    training_loop,
)
from tests.sounds import voice


def sound_bytes(samples, rate=16_000, form="FLAC"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form)
    return buffer.getvalue()


def picture(seed):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 255, (6, 6), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC)


def write_files(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(file, files):
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file


def test_ravdess_from_folder_and_zip(tmp_path):
    clip = sound_bytes(voice(150, 0.5))
    wide = sound_bytes(np.stack([voice(150, 0.5)] * 2, axis=1), 48_000, "WAV")  # the official download: 48 kHz wav
    files = {
        "Actor_01/03-01-02-01-01-01-01.flac": clip,
        "Actor_05/03-01-08-02-02-01-05.wav": wide,
        "Actor_05/03-02-08-02-02-01-05.wav": wide,  # a song
        "Actor_05/notes.txt": b"x",
    }
    for path in (write_files(tmp_path / "folder", files), zipped(tmp_path / "set.zip", files)):
        examples = datasets.load("speech", "ravdess", path)
        assert [(LABELS[e.label], e.group) for e in examples] == [("neutral", "ravdess-01"), ("surprise", "ravdess-05")]
        assert [speech.fold_of(e) for e in examples] == [0, 1]
        assert examples[0].item.dtype == np.float32 and abs(len(examples[1].item) - 16_000 * 0.5 / 3) < 5


def test_emodb_leaves_boredom_out(tmp_path):
    clip = sound_bytes(voice(150, 0.3))
    folder = write_files(tmp_path, {f"03a01{letter}a.flac": clip for letter in "WLEAFTN"})
    examples = datasets.load("speech", "emodb", folder)
    assert {LABELS[e.label] for e in examples} == set(LABELS) - {"surprise"} and len(examples) == 6
    assert {speech.fold_of(e) for e in examples} == {-1}


def test_fer2013_parts(tmp_path):
    jpeg = cv2.imencode(".jpg", picture(0))[1].tobytes()
    folder = write_files(tmp_path, {"train/happy/a.jpg": jpeg, "validation/sad/b.jpg": jpeg, "test/fear/c.jpg": jpeg})
    labels = {
        split: [LABELS[e.label] for e in datasets.load("face", "fer2013", folder, split)] for split in (None, "train", "test")
    }
    assert labels == {None: ["fear", "sad"], "train": ["happy"], "test": ["fear"]}


def test_ferplus_has_the_label_of_fer2013_and_leaves_out_faces_without_one(tmp_path):
    webp = cv2.imencode(".webp", picture(0), (cv2.IMWRITE_WEBP_QUALITY, 101))[1].tobytes()  # over 100: lossless
    names = ["train/fer0000001.webp", "validation/fer0028710.webp", "validation/fer0028711.webp"]
    folder = write_files(tmp_path, dict.fromkeys(names, webp))
    rows = [f"{name},4,0,0,1,3,2,0,0,0,0,{label}" for name, label in zip(names, ("angry", "fear", ""), strict=True)]
    header = "file,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF,fer2013"
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    found = {split: datasets.load("face", "ferplus", folder, split) for split in (None, "train", "validation")}
    assert {split: [LABELS[e.label] for e in rows] for split, rows in found.items()} == {
        None: ["fear"],
        "train": ["angry"],
        "validation": ["fear"],
    }
    assert np.array_equal(found["train"][0].item, picture(0)) and found["train"][0].id == names[0]


def test_what_is_missing_or_damaged_in_a_data_set_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no file labels\.csv"):
        datasets.load("face", "ferplus", tmp_path)
    header = "file,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF,fer2013"
    (tmp_path / "labels.csv").write_text(f"{header}\nvalidation/a.webp,4,0,0,1,3,2,0,0,0,0,angry\n", "utf-8")
    with pytest.raises(InputError, match=r"no file validation/a\.webp"):
        datasets.load("face", "ferplus", tmp_path)
    write_files(tmp_path, {"validation/a.webp": b"no picture"})
    with pytest.raises(InputError, match="cannot be decoded"):
        datasets.load("face", "ferplus", tmp_path)


def test_goemotions_counts_rows_that_map_to_one_label(tmp_path):
    file = tmp_path / "goemotions_dev.tsv"
    file.write_text('so glad\t17,13\ta\nhm\t27\tb\nmad and sad\t2,25\tc\n"quoted" cry\t16\td\n', "utf-8")
    examples = datasets.load("text", "goemotions", file)
    assert [(e.id, LABELS[e.label]) for e in examples] == [("a", "happy"), ("b", "neutral"), ("d", "sad")]
    assert len(list(datasets.goemotions_rows(datasets.Source(file), None))) == 3 + 1
    assert examples[2].item == '"quoted" cry'
    assert set(GOEMOTIONS_TO_LABEL) == set(range(28))


def test_texts_teach_what_is_known_of_them(tmp_path):
    file = tmp_path / "goemotions_train.tsv"
    file.write_text("mad and sad and furious\t2,25,3\tc\n", "utf-8")
    rows = [*datasets.goemotions_rows(datasets.Source(file), None), datasets.Example("m", "No", LABELS.index("angry"), "meld-4")]
    rows.append(datasets.Example("b", "It rained", -1, "b", valence=2.5))
    wanted = text.Targets.of(rows)
    assert wanted.labels[0, [LABELS.index("angry"), LABELS.index("sad")]].tolist() == [0.5, 0.5]
    assert wanted.labels[1, LABELS.index("angry")] == 1 and wanted.labels.sum(axis=1).tolist() == [1, 1, 0]
    assert wanted.emotions[0].nonzero().flatten().tolist() == [2, 3, 25] and not wanted.emotions[1:].any()
    assert wanted.polarity[2].tolist() == pytest.approx([0.4, 0.6, 0]) and not wanted.polarity[:2].any()

    def loss(row, label=None, emotions=0.0):
        logits, others = torch.zeros(3, 7), torch.zeros(3, 28)
        others[row] += emotions
        if label:
            logits[row, LABELS.index(label)] = 3.0
        return float(wanted.loss(0.0)((logits, others), wanted))

    assert loss(0, "sad") < loss(0) < loss(0, "happy") and loss(1, "angry") < loss(1)
    assert loss(0, emotions=wanted.emotions[0] * 8 - 4) < loss(0)
    assert loss(1, emotions=9.0) == loss(2, emotions=9.0) == pytest.approx(loss(0))  # their emotions are not known
    assert loss(2, "neutral") < loss(2, "sad") < loss(2, "happy") and loss(2, "fear") == pytest.approx(loss(2, "sad"))


def test_meld_isear_and_emobank(tmp_path):
    def table(name, header, *rows):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])

    table("meld_dev_sent_emo.csv", ["Utterance", "Emotion", "Dialogue_ID", "Utterance_ID"], ["It’s fine, ok", "joy", 3, 1])
    table("meld_train_sent_emo.csv", ["Utterance", "Emotion", "Dialogue_ID", "Utterance_ID"], ["No", "anger", 4, 1])
    table("isear_train.csv", ["id", "emotion", "text"], [7, "shame", "x"], [7, "joy", "I passed"])
    table(
        "emobank_train_dev.csv",
        ["id", "split", "V", "A", "D", "text"],
        ["a", "train", 3, 3, 3, "t"],
        ["b", "dev", 4.2, 3, 3, "d"],
    )
    assert [e.item for e in datasets.load("text", "meld", tmp_path)] == ["It’s fine, ok"]
    assert [e.item for e in datasets.load("text", "meld", tmp_path, "all")] == ["It’s fine, ok", "No"]
    assert [(e.item, e.group) for e in datasets.load("text", "isear", tmp_path / "isear_train.csv")] == [("I passed", "isear-7")]
    assert [(e.item, e.valence) for e in datasets.load("text", "emobank", tmp_path)] == [("d", 4.2)]
    with pytest.raises(InputError, match="--split"):
        datasets.load("text", "isear", tmp_path)


def test_unknown_sets_and_paths_are_refused(tmp_path):
    with pytest.raises(InputError, match="fer2013"):
        datasets.load("face", "ravdess", tmp_path)
    with pytest.raises(InputError, match="no data set at"):
        datasets.load("speech", "ravdess", tmp_path / "missing")


def test_figures_by_hand():
    p = np.full((4, 7), 0.02)
    for row, label in enumerate(("angry", "angry", "happy", "sad")):
        p[row, LABELS.index(label)] = 0.88
    truth = np.array([LABELS.index(label) for label in ("angry", "happy", "happy", "happy")])
    found = metrics.report(p, truth)
    assert found["accuracy"] == 0.5 and found["uar"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2) and found["weighted_f1"] == pytest.approx(
        (2 / 3 + 3 * 1 / 2) / 4
    )
    assert found["ece"] == pytest.approx(0.38) and found["confusion"][LABELS.index("happy")][LABELS.index("sad")] == 1
    assert metrics.report(p, truth, restrict=True)["accuracy"] == 0.5  # sad is no longer there, and the rest is a tie for angry


def test_an_interval_covers_what_chance_would_give(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 1000)
    rng = np.random.default_rng(0)
    values = rng.normal(2.0, 1.0, 400)
    low, high = metrics.interval(lambda rows: values[rows].mean(), range(400))
    assert low < values.mean() < high and high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    # Four rows of a speaker that are all alike say no more than one.
    alike, speakers = np.repeat(values[:100], 4), np.repeat(np.arange(100), 4)
    low, high = metrics.interval(lambda rows: alike[rows].mean(), speakers)
    assert high - low == pytest.approx(2 * 1.96 / 10, rel=0.2)


def test_intervals_lie_around_the_figures():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(7), 700)
    truth = np.where(rng.random(700) < 0.6, p.argmax(axis=1), rng.integers(7, size=700))
    found, bounds = metrics.report(p, truth), metrics.intervals(p, truth, range(700))
    for name in ("accuracy", "macro_f1", "weighted_f1", "uar"):
        low, high = bounds[name]
        assert low < found[name] < high and 0.03 < high - low < 0.12


def test_rows_of_several_things_vary_with_each_of_them(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 1000)
    rng = np.random.default_rng(0)
    speakers, pictures = rng.integers(0, 10, 2000), rng.integers(0, 400, 2000)
    value = rng.standard_normal(10)[speakers] + 0.1 * rng.standard_normal(2000)

    def width(groups) -> float:
        low, high = metrics.interval(lambda rows: value[rows].mean(), groups)
        return float(high - low)

    alone, both = width(speakers), width(np.stack([speakers, pictures], axis=1))
    assert width(np.arange(2000)) < 0.4 * alone < alone < 1.3 * both


def test_median_mood_and_its_interval():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), 50)
    found, (low, high) = evaluation.mood_median(probabilities, [str(i) for i in range(50)])
    assert low < found < high and evaluation.mood_median(probabilities, ["one"] * 50)[1] == pytest.approx([found] * 2, abs=1e-3)


def test_which_set_a_text_is_of():
    groups = {"meld-12": "meld", "isear-3301": "isear", "ed7ypvh": "goemotions"}
    assert {group: text.set_of(datasets.Example("", "", 0, group)) for group in groups} == groups


def test_calibration_error_of_a_calibrated_model_is_small():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), 20_000)
    truth = (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    assert metrics.calibration_error(p, truth) < 0.02
    overconfident = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert metrics.calibration_error(overconfident, truth) > 0.1
    assert training_loop.fit_temperature(np.log(overconfident + 1e-12), truth) == pytest.approx(3.0, rel=0.05)


def test_calibration_error_is_that_of_fifteen_bins():
    # 0.61 and 0.69 lie in one tenth but not in one fifteenth; 0.55 and 0.59 in one fifteenth.
    p = np.array([[c, 1 - c, 0, 0, 0, 0, 0] for c in (0.55, 0.59, 0.61, 0.69)])
    assert metrics.calibration_error(p, np.array([0, 1, 0, 1])) == pytest.approx((abs(0.5 - 0.57) * 2 + 0.39 + 0.69) / 4)


def test_temperature_of_sets_does_not_follow_the_larger_one():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), 9_000)
    truth = (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    sets = np.where(np.arange(len(p)) < 8_000, "large", "small")
    logits = np.log(p + 1e-12) * np.where(sets == "large", 1.0, 2.0)[:, None]  # in the small one they are twice too sure

    def error(temperature: float, name: str) -> float:
        return metrics.calibration_error(calibrate(logits[sets == name], temperature), truth[sets == name])

    alone, both = training_loop.fit_temperature(logits, truth), training_loop.fit_temperature_of_sets(logits, truth, sets)
    assert 1 < alone < both < 2
    assert error(both, "small") < error(alone, "small") and error(both, "small") == pytest.approx(error(both, "large"), abs=0.02)


def test_held_out_part_is_fixed_and_never_splits_a_group():
    groups = [f"writer-{i % 500}" for i in range(3000)]
    held = training_loop.held_out(groups)
    assert 0.06 < held.mean() < 0.14 and (held == training_loop.held_out(groups)).all()
    assert not {g for g, h in zip(groups, held, strict=True) if h} & {g for g, h in zip(groups, held, strict=True) if not h}


def test_class_weights_balance():
    labels = np.repeat(np.arange(7), [100, 10, 10, 10, 10, 10, 10])
    full = training_loop.balanced_weights(labels, 1.0)
    np.testing.assert_allclose(full * np.bincount(labels), (full * np.bincount(labels))[0])
    assert (full[labels]).mean() == pytest.approx(1.0)


def test_rows_without_a_label_leave_the_loss_finite():
    loss = training_loop.balanced_loss(np.zeros(0, int), 0.5, 0.1)
    assert float(loss(torch.randn(3, 7), torch.zeros(3, 7))) == 0


def test_another_recording_under_the_same_name_is_another_training():
    one, other = (datasets.Example("a", np.full(5, value, np.float32), 1, "a") for value in (0.1, 0.2))
    assert training_loop.fingerprint([one]) == training_loop.fingerprint([replace(one)]) != training_loop.fingerprint([other])
    assert len({training_loop.fingerprint(rows) for rows in ([one], [replace(one, label=2)], [one, other], [])}) == 4
    several = [replace(one, label=-1, labels=labels) for labels in ((), (0, 1), (0, 2))]
    assert len({training_loop.fingerprint([row]) for row in several}) == 3


def test_thresholds_are_the_best_and_several_labels_count():
    truth = np.zeros((40, 7), bool)
    truth[:10, 0] = truth[5:20, 3] = True
    scores = np.where(truth, 0.42, 0.3)
    thresholds = metrics.best_thresholds(scores, truth)
    assert 0.3 <= thresholds[0] < 0.42 and 0.3 <= thresholds[3] < 0.42 and thresholds[1] == 0.5
    assert metrics.macro_f1_multilabel(scores > thresholds, truth) == pytest.approx(2 / 7)
    assert metrics.macro_f1_multilabel(~truth, truth) == 0


def test_copies_of_a_picture_are_found_and_others_are_not():
    pictures = [datasets.Example(str(i), picture(i), 0, str(i)) for i in range(40)]
    others = [
        datasets.Example("same", pictures[3].item.copy(), 0, ""),
        datasets.Example("mirrored", np.ascontiguousarray(pictures[7].item[:, ::-1]), 0, ""),
        datasets.Example("saved again", cv2.imdecode(cv2.imencode(".jpg", pictures[9].item)[1], 0), 0, ""),
    ]
    assert {e.id for e in pictures} - {e.id for e in face.without_copies(pictures, others)} == {"3", "7", "9"}


def test_interrupted_training_goes_on_to_the_same_weights(tmp_path):
    def train(checkpoint, epochs):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(5, 7))

        def batches(epoch, rng):
            for _ in range(4):
                yield (
                    (torch.as_tensor(rng.standard_normal((8, 5)), dtype=torch.float32),),
                    training_loop.one_hot(rng.integers(0, 7, 8)),
                )

        class Stop(Exception):
            pass

        def stopping(epoch, rng):
            if epoch == epochs:
                raise Stop
            yield from batches(epoch, rng)

        recipe = training_loop.Recipe(epochs=4, batch_size=8, learning_rate=0.01)
        try:
            return training_loop.fit(
                network, stopping, 4, recipe, loss=training_loop.balanced_loss(np.arange(7), 1.0, 0.1), checkpoint=checkpoint
            )
        except Stop:
            return None

    whole = train(tmp_path / "a.ckpt", 99)
    assert train(tmp_path / "b.ckpt", 2) is None
    resumed = train(tmp_path / "b.ckpt", 99)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def own_folder(root, modality):
    """A tiny labelled folder: a clear difference between two labels."""
    for i in range(12):
        label = ("happy", "sad")[i % 2]
        if modality == "text":
            name, content = f"{i}.txt", (b"the parcel is green", b"the parcel is blue")[i % 2]
        elif modality == "speech":
            name, content = f"{i}.wav", sound_bytes(voice(120 + 130 * (i % 2) + 3 * i, 0.8, vibrato=1.0), 22_050, "WAV")
        else:
            name, content = f"{i}.png", cv2.imencode(".png", cv2.cvtColor(picture(i % 2), cv2.COLOR_GRAY2BGR))[1].tobytes()
        write_files(root, {f"{label}/{name}": content})
    return root


@pytest.mark.parametrize("modality", ["text", "speech", "face"])
def test_retraining_on_a_folder_of_ones_own_and_using_it(tmp_path, capsys, monkeypatch, modality):
    monkeypatch.setenv("EMOTION_CHECKPOINTS", str(tmp_path / "checkpoints"))
    data, out = own_folder(tmp_path / "data", modality), tmp_path / "model"
    command = ["train", modality, "--dataset", "folder", str(data), "--out", str(out), "--epochs", "2", "--json"]
    assert cli.main(command) == 0
    assert json.loads(capsys.readouterr().out)["model"] == str(out)
    assert (out / "README.md").exists() and list(out.glob("*.safetensors"))

    entries = "".join(
        f"{role}:\n  - {{name: mine, source: local, path: {out if role == modality else 'x'}, revision: '1', licence: mine}}\n"
        for role in ("text", "speech", "face", "transcript")
    )
    (tmp_path / "weights.yaml").write_text(entries)
    monkeypatch.setenv("EMOTION_WEIGHTS", str(tmp_path / "weights.yaml"))
    assert cli.main(["evaluate", modality, "--dataset", "folder", str(data), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["n"] == 12 and figures["model"]["name"] == "mine" and not figures["model"]["calibrated"]
    low, high = figures["intervals"]["mood_median_happy"]
    assert low - 1e-3 <= figures["mood_medians"]["happy"] <= high + 1e-3 and (low < high or modality != "speech")
    assert np.sum(figures["confusion"]) == 12


def test_phrases_are_of_each_kind_and_none_of_those_that_check_them():
    made = phrases.examples()
    assert len(made) == phrases.PLAIN + phrases.NEGATED + phrases.MIXED
    assert [e.item for e in made] == [e.item for e in phrases.examples()]
    said = {text.normalise(e.item).strip(" .") for e in made}
    assert not said & set(robustness.SENTENCES)
    wanted = text.Targets.of(made)
    plain = wanted.labels[:, LABELS.index("neutral")] == 1
    mixed = (wanted.labels == 0.5).sum(dim=1) == 2
    bad = wanted.polarity[:, 0] > 0.9
    assert plain.sum() > 2500 and mixed.sum() > 2000 and bad.sum() > 300
    assert all(e.label < 0 for e in made)  # in no figure, and in no held-out part


def test_a_reliability_diagram_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(7, 0.4), 3000)
    truth = np.array([rng.choice(7, p=row) for row in p])
    part = export.Figures.from_probabilities("a part", p, truth, list(map(str, range(3000))), None)
    assert sum(n for _, _, n in part.bins) == 3000 and all(abs(right - sure) < 0.15 for sure, right, n in part.bins if n > 100)
    export.draw_reliability(tmp_path / "r.svg", part)
    svg = (tmp_path / "r.svg").read_text("utf-8")
    assert svg.count("<use ") >= len(part.bins) and "n = 3,000" in svg
    export.draw_reliability(tmp_path / "again.svg", part)
    assert (tmp_path / "again.svg").read_text("utf-8") == svg  # the same figures leave the same file


def test_folds_by_writer_never_split_one():
    folds = {}
    for number in range(200):
        example = datasets.Example(str(number), "", 0, f"isear-{number // 4}")
        assert folds.setdefault(example.group, protocols.isear_fold(example)) == protocols.isear_fold(example)
    assert set(folds.values()) == set(range(protocols.ISEAR_FOLDS))


def test_a_folded_face_ensemble_gives_the_same_answers():
    ensemble = FaceEnsemble().train()
    faces = torch.randn(16, 1, 48, 48)
    for _ in range(3):
        ensemble.evidence(faces)  # fills the running means and variances
    ensemble.eval()
    with torch.inference_mode():
        before = ensemble.evidence(faces)
        after = ensemble.folded().evidence(faces)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in ensemble.modules())
