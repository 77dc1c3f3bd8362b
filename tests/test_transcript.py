"""Speech to text: the voice-activity check, PocketSphinx and its calibration, Whisper from a local folder, the figures."""

import itertools
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from emotion import transcript
from emotion.media import SAMPLE_RATE
from emotion.readings import InputError
from emotion.training import transcript as training
from emotion.transcript import Calibration, Utterance, speech_segments, transcribe
from tests import published

MEDIA = Path(__file__).parent / "media"
FIRST, SECOND = "the man went to the market", "please call me tomorrow"
SECONDS = 4
T = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """FIRST, a pause of 1.5 s, SECOND: 5.2 s."""
    return soundfile.read(MEDIA / "market.flac", dtype="float32")[0]


@pytest.fixture(scope="module")
def spans(spoken: np.ndarray) -> list[tuple[float, float]]:
    return speech_segments(spoken)


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
}


# --- voice activity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPEECHLESS)
def test_no_speech_is_found_where_there_is_none(name: str) -> None:
    assert speech_segments(SPEECHLESS[name].astype(np.float32)) == []


def test_speech_is_found_where_it_is(spoken: np.ndarray, spans: list) -> None:
    assert len(spans) == 2
    assert np.allclose(spans, [(0.0, 1.65), (3.2, 4.85)], atol=0.15)  # as seen in the waveform


@pytest.mark.parametrize("gain", (0.003, 0.1, 3.0))
def test_speech_is_found_at_any_level(spoken: np.ndarray, spans: list, gain: float) -> None:
    assert np.allclose(speech_segments(spoken * gain), spans, atol=0.25)


@pytest.mark.parametrize("slope", (0, 1))
def test_speech_is_found_in_noise_3_db_under_it(spoken: np.ndarray, spans: list, slope: float) -> None:
    level_db = 20 * np.log10(spoken[: int(1.6 * SAMPLE_RATE)].std()) - 3
    found = speech_segments(spoken + noise(slope, level_db, len(spoken)))
    heard = sum(max(0.0, min(end, e) - max(start, s)) for start, end in found for s, e in spans)
    said = sum(end - start for start, end in spans)
    assert heard > 0.75 * said
    assert sum(end - start for start, end in found) < 1.25 * said  # the noise in the pause is none


def test_the_detector_of_pocketsphinx_has_a_veto(spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketsphinx.Vad", lambda **options: SimpleNamespace(is_speech=lambda frame: False))
    assert speech_segments(spoken) == []


def test_times_are_those_of_the_recording(spoken: np.ndarray, spans: list) -> None:
    """45 s is past the part of a recording that is measured at once."""
    later = np.concatenate([noise(0, -75, 45 * SAMPLE_RATE), spoken])
    assert np.allclose(speech_segments(later), np.add(spans, 45.0), atol=0.15)


def test_joining_and_cutting_keep_what_was_said(spoken: np.ndarray) -> None:
    assert transcript._joined([(0, 1), (1.4, 2), (5, 6)], gap=0.5) == [(0, 2), (5, 6)]
    assert transcript._joined([(0, 1), (1.4, 2), (2.1, 3)], gap=0.5, longest=2) == [(0, 2), (2.1, 3)]
    parts = transcript._cut(spoken, (0.0, 5.0), longest=3.0)
    assert (parts[0][0], parts[-1][1]) == (0.0, 5.0)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(parts))
    assert all(0 < end - start <= 3.0 for start, end in parts)
    assert any(1.65 < end < 3.2 for _, end in parts[:-1])  # in the pause


# --- PocketSphinx --------------------------------------------------------------------------------------------------------


def test_a_recording_is_written_down_with_its_times(spoken: np.ndarray) -> None:
    result = transcribe(spoken)
    assert result.text == f"{FIRST} {SECOND}"
    assert [segment.text for segment in result.segments] == [FIRST, SECOND]
    assert np.allclose([(s.start, s.end) for s in result.segments], [(0.03, 1.6), (3.2, 4.85)], atol=0.15)
    assert result.engine == "pocketsphinx-en-us"
    words = {
        text: (start, end)
        for u in transcript._engine(None).utterances(spoken, speech_segments(spoken))
        for text, start, end in u.words
    }
    assert np.allclose([words["went"], words["tomorrow"]], [(0.46, 0.8), (4.07, 4.85)], atol=0.1)
    assert 0.3 < result.confidence <= Calibration.read(transcript.CALIBRATION).ceiling


