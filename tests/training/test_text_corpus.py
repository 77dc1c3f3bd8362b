"""Texts of all sets together: their tables, the held-out tenth, what stands in both, and the sentences that check the model."""

import numpy as np
import pytest

from emotion import cli
from emotion.labels import LABELS
from emotion.readings import InputError
from emotion.training import datasets, evaluation, phrases, robustness, spoken_sentences, text, text_calibration, text_corpus
from emotion.training.datasets import Example
from tests.training.corpora import HEADER, corpus_folder, table

ROWS = (
    ("1s", "I lost my keys, again", "annoyed", "angry", 2.1, "hit4", "ed-situation"),
    ("1t", "Guess what I lost", "annoyed", "angry", 2.1, "hit4", "ed-turn1"),
    ("2s", "I ate all the cake alone", "guilty", "", 1.8, "hit5", "ed-situation"),
    ("3s", "We\N{RIGHT SINGLE QUOTATION MARK}re going", "anger,disgust", "", 1.8, "e3", "xed"),
    ("4s", "He trusts you", "trust", "", "", "e4", "xed"),
)


@pytest.mark.parametrize("name", datasets.TABLES)
def test_a_table_is_read_with_its_groups_and_without_what_has_no_label(tmp_path, name):
    table(tmp_path / f"{name}.csv", HEADER, ROWS)
    examples = datasets.load("text", name, tmp_path / f"{name}.csv")
    assert [(e.id, LABELS[e.label], e.group, e.valence) for e in examples] == [
        ("1s", "angry", f"{name}-hit4", None),
        ("1t", "angry", f"{name}-hit4", None),
    ]
    assert [e.id for e in datasets.load("text", name, tmp_path, "train")] == ["1s", "1t"]
    assert text.set_of(examples[0]) == name


def test_a_row_without_a_label_keeps_what_is_known_of_it(tmp_path):
    table(tmp_path / "xed.csv", HEADER, ROWS)
    rows = {e.id: e for e in datasets.table_rows(datasets.Source(tmp_path), "xed", "all")}
    assert (rows["2s"].label, rows["2s"].valence, rows["2s"].labels) == (-1, 1.8, ())
    assert (rows["3s"].label, rows["3s"].valence, [LABELS[i] for i in rows["3s"].labels]) == (-1, None, ["angry", "disgust"])
    assert [row_id for row_id, e in rows.items() if not text_corpus.is_known(e)] == ["4s"]
    wanted = text.Targets.of(list(rows.values()))
    assert wanted.labels[3, [LABELS.index("angry"), LABELS.index("disgust")]].tolist() == [0.5, 0.5]
    assert wanted.labels.sum(dim=1).tolist() == [1, 1, 0, 1, 0] and wanted.polarity.any(dim=1).tolist() == [0, 0, 1, 0, 0]


def test_parts_of_a_table_by_its_name_and_its_folder(tmp_path):
    for file in ("dailydialog_test.csv", "train/dailydialog.csv", "dailydialog_train.csv", "validation/dailydialog.csv"):
        table(tmp_path / file, HEADER, [(file, "Off we go then", "anger", "angry", 1.8, "d1", "dailydialog")])

    def found(split):
        return {e.id for e in datasets.load("text", "dailydialog", tmp_path, split)}

    assert found(None) == {"dailydialog_test.csv", "validation/dailydialog.csv"}
    assert found("train") == {"train/dailydialog.csv", "dailydialog_train.csv"} and len(found("all")) == 4
    with pytest.raises(InputError, match="no labelled example"):
        datasets.load("text", "dailydialog", tmp_path, "dev")


def test_nothing_held_out_is_trained_on_in_another_spelling():
    def said(text, group):
        return Example(text, text, 0, group)

    held = [said("I don't know, Ross.", "meld-1"), said("Oh my god!", "meld-1")]
    chosen = [
        said("i don\N{RIGHT SINGLE QUOTATION MARK}t know ross", "xed-1"),
        said("I do not know, Ross", "xed-2"),
        said("oh my god", "xed-3"),
        said("I don't know Ross!!", "emorynlp-s1e1c1"),
        said("Who is it?", "emorynlp-s1e1c1"),
        said("Who is it?", "emorynlp-s1e1c2"),
        said("I don't know Ross...", "dailydialog-1"),
        said("Then ask him.", "dailydialog-1"),
    ]
    left = [e.group for e in text_corpus.apart(chosen, [e.item for e in held])]
    assert left == ["xed-2", "xed-3", "emorynlp-s1e1c2", "dailydialog-1"]


