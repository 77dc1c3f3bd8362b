"""Small tables of texts, in the form of each data set."""

import csv

from emotion.training import datasets

HEADER = "id,text,emotion,label,valence,speaker_or_dialogue,source".split(",")


def table(file, header, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def corpus_folder(tmp_path):
    folder = tmp_path / "text"
    for name in datasets.TABLES:
        rows = [(str(i), f"{name} sentence number {i} says this", "joy", "happy", 4.4, f"g{i // 2}", name) for i in range(80)]
        table(folder / f"{name}.csv", HEADER, rows)
    for part in ("train", "dev"):
        meld = [(f"what {part} says of {i} there", "joy", i // 2, i) for i in range(60)]
        table(folder / f"meld_{part}_sent_emo.csv", ["Utterance", "Emotion", "Dialogue_ID", "Utterance_ID"], meld)
        lines = [f"{part} number {i} is a fine one\t{i % 28}\t{part}{i}" for i in range(60)]
        (folder / f"goemotions_{part}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    table(folder / "isear_train.csv", ["id", "emotion", "text"], [(i, "joy", f"writer {i} was glad of it") for i in range(60)])
    rated = [(i, "train" if i % 3 else "dev", 4.2, 3, 3, f"rated sentence number {i}") for i in range(60)]
    table(folder / "emobank_train_dev.csv", ["id", "split", "V", "A", "D", "text"], rated)
    return folder
