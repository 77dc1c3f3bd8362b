"""Times the branches of an analysis, each alone and all together: python -m emotion.training.benchmark CLIP [--runs N]

A branch is a chain from the file to its reading: sound, speech to text, text; sound, voice; pictures, face. Side by side they should
take little longer than the slowest one alone.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import emotion
from emotion import media
from emotion.analyzer import Analyzer
from emotion.face import preprocess


def main() -> None:
    parser = argparse.ArgumentParser("python -m emotion.training.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("clip", help="a video with a face and speech")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    analyzer = emotion.load("bundled")
    analyzer.analyze(video=arguments.clip)  # models and workers are loaded
    branches = _branches(analyzer, arguments.clip)
    rounds = []
    for _ in range(arguments.runs):  # in turn, so that all see the machine in the same moods
        alone = {name: _seconds(branch) for name, branch in branches.items()}
        rounds.append({**alone, "together": _seconds(lambda: analyzer.analyze(video=arguments.clip))})
    for name in rounds[0]:
        print(f"{name:10} {statistics.median(r[name] for r in rounds) * 1000:8.0f} ms (median of {arguments.runs})")
    ratios = [r["together"] / max(r[name] for name in branches) for r in rounds]
    print(f"{'ratio':10} {statistics.median(ratios):8.2f} of the slowest branch (median; {min(ratios):.2f} to {max(ratios):.2f})")
    torch.set_num_threads(1)
    for name, read in _models(analyzer, arguments.clip).items():
        read()
        print(f"{name:28} {statistics.median(_seconds(read) for _ in range(15)) * 1000:8.1f} ms on one core (median of 15)")
    analyzer.close()


def _models(analyzer: Analyzer, clip: str) -> dict[str, Callable[[], object]]:
    """The models alone, without decoding and explanations: a sentence, five seconds of the clip's sound, one face."""
    samples = np.resize(media.decode_audio(clip), 5 * media.SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(len(samples)) * samples.std() * 10 ** (-10 / 20)
    noisy = (samples + noise).astype(np.float32)
    picture = np.zeros((48, 48, 3), np.uint8)
    return {
        "text, 15 words": lambda: analyzer.text.predict(
            ["and then we went to the market because it was such a lovely day there"]
        ),
        "voice, 5 s with its features": lambda: analyzer.speech.predict([samples]),
        "voice, the same in noise": lambda: analyzer.speech.predict([noisy]),
        "face and its mirror image": lambda: analyzer.face.predict([picture]),
        "face, its network once": torch.inference_mode()(lambda: analyzer.face.committee.evidence(preprocess([picture]))),
    }


def _branches(analyzer: Analyzer, clip: str) -> dict[str, Callable[[], object]]:
    def decoded(function: Callable):
        return analyzer._workers.submit(function, clip, timeout=60).result()

    def words() -> object:
        engine = analyzer.serving("transcript").model
        said = analyzer.transcribed(decoded(media.decode_audio), "en", engine)
        return said and analyzer.text.read(said.text, said.confidence, said.segments)

    return {
        "text": words,
        "voice": lambda: analyzer.speech.read(decoded(media.decode_audio)),
        "face": lambda: analyzer.face.read(decoded(media.decode_frames), analyzer.serving("detector").model),
    }


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
