"""Speech to text: voice activity, Moonshine, Whisper from a local folder, the figures."""

import itertools
import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from packaging.requirements import Requirement
from rapidfuzz.distance import Levenshtein
from scipy.signal import chirp

from emotion.messages import InputError
from emotion.readings import Segment, Transcript
from emotion.serving import transcription
from emotion.serving.transcription import transcribe
from emotion.serving.weights import ROOT
from emotion.sound import SAMPLE_RATE
from emotion.training import transcript as training
from emotion.transcript import moonshine, passages, whisper
from emotion.transcript.passages import pieces
from tests import published
from tests.clips import MEDIA

FIRST, SECOND = "the man went to the market", "please call me tomorrow"
SECONDS = 4
T = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """FIRST, a pause of 1.5 s, SECOND: 5.2 s."""
    return soundfile.read(MEDIA / "market.flac", dtype="float32")[0]


def noise(slope: float, level_db: float, n: int = len(T), seed: int = 0) -> np.ndarray:
    """Noise whose power falls with frequency to the power of ``slope``: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (slope / 2)
    wave = np.fft.irfft(spectrum, n)
    return (wave / wave.std() * 10 ** (level_db / 20)).astype(np.float32)


def scattered(event: np.ndarray, count: int) -> np.ndarray:
    wave = np.zeros(len(T))
    for start in np.random.default_rng(1).integers(0, len(T) - len(event), count):
        wave[start : start + len(event)] += event
    return wave


DECAY = np.exp(-np.arange(1600) / 200)
SPEECHLESS = {
    "nothing": np.zeros(0),
    "one sample": np.ones(1),
    "digital silence": np.zeros(len(T)),
    "offset": np.full(len(T), 0.3),
    **{f"noise 1/f^{slope} at {level} dB": noise(slope, level) for slope in (0, 1, 2) for level in (-80, -60, -40, -20)},
    "noise that comes and goes": noise(0, -20) * (np.sin(2 * np.pi * 1.5 * T) > 0.3),
    "noise that swells four times a second": noise(1, -20) * (1 + 0.9 * np.sin(8 * np.pi * T)) / 2,
    "440 Hz": 0.1 * np.sin(2 * np.pi * 440 * T),
    "440 Hz in noise": 0.1 * np.sin(2 * np.pi * 440 * T) + noise(0, -45),
    "beeps": 0.1 * np.sin(2 * np.pi * 440 * T) * (T % 1 < 0.4) + noise(0, -70),
    "hum": sum(0.1 * np.sin(2 * np.pi * 50 * k * T) / k for k in range(1, 8)) + noise(0, -60),
    "buzzer": 0.1 * np.sign(np.sin(2 * np.pi * 150 * T)) * (T % 1 < 0.5),
    "siren": 0.1 * np.sin(2 * np.pi * 600 * T + 200 * np.sin(np.pi * T)) * (T % 2 < 1),
    "clicks": scattered(np.array([0.8]), 12),
    "knocks": scattered(0.5 * DECAY * np.sin(2 * np.pi * 180 * np.arange(1600) / SAMPLE_RATE), 8),
    "chirps": 0.2 * chirp(T % 1, 200, 1, 3000),
    "short chirps": 0.3 * chirp(T % 0.25, 1000, 0.25, 4000) * (T % 0.5 < 0.25),
    "a slow chirp": 0.2 * chirp(T, 100, SECONDS, 1500),
}


# --- voice activity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPEECHLESS)
def test_no_words_are_found_where_there_are_none(name: str) -> None:
    sound = SPEECHLESS[name].astype(np.float32)
    assert pieces(sound, 28.0) == []  # of which Whisper and servers would be asked
    result = transcribe(sound)
    assert (result.text, result.confidence, result.segments) == ("", 0.0, ())


def test_a_short_sound_counts_as_speech_where_it_is_voiced(monkeypatch: pytest.MonkeyPatch, spoken: np.ndarray) -> None:
    monkeypatch.setattr(moonshine, "speech", lambda samples: [(0.0, 0.58)])
    assert pieces(SPEECHLESS["hum"].astype(np.float32), 28.0) == []
    voiced = spoken[SAMPLE_RATE // 2 :]
    assert pieces(voiced, 28.0) == [(0.0, 0.58)]


@pytest.mark.parametrize("gain", (0.003, 0.1, 3.0))
def test_speech_is_found_where_it_is_at_any_level(spoken: np.ndarray, gain: float) -> None:
    found = moonshine.speech(spoken * np.float32(gain))
    assert np.allclose(found, [(0.0, 1.8), (3.1, 5.0)], atol=0.3)  # as seen in the waveform, with a margin for the detector's


def test_pieces_join_pauses_and_cut_long_speech(spoken: np.ndarray) -> None:
    (whole,) = pieces(spoken, 28.0)
    assert whole[0] < 0.2
    assert whole[1] > 4.8
    assert len(pieces(spoken, 3.0)) == 2
    parts = passages._cut(spoken, (0.0, 5.0), longest=3.0)
    assert (parts[0][0], parts[-1][1]) == (0.0, 5.0)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(parts))
    assert all(0 < end - start <= 3.0 for start, end in parts)
    assert any(1.65 < end < 3.2 for _, end in parts[:-1])  # in the pause


# --- Moonshine -----------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    return " ".join(training.words_of(text.replace("-", "")))  # "to-morrow"


def test_a_recording_is_written_down_as_heard_with_its_times(spoken: np.ndarray) -> None:
    result = transcribe(spoken)
    assert result.text == " ".join(segment.text for segment in result.segments)
    assert result.text.startswith("The man went to the market. ")  # capitals and full stops
    assert [plain(segment.text) for segment in result.segments] == [FIRST, SECOND]
    assert np.allclose([(s.start, s.end) for s in result.segments], [(0.0, 1.8), (3.1, 5.0)], atol=0.3)
    assert result.engine == "moonshine-tiny-en"
    assert 0.3 < result.confidence < 1


def test_each_of_the_first_ten_calls_of_a_process_writes_what_was_said() -> None:
    """The library's own first call put an "Oh." before this recording."""
    code = """
import soundfile
from emotion.serving import transcription
glad = soundfile.read("tests/data/glad.flac", dtype="float32")[0]
print(*{transcription.transcribe(glad).text for _ in range(10)}, sep="\\n")"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "Oh, what a wonderful day. I am so happy to see you all again."


def test_words_are_heard_whatever_was_heard_before(spoken: np.ndarray) -> None:
    """The library's voice detector has a memory that all transcribers of a process share, which moves a line's times a little."""
    for sound in (noise(0, -20), noise(1, -40, 30_000), spoken[:20_000], SPEECHLESS["siren"]):
        transcribe(sound.astype(np.float32))
        first, second = transcribe(spoken).segments
        assert (plain(first.text), plain(second.text)) == (FIRST, SECOND)
        assert 0 <= first.start < 1.5 < first.end < second.start < 3.5 < second.end <= len(spoken) / SAMPLE_RATE


def test_long_recordings_are_heard_to_their_end(spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces' ends lie in the middle of words, which must be whole in one of them and in no other."""
    pause = np.zeros(SAMPLE_RATE, np.float32)
    long = np.concatenate([part for _ in range(4) for part in (spoken, pause)])
    monkeypatch.setattr(moonshine, "PIECE_S", 16.7)
    result = transcribe(long)
    assert Levenshtein.distance(f"{FIRST} {SECOND} ".split() * 4, plain(result.text).split()) <= 1
    assert all(a.end <= b.start for a, b in itertools.pairwise(result.segments))
    assert 3 * 6 < result.segments[-1].start < result.segments[-1].end <= len(long) / SAMPLE_RATE


