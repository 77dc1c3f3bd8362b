"""Times an analysis and its branches beside plain decoding: python -m emotion.bench.latency [CLIP] [--runs N]

A branch is a chain from the file to its reading: sound, speech to text, text; sound, voice; pictures, face. Side by side they
should take little longer than the slowest one alone. Plain decoding is PyAV's ``for _ in container.decode(): pass``, each time in
a newly opened file: what the clip costs whoever does nothing with it. Without a CLIP one of 10 s is made of the page's example.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import torch

import emotion
from emotion import media
from emotion.analyzer import Analyzer
from emotion.bench import film
from emotion.face.recogniser import FaceRecogniser, preprocess
from emotion.media import limits, sandbox
from emotion.sound import SAMPLE_RATE

SECONDS = 10  # of the clip that is made
T = TypeVar("T")
PLAIN, BRANCHES = "plain decoding", ("text", "voice", "face")


def main() -> None:
    parser = argparse.ArgumentParser("python -m emotion.bench.latency", description=__doc__.splitlines()[0])
    parser.add_argument(
        "clip", nargs="?", help="a video with a face and speech; without one, 10 s are made of the page's example"
    )
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = arguments.clip or film.of_the_example(Path(folder) / "clip.mp4", SECONDS)
        analyzer = emotion.load("bundled")
        analyzer.analyze(video=clip)  # models and workers are loaded
        _time_analysis(analyzer, clip, arguments.runs)
        torch.set_num_threads(1)
        for name, read in _models(analyzer, clip).items():
            read()
            print(f"{name:28} {statistics.median(_seconds(read) for _ in range(15)) * 1000:8.1f} ms on one core (median of 15)")
        analyzer.close()


def _time_analysis(analyzer: Analyzer, clip: str, runs: int) -> None:
    """Prints the times of plain decoding, of the analysis and of its branches and stages, and what one is of the other."""
    rounds, stages = [], []
    for _ in range(runs):  # in turn, so that all see the machine in the same moods
        timed = {name: _seconds(run) for name, run in _alone(analyzer, clip).items()}
        start = time.perf_counter()
        stages.append(analyzer.analyze(video=clip).timings_ms)
        rounds.append({**timed, "together": time.perf_counter() - start})
    for name in rounds[0]:
        print(f"{name:16} {statistics.median(r[name] for r in rounds) * 1000:8.0f} ms (median of {runs})")
    for name in stages[0]:
        print(f"  {name:14} {statistics.median(stage[name] for stage in stages):8.0f} ms within together")
    for name, others in (("slowest branch", BRANCHES), ("plain decoding", [PLAIN])):
        ratios = [r["together"] / max(r[other] for other in others) for r in rounds]
        print(f"{'ratio':16} {statistics.median(ratios):8.2f} of the {name} (median; {min(ratios):.2f} to {max(ratios):.2f})")


def _models(analyzer: Analyzer, clip: str) -> dict[str, Callable[[], object]]:
    """The models alone, without decoding and explanations: a sentence, five seconds of the clip's sound, one face."""
    samples = np.resize(media.decode_audio(clip), 5 * SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(len(samples)) * samples.std() * 10 ** (-10 / 20)
    noisy = (samples + noise).astype(np.float32)
    picture, face = np.zeros((48, 48, 3), np.uint8), analyzer.face
    assert isinstance(face, FaceRecogniser)  # the bundled one
    return {
        "text, 15 words": lambda: analyzer.text.predict(
            ["and then we went to the market because it was such a lovely day there"]
        ),
        "voice, 5 s with its features": lambda: analyzer.speech.predict([samples]),
        "voice, the same in noise": lambda: analyzer.speech.predict([noisy]),
        "face and its mirror image": lambda: face.predict([picture]),
        "face, its network once": torch.inference_mode()(lambda: face.ensemble.evidence(preprocess([picture]))),
    }


def _alone(analyzer: Analyzer, clip: str) -> dict[str, Callable[[], object]]:
    """What is timed alone: plain decoding, each half of the decoding in a worker, and each branch."""

    def decoded(function: Callable[[str], T]) -> T:
        result: T = analyzer.decoders.submit(sandbox.decoded, function, clip, timeout=limits.MEDIA_TIMEOUT_S).result()
        return result

    def words() -> object:
        engine = analyzer.serving("transcript").model
        said = analyzer.transcribed(decoded(media.decode_audio), "en", engine).result()
        return said and analyzer.text.read(said.text, said.reliability, said.segments)

    def voice() -> object:
        return analyzer.speech.read(decoded(media.decode_audio))

    def face() -> object:
        return analyzer.face.read(decoded(media.decode_frames), analyzer.serving("detector").model)

    return {
        PLAIN: lambda: _decode(clip),
        "sound decoded": lambda: decoded(media.decode_audio),
        "frames decoded": lambda: decoded(media.decode_frames),
        **dict(zip(BRANCHES, (words, voice, face), strict=True)),
    }


def _decode(clip: str) -> None:
    with av.open(clip) as container:
        for _ in container.decode():
            pass


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