def test_silence_and_noise_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder hears words in both: the check keeps them from it."""
    monkeypatch.setattr(transcript.PocketSphinx, "words", lambda *_: pytest.fail("decoded"))
    for name in ("digital silence", "noise 1/f^0 at -20 dB", "hum", "440 Hz", "nothing"):
        result = transcribe(SPEECHLESS[name].astype(np.float32))
        assert (result.text, result.confidence, result.segments) == ("", 0.0, ())


def test_a_transcript_depends_on_its_recording_alone(spoken: np.ndarray) -> None:
    """The decoder keeps a noise estimate and a spectrum warp: neither may reach the next recording."""
    recogniser = transcript._engine(None)
    glad = soundfile.read(MEDIA / "glad.flac", dtype="float32")[0]

    def features(samples: np.ndarray) -> list[list[float]]:
        return [u.features.tolist() for u in recogniser.utterances(samples, speech_segments(samples))]

    before = features(spoken)
    features(glad + noise(1, -40, len(glad)))
    assert features(spoken) == before


def test_the_level_of_a_recording_does_not_matter(spoken: np.ndarray, spans: list) -> None:
    """The decoder removes noise down to an absolute level, which would take more from a quiet voice."""
    recogniser = transcript._engine(None)
    (loud, *_), (quiet, *_) = (list(recogniser.utterances(spoken * gain, spans)) for gain in (1.0, 0.003))
    assert quiet.words == loud.words
    assert np.allclose(quiet.features, loud.features, atol=0.05)


def test_a_high_voice_fits_the_model_better_warped(spoken: np.ndarray, spans: list, monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = transcript._engine(None)
    acoustic = transcript.FEATURES.index("acoustic_score_per_frame")
    warped = [u.features[acoustic] for u in recogniser.utterances(spoken, spans)]  # its F0 is 207 Hz
    monkeypatch.setattr(transcript, "HIGH_VOICE_HZ", 1e9)
    assert np.all(np.array(warped) > [u.features[acoustic] for u in recogniser.utterances(spoken, spans)])


def test_only_english_is_written_down(spoken: np.ndarray) -> None:
    assert all(transcript.speaks(code) for code in ("en", "en-US", "EN_gb", " English "))
    assert not any(transcript.speaks(code) for code in ("de", "", "auto", "enm"))
    assert transcribe(spoken, "de") is None


def test_fillers_and_pronunciations_are_stripped() -> None:
    class Segment:
        def __init__(self, word: str):
            self.word = word

    segments = [
        Segment(word) for word in ("<s>", "the(2)", "<sil>", "[NOISE]", "++BREATH++", "a", "[SPEECH]", "o'clock(12)", "</s>")
    ]
    assert [transcript.plain(s.word) for s in transcript.spoken(segments)] == ["the", "a", "o'clock"]


def test_a_pause_ends_a_segment() -> None:
    words = [transcript.Word(text, start, start + 0.2, 0.5) for text, start in (("a", 0.0), ("b", 0.6), ("c", 1.4), ("d", 1.6))]
    assert [(s.start, s.end, s.text) for s in transcript._phrases(words)] == [(0.0, 0.8, "a b"), (1.4, 1.8, "c d")]
    assert list(transcript._phrases([])) == []


def test_a_spawned_worker_transcribes_without_torch(spoken: np.ndarray) -> None:
    with ProcessPoolExecutor(1, get_context("spawn"), transcript.warm) as pool:
        assert pool.submit(transcribe, spoken, "en").result(60).text == f"{FIRST} {SECOND}"
    code = "import sys, emotion.transcript as t; t.warm(); print({'torch', 'whisper', 'gradio'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=MEDIA.parent.parent, check=True)
    assert out.stdout.strip() == "set()"


# --- calibration ---------------------------------------------------------------------------------------------------------


def test_a_better_hypothesis_is_trusted_more() -> None:
    calibration = Calibration.read(transcript.CALIBRATION)
    steps = np.linspace(calibration.low, calibration.high, 20)
    for column in range(len(transcript.FEATURES)):
        features = np.tile(np.mean([calibration.low, calibration.high], axis=0), (20, 1))
        features[:, column] = steps[:, column]
        rising = [calibration.expected_accuracy(f) for f in features]
        assert all(a <= b for a, b in itertools.pairwise(rising)), transcript.FEATURES[column]
    assert calibration.expected_accuracy(steps[0]) < 0.3 < calibration.expected_accuracy(steps[-1])


def test_no_confidence_passes_the_ceiling_or_leaves_the_fitted_range() -> None:
    calibration = Calibration((1.0, 1.0), 0.0, (-2.0, -5.0), (0.0, -1.0), 0.75)
    assert calibration.expected_accuracy(np.array([5.0, 50.0])) == pytest.approx(1 / (1 + np.e))  # as at (0, -1)
    assert calibration.expected_accuracy(np.array([-1e9, -1e9])) == pytest.approx(1 / (1 + np.exp(7.0)))  # as at (-2, -5)
    assert Calibration((1.0, 1.0), 9.0, (-2.0, -5.0), (0.0, -1.0), 0.75).expected_accuracy(np.zeros(2)) == 0.75


def test_a_calibration_of_other_settings_is_refused(tmp_path: Path) -> None:
    content = json.loads(transcript.CALIBRATION.read_text("utf-8"))
    for key in ("settings", "features"):
        file = tmp_path / f"{key}.json"
        file.write_text(json.dumps(content | {key: []}), "utf-8")
        with pytest.raises(ValueError, match="fit it again"):
            Calibration.read(file)


def test_the_fit_finds_the_function_that_made_the_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    attempts = []
    for x in rng.uniform((-2, -5), (0, -2), (4000, 2)):
        accuracy = 1 / (1 + np.exp(-(6.0 + 1.5 * x[0] + 1.0 * x[1])))
        clip = training.Clip(np.zeros(1, np.float32), " ".join("w" * 10), "somebody")
        attempts.append(training.Attempt(clip, "w", int(rng.binomial(10, 1 - accuracy)), 0.1, 0.1, x, 0.0))
    fit = training.fitted(attempts)
    assert np.allclose([*fit.weights, fit.bias], (1.5, 1.0, 6.0), atol=0.3)
    assert fit.expected_accuracy(np.zeros(2)) == training.CEILING
    training.write(fit, tmp_path / "calibration.json", len(attempts))
    assert np.allclose(Calibration.read(tmp_path / "calibration.json").weights, fit.weights, atol=1e-6)


# --- figures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    (
        ("a b c", "a b c", 0),
        ("a b c", "", 3),
        ("a b c", "a c", 1),
        ("a b c", "a x b c", 1),
        ("a b c", "c b a", 2),
        ("a", "b c d", 3),
    ),
)
def test_word_errors(said: str, heard: str, errors: int) -> None:
    assert training.word_errors(said, heard) == errors


def test_reliability_compares_confidence_with_accuracy() -> None:
    def attempt(errors: int, confidence: float | None) -> training.Attempt:
        clip = training.Clip(np.zeros(SAMPLE_RATE, np.float32), "a b c d", f"speaker {errors}")
        return training.Attempt(clip, "x", errors, 0.2, 0.4, None, confidence)

    exact = [attempt(errors, 1 - errors / 4) for errors in (0, 1, 2, 3, 4)]
    table = training.reliability([*exact, attempt(4, None)])
    assert (table["gap"], table["correlation"]) == (0.0, 1.0)
    assert training.reliability([attempt(4, 0.5), attempt(6, 0.5)])["gap"] == 0.5
    total = training.summary([*exact, attempt(4, None)])
    assert (total["n"], total["wer"], total["rtf_cpu"], total["rtf_wall"]) == (6, round(14 / 24, 3), 0.2, 0.4)
    spread = total["intervals"]
    assert 0 <= spread["wer"][0] < 0.4 < total["wer"] < 0.8 < spread["wer"][1] <= 1
    assert spread["exact"][0] < total["exact"] == round(1 / 6, 3) < spread["exact"][1]
    of_one = training.summary([replace(a, clip=replace(a.clip, speaker="somebody")) for a in exact])
    assert of_one["intervals"]["wer"] == [of_one["wer"]] * 2  # drawn again, one speaker is the same one


def test_the_command_reports_on_a_data_set(tmp_path: Path, spoken: np.ndarray, monkeypatch, capsys) -> None:
    monkeypatch.setattr(training, "REPORTING", (2,))
    monkeypatch.setattr(training, "SENTENCES", {1: f"{FIRST} {SECOND}", 2: SECOND})
    (tmp_path / "Actor_02").mkdir()
    for sentence, samples in ((1, spoken), (2, spoken[3 * SAMPLE_RATE :])):
        soundfile.write(tmp_path / f"Actor_02/03-01-03-01-0{sentence}-01-02.flac", samples, SAMPLE_RATE)
    assert training.main([str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["tuned"]["n"], figures["tuned"]["wer"], figures["tuned"]["exact"]) == (2, 0.0, 1.0)
    assert figures["tuned, word error rate by group"] == {"happy": 0.0, "women": 0.0}
    assert training.main([str(tmp_path)]) == 0
    assert "  wer: 0.0\n  exact: 1.0\n  intervals:\n    wer: [0.0, 0.0]\n" in capsys.readouterr().out
    assert training.main([str(tmp_path / "Actor_02" / "nothing")]) == 1
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
        logits = transcript.load_whisper(whisper_folder)(mel, tokens)
    assert expected.std() > 0.1
    assert torch.allclose(logits, expected, atol=1e-4)


def test_whisper_transcribes_in_the_time_of_the_recording(whisper_folder: str, spoken: np.ndarray) -> None:
    """What a random model says is chance; where it may say it is not."""
    late = np.concatenate([np.zeros(5 * SAMPLE_RATE, np.float32), spoken])
    result = transcribe(late, "en", whisper_folder)
    assert result.engine == "small.en"
    assert result.text == " ".join(segment.text for segment in result.segments) != ""
    assert 0 <= result.confidence <= transcript.WHISPER_CEILING
    assert 4.8 < result.segments[0].start <= result.segments[-1].end < len(late) / SAMPLE_RATE + 0.1


def test_whispers_beliefs_come_through(whisper_folder: str, spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def passage(word: str, compression_ratio: float = 1.0) -> dict:
        words = [{"word": f" {word}", "start": 0.1, "end": 0.6, "probability": 0.9}]
        return {"words": words, "avg_logprob": -0.5, "no_speech_prob": 0.2, "compression_ratio": compression_ratio}

    asked = []

    def fake(model, samples, **options) -> dict:
        asked.append(options["language"])
        return {"segments": [passage("Hello,"), passage("la la la", compression_ratio=9.0)]}

    engine = transcript.Whisper(whisper_folder)
    monkeypatch.setattr(type(engine._model), "transcribe", fake)
    (word,) = engine.words(spoken, [(2.1, 3.0)], "en-GB")
    assert (word.text, word.start, word.end) == ("Hello,", pytest.approx(2.1), pytest.approx(2.6))  # decoding began 0.1 s before
    assert word.confidence == pytest.approx(np.exp(-0.5) * 0.8)
    assert asked == ["en"]
    with pytest.raises(InputError, match="klingon"):
        engine.words(spoken, [(0.0, 1.0)], "klingon")


def test_the_authors_alignment_heads_are_used(whisper_folder: str, tmp_path: Path) -> None:
    assert transcript.load_whisper(whisper_folder).alignment_heads.to_dense().tolist() == [[False, False], [True, True]]
    for file in Path(whisper_folder).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "generation_config.json").write_text(json.dumps({"alignment_heads": [[0, 1], [1, 0]]}), "utf-8")
    assert transcript.load_whisper(str(tmp_path)).alignment_heads.to_dense().tolist() == [[False, True], [True, False]]


def test_a_whisper_speaks_what_its_vocabulary_holds(whisper_folder: str, tmp_path: Path) -> None:
    assert transcript.speaks("en", whisper_folder)
    assert not transcript.speaks("de", whisper_folder)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper", "vocab_size": 51865}), "utf-8")
    assert transcript.speaks("de", str(tmp_path))


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
        with pytest.raises(InputError, match="but a 'bert'" if folder.name == "bert" else "holds no Whisper model"):
            transcript.load_whisper(str(folder))


def test_utterances_carry_what_the_calibration_was_fitted_to(spoken: np.ndarray, spans: list) -> None:
    utterances = list(transcript._engine(None).utterances(spoken, spans))
    assert all(isinstance(u, Utterance) and u.features.shape == (len(transcript.FEATURES),) for u in utterances)
    assert all(-14 < u.features[0] <= 0 and -20 < u.features[1] < 0 for u in utterances)