@pytest.mark.parametrize(
    ("system", "machine", "there"),
    (
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("linux", "armv7l", False),
        ("win32", "AMD64", True),
        ("win32", "ARM64", False),
        ("darwin", "arm64", True),
        ("darwin", "x86_64", False),
    ),
)
def test_the_package_is_asked_for_where_it_exists(system: str, machine: str, there: bool) -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    (requirement,) = (Requirement(line) for line in lines if line.startswith(moonshine.PACKAGE))
    assert str(requirement.specifier) == "==0.0.73"
    assert requirement.marker.evaluate({"sys_platform": system, "platform_machine": machine}) == there


def heard(texts: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Transcript:
    """The transcript of a recording that is heard as one text and, slower, as another."""
    segments = {rate: [Segment(0.0, 2.0, text)] for rate, text in zip((SAMPLE_RATE, moonshine.SLOWER_RATE), texts, strict=True)}
    monkeypatch.setattr(moonshine.Moonshine, "_segments", lambda self, samples, rate=SAMPLE_RATE: segments[rate])
    return transcribe(np.zeros(2 * SAMPLE_RATE, np.float32))


@pytest.mark.parametrize(("ends", "pieces_s"), [(8.0, [60, 30]), (60.0, [60, 60, 25])])
def test_only_a_line_that_reaches_the_end_of_a_piece_is_heard_again(ends: float, pieces_s: list[int]) -> None:
    heard_s: list[float] = []

    class Library:
        def transcribe_without_streaming(self, samples: list[float], rate: int) -> SimpleNamespace:
            heard_s.append(len(samples) / rate)
            first = len(heard_s) == 2  # after the silence
            return SimpleNamespace(lines=[SimpleNamespace(text="Hello.", start_time=5.0, duration=ends - 5)] if first else [])

    list(moonshine._lines(Library(), np.full(90 * SAMPLE_RATE, 0.1, np.float32)))
    assert heard_s == [1, *pieces_s]


def test_words_that_a_second_hearing_does_not_find_are_relied_upon_less(monkeypatch: pytest.MonkeyPatch) -> None:
    assert heard(("He is here now.", "he is here, now"), monkeypatch).confidence == moonshine.CEILING
    some = heard(("Is he here now? Oh yes he is.", "Is she there now? Oh yes he is."), monkeypatch)
    assert some.confidence == pytest.approx(min(6 / 8, moonshine.CEILING))
    assert not some.foreign


def test_what_two_hearings_do_not_agree_on_is_no_english(monkeypatch: pytest.MonkeyPatch) -> None:
    result = heard(("The lupin leaked off them eyes shrunk.", "They lacked relief of their eyes."), monkeypatch)
    assert (result.text, result.segments, result.foreign) == ("", (), True)
    short = heard(("Oh, no.", "Oh."), monkeypatch)  # too short to tell
    assert (short.text, short.confidence) == ("Oh, no.", 0.5)


def test_english_is_not_taken_for_another_language(spoken: np.ndarray) -> None:
    for name in ("glad", "calm", "lively", "market"):
        result = transcribe(soundfile.read(MEDIA / f"{name}.flac", dtype="float32")[0])
        assert not result.foreign
        assert result.confidence > 0.5


def test_a_draft_has_the_words_too(spoken: np.ndarray) -> None:
    assert plain(transcription.draft(spoken).text) == f"{FIRST} {SECOND}"


def test_only_english_is_written_down(spoken: np.ndarray) -> None:
    assert all(transcription.supports(code) for code in ("en", "en-US", "EN_gb", " English "))
    assert not any(transcription.supports(code) for code in ("de", "", "auto", "enm"))
    assert transcribe(spoken, "de") is None


def test_a_spawned_worker_transcribes_without_torch(spoken: np.ndarray) -> None:
    with ProcessPoolExecutor(1, get_context("spawn"), transcription.warm) as pool:
        assert plain(pool.submit(transcribe, spoken, "en").result(60).text) == f"{FIRST} {SECOND}"
    code = "import sys, emotion.serving.transcription as t; t.warm(); print({'torch', 'whisper', 'gradio'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "set()"


class MoonshineError(Exception):
    pass


def refuses(*_: object, **__: object) -> None:
    raise OSError("libmoonshine.so: version GLIBC_2.34 not found")


@pytest.mark.parametrize(
    ("package", "reason"),
    (
        (None, "package_missing"),
        (SimpleNamespace(), "package_without_model"),
        (
            SimpleNamespace(Transcriber=refuses, ModelArch=SimpleNamespace(TINY=0), MoonshineError=MoonshineError),
            "package_does_not_run",
        ),
    ),
)
def test_why_moonshine_does_not_run_is_told(tmp_path: Path, monkeypatch, package: SimpleNamespace | None, reason: str) -> None:
    if package:
        package.__file__ = str(tmp_path / "__init__.py")
        if hasattr(package, "Transcriber"):
            (tmp_path / "assets" / "tiny-en").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "moonshine_voice", package)
    with pytest.raises(InputError) as error:
        moonshine.Moonshine()
    assert error.value.code == reason