def test_the_corpus_keeps_groups_and_texts_on_one_side(tmp_path):
    folder = corpus_folder(tmp_path)
    dev = datasets.load("text", "meld", folder, "dev")
    asked = [s.text for s in spoken_sentences.sentences() if len(text_corpus.words(s.text).split()) >= text_corpus.SHORT]
    twice = [(f"x{i}", said.upper(), "joy", "happy", 4.4, f"x{i}", "xed") for i, said in enumerate((dev[0].item, *asked[:20]))]
    table(folder / "xed.csv", HEADER, [*twice, ROWS[0]])
    chosen, held = text_corpus.corpus(folder)
    assert held and not {e.group for e in chosen} & {e.group for e in held}
    assert {text.set_of(e) for e in held} >= {"empathetic", "dailydialog", "goemotions"}
    assert {text_corpus.words(e.item) for e in chosen}.isdisjoint(text_corpus.words(e.item) for e in [*held, *dev])
    assert {text_corpus.words(e.item) for e in chosen}.isdisjoint(map(text_corpus.words, asked))
    assert sum(e.group == "phrases" for e in chosen) == len(phrases.examples())
    more = text_corpus.corpus(folder, unlabelled=True)
    assert [e.id for e in more[1]] == [e.id for e in held]
    assert [e.item for e in more[0] if text_corpus.is_known(e)] == [e.item for e in chosen]
    assert {e.group.split("-")[0] for e in more[0] if not text_corpus.is_known(e)} == {"carer"}


def test_the_nearest_text_shares_most_words():
    texts = ["Nobody came to my party!", "nobody came", "It rained"]
    (most, nearest), (least, none) = text_corpus.nearest(["nobody came to the party", "xylophone"], texts)
    assert (nearest, most) == ("nobody came to my party", pytest.approx(0.8)) and (least, none) == (0.0, "")


def test_the_held_out_tenth_is_a_split_of_its_own(tmp_path, capsys):
    folder = corpus_folder(tmp_path)
    command = [
        "evaluate",
        "text",
        "--dataset",
        "dailydialog",
        str(folder),
        "--source",
        "bundled",
        "--split",
        "held-out",
        "--json",
    ]
    assert cli.main(command) == 0
    everything = datasets.load("text", "dailydialog", folder, "train")
    assert f'"n": {len(evaluation.held_out(everything))},' in capsys.readouterr().out
    with pytest.raises(InputError, match="none is held out"):
        evaluation.held_out(everything[:2])


def test_calibration_is_told_of_each_part(tmp_path):
    class Sure:
        def predict(self, texts):
            return np.tile(np.eye(7, dtype=np.float32)[LABELS.index("happy")], (len(texts), 1))

    parts = text_calibration.parts(corpus_folder(tmp_path))
    rows = {
        row["part"]: row for row in text_calibration.calibration(Sure(), {n: parts[n] for n in ("meld, dev", "xed, held out")})
    }
    assert rows["meld, dev"]["n"] == 60 and all(row["ece"] == "0.000 (0.000-0.000)" for row in rows.values())
    assert set(parts) >= {"goemotions, held out", "meld, held out", "dailydialog, held out", "empathetic, held out"}


def test_spoken_sentences_are_enough_and_none_is_trained_on():
    asked = spoken_sentences.sentences()
    assert len(asked) >= 200 and len({s.category for s in asked}) == 10
    plain = {text_corpus.words(s.text) for s in asked}
    assert len(plain) == len(asked)
    assert plain.isdisjoint(text_corpus.words(e.item) for e in phrases.examples())
    assert plain.isdisjoint(map(text_corpus.words, robustness.SENTENCES))
    for sentence in asked:
        assert 1 <= sentence.low < sentence.high <= 5 and sentence.labels and set(sentence.labels) <= set(LABELS)
        assert sentence.high - sentence.low < 3  # what takes in everything checks nothing


def test_answers_are_counted_by_category():
    def answer(category, label, probability, low, high, labels):
        p = np.full(7, (1 - probability) / 6, np.float32)
        p[LABELS.index(label)] = probability
        return spoken_sentences.Answer(spoken_sentences.Sentence(category, f"{category} {label}", low, high, labels), p)

    answered = [
        answer("a", "happy", 0.9, 4, 5, ("happy",)),
        answer("a", "sad", 0.9, 4, 5, ("happy",)),
        answer("b", "sad", 0.6, 1, 2.5, ("fear",)),
    ]
    first, second, both = spoken_sentences.by_category(answered)
    assert [row["n"] for row in (first, second, both)] == [2, 1, 3]
    assert first["mood in range"].startswith("0.500") and second["mood in range"].startswith("1.000")
    assert [row["wrong label over 0.7"] for row in (first, second, both)] == [1, 0, 1]
    missed = spoken_sentences.misses(answered)
    assert [row["sentence"] for row in missed] == ["a sad", "b sad"]
    assert [row[""] for row in missed] == ["for certain", ""] and "not happy" in missed[0]["label"]


def test_a_model_that_cannot_be_had_is_one_line_of_error(capsys, monkeypatch):
    monkeypatch.setenv("EMOTION_HUB_DEADLINE", "soon")
    assert spoken_sentences.main([]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_command_prints_every_category(capsys):
    assert spoken_sentences.main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {s.category} |" in printed for s in spoken_sentences.sentences()) and "| all | 227 |" in printed