def test_where_moonshine_does_not_run_the_words_are_left_out(tmp_path: Path) -> None:
    """In a process where the package is another: an analysis still reads the voice, typed text is read, and both are told."""
    (tmp_path / "moonshine_voice").mkdir()
    (tmp_path / "moonshine_voice" / "__init__.py").write_text("raise ImportError('no such package')")
    code = """
import json, emotion
analyzer = emotion.load("bundled")
spoken, typed = analyzer.analyze(audio="tests/data/glad.flac"), analyzer.analyze("I am glad")
codes = [message.fields["why"].fields["why"][0].code for message in spoken.codes]
status = analyzer.status()["transcript"]
print(json.dumps([sorted(spoken.modalities), codes, sorted(typed.modalities), status.state, status.reason[0].code]))
analyzer.close()"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    assert json.loads(out.stdout) == [["speech"], ["package_missing"], ["text"], "failed", "package_missing"]


# --- figures -------------------------------------------------------------------------------------------------------------


def attempt(
    errors: int, confidence: float = 0.9, text: str = "a b c", speaker: str = "", foreign: bool = False
) -> training.Attempt:
    result = Transcript(text, confidence, "moonshine", foreign=foreign)
    return training.Attempt(speaker or f"speaker {errors}", (), 1.0, 4, result, errors, 0.2)


def test_reliability_compares_confidence_with_accuracy() -> None:
    exact = [attempt(errors, 1 - errors / 4) for errors in (0, 1, 2, 3, 4)]
    table = training.reliability([*exact, attempt(4, 0.9, text="")])
    assert (table["gap"], table["correlation"]) == (0.0, 1.0)
    assert training.reliability([attempt(4, 0.5), attempt(6, 0.5)])["gap"] == 0.5


def test_the_summary_counts_words_not_clips() -> None:
    attempts = [*(attempt(errors) for errors in (0, 1, 2, 3, 4)), attempt(4, text="")]
    total = training.summary(attempts)
    assert (total["n"], total["wer"], total["exact"], total["without_words"]) == (6, round(14 / 24, 3), round(1 / 6, 3), 1)
    assert total["cpu_per_second"] == 0.2
    assert total["of speakers: least, median, most"] == [0, 0.5, 1]
    assert 0 <= total["interval"][0] < 0.4 < total["wer"] < 0.8 < total["interval"][1] <= 1
    of_one = training.summary([replace(a, speaker="somebody") for a in attempts])
    assert of_one["interval"] == [of_one["wer"]] * 2  # drawn again, one speaker is the same one


def test_what_is_refused_is_counted_at_every_threshold() -> None:
    attempts = [attempt(0, 0.9), attempt(1, 0.55), attempt(2, 0.35, text="", foreign=True), attempt(3, 0.1, text="Oh well")]
    figures = training.refusals(attempts)
    assert (figures["share"], figures["no words at all"]) == (0.25, 0)
    assert list(figures["share by threshold"].values()) == [0, 0.25, 0.25, 0.5, 0.5]  # two words are too few to tell


def test_the_command_reports_on_a_data_set(tmp_path: Path, spoken: np.ndarray, monkeypatch, capsys) -> None:
    monkeypatch.setattr(training, "SENTENCES", {1: f"{FIRST} {SECOND}", 2: FIRST})
    (tmp_path / "Actor_12").mkdir()
    for sentence, samples in ((1, spoken), (2, spoken[: 2 * SAMPLE_RATE])):
        soundfile.write(tmp_path / f"Actor_12/03-01-03-01-0{sentence}-01-12.flac", samples, SAMPLE_RATE)
    with zipfile.ZipFile(tmp_path.parent / "emodb.zip", "w") as archive:
        archive.write(tmp_path / "Actor_12/03-01-03-01-01-01-12.flac", "11a01Fa.flac")
    assert training.main([str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["RAVDESS"]["n"] == figures["RAVDESS, other actors"]["n"] == 2
    assert figures["RAVDESS"]["wer"] <= 0.15  # "to-morrow" is two words
    assert list(figures["word error rate by actor and group"]) == ["actor 12", "women", "happy"]
    refused = figures["taken for another language"]
    assert [refused[name]["n"] for name in ("RAVDESS, other actors", "EmoDB (German), other speakers")] == [2, 1]
    assert training.main([str(tmp_path)]) == 0
    assert "  n: 2\n  wer: " in capsys.readouterr().out
    assert training.main([str(tmp_path / "Actor_12" / "nothing")]) == 1
    assert "no data set" in capsys.readouterr().err


# --- Whisper -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(published.whisper(tmp_path_factory.mktemp("whisper") / "small.en"))


def test_whisper_computes_what_transformers_computes(whisper_folder: str) -> None:
    import torch
    from transformers import WhisperForConditionalGeneration

    theirs = WhisperForConditionalGeneration.from_pretrained(whisper_folder).eval()
    mel, tokens = torch.randn(1, 80, 3000), torch.tensor([[50257, 50362, 11, 22, 33]])
    with torch.no_grad():
        expected = theirs(input_features=mel, decoder_input_ids=tokens).logits
        logits = whisper.load_whisper(whisper_folder)(mel, tokens)
    assert expected.std() > 0.1
    assert torch.allclose(logits, expected, atol=1e-4)


def test_whisper_transcribes_in_the_time_of_the_recording(whisper_folder: str, spoken: np.ndarray) -> None:
    """What a random model says is chance; where it may say it is not."""
    late = np.concatenate([np.zeros(5 * SAMPLE_RATE, np.float32), spoken])
    result = transcribe(late, "en", whisper_folder)
    assert result.engine == "small.en"
    assert result.text == " ".join(segment.text for segment in result.segments) != ""
    assert 0 <= result.confidence <= whisper.CEILING
    assert 4.6 < result.segments[0].start <= result.segments[-1].end < len(late) / SAMPLE_RATE + 0.1


def test_whispers_beliefs_come_through(whisper_folder: str, spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def passage(text: str, compression_ratio: float = 1.0) -> dict:
        times = {"start": 0.5, "end": 30.0}
        return {"text": text, **times, "avg_logprob": -0.5, "no_speech_prob": 0.2, "compression_ratio": compression_ratio}

    asked = []

    def fake(model, samples, **options) -> dict:
        asked.append(options["language"])
        return {"segments": [passage(" Hello, you."), passage("la la la", compression_ratio=9.0)]}

    engine = whisper.Whisper(whisper_folder)
    monkeypatch.setattr(type(engine._model), "transcribe", fake)
    monkeypatch.setattr(whisper, "pieces", lambda samples, longest: [(2.1, 3.0)])
    result = engine.draft(spoken, "en-GB")
    (segment,) = result.segments
    assert (result.text, segment.start) == ("Hello, you.", pytest.approx(2.5))  # hearing began 0.1 s before the voice
    assert segment.end == pytest.approx(3.1)  # what was heard ends there, whatever the model says
    assert result.confidence == pytest.approx(np.exp(-0.5) * 0.8)
    assert asked == ["en"]
    with pytest.raises(InputError, match="klingon"):
        engine.draft(spoken, "klingon")


def test_a_whisper_speaks_what_its_vocabulary_holds(whisper_folder: str, tmp_path: Path) -> None:
    assert transcription.supports("en", whisper_folder)
    assert not transcription.supports("de", whisper_folder)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper", "vocab_size": 51865}), "utf-8")
    assert transcription.supports("de", str(tmp_path))


def test_what_is_no_whisper_is_refused(whisper_folder: str, tmp_path: Path) -> None:
    """Without safetensors above all: weights that torch would unpickle are not looked at."""
    config = (Path(whisper_folder) / "config.json").read_text("utf-8")
    folders = {name: tmp_path / name for name in ("empty", "bert", "pickled", "broken", "other sizes")}
    for folder in folders.values():
        folder.mkdir()
    (folders["bert"] / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    for name in ("pickled", "broken", "other sizes"):
        (folders[name] / "config.json").write_text(
            config.replace('"d_model": 16', f'"d_model": {8 if name == "other sizes" else 16}')
        )
    (folders["pickled"] / "pytorch_model.bin").write_bytes(b"\x80\x04")
    (folders["broken"] / "model.safetensors").write_bytes(b"not at all")
    (folders["other sizes"] / "model.safetensors").write_bytes((Path(whisper_folder) / "model.safetensors").read_bytes())
    for folder in folders.values():
        with pytest.raises(InputError, match="but a bert" if folder.name == "bert" else "holds no Whisper model"):
            whisper.load_whisper(str(folder))
