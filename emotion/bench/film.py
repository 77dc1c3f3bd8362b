"""Films of a still portrait and a voice, for the page's example and for the benchmark.

    python -m emotion.bench.film PORTRAIT VOICE FILM.mp4 --towards X Y

The view drifts and comes closer to the place ``--towards``, in shares of the portrait's width and height.
"""

import argparse
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from emotion import media
from emotion.sound import SAMPLE_RATE

WIDTH, HEIGHT, RATE = 640, 480, 30  # pixels; frames a second: what cameras of computers film
SOUND_RATE = 48_000  # Hz, as they record
LEAD_S, TAIL_S = 0.3, 0.4  # of silence around the voice
FAR, NEAR = 0.80, 0.62  # width of the view at the beginning and at the end, in shares of the portrait's
SWAY, SWAY_S = 0.012, 2.6  # how far the view sways, in shares of the portrait's width, and in how many seconds
QUALITY = {"crf": "24", "preset": "slow"}  # of H.264, which all browsers play


def main() -> None:
    parser = argparse.ArgumentParser("python -m emotion.bench.film", description=__doc__.splitlines()[0])
    parser.add_argument("portrait", help="a picture of a face")
    parser.add_argument("voice", help="a sound file")
    parser.add_argument("film", type=Path, help="the mp4 file to write")
    parser.add_argument("--towards", type=float, nargs=2, default=(0.5, 0.4), metavar=("X", "Y"))
    arguments = parser.parse_args()
    samples = media.decode_audio(arguments.voice)
    samples = np.pad(samples, [round(seconds * SAMPLE_RATE) for seconds in (LEAD_S, TAIL_S)])
    portrait = media.decode_image(arguments.portrait).image
    images = moved(portrait, round(len(samples) / SAMPLE_RATE * RATE), arguments.towards)
    write(arguments.film, images, samples)


def moved(portrait: np.ndarray, count: int, towards: tuple[float, float]) -> Iterator[np.ndarray]:
    """``count`` views of a portrait, uint8 RGB (h, w, 3), each (HEIGHT, WIDTH, 3): it sways, and the camera comes closer.

    ``towards``: the middle of the last view, in shares of the portrait's width and height; each view stays inside the portrait.
    """
    height, width = portrait.shape[:2]
    for i in range(count):
        done = i / max(1, count - 1)
        eased = done * done * (3 - 2 * done)  # begins and ends at rest
        wide = width * (FAR + (NEAR - FAR) * eased)
        high = wide * HEIGHT / WIDTH
        phase = 2 * np.pi * i / RATE / SWAY_S
        middle_x = towards[0] * width + SWAY * width * np.sin(phase)
        middle_y = towards[1] * height + SWAY / 2 * width * np.sin(2 * phase)
        left = np.clip(middle_x - wide / 2, 0, width - wide)
        top = np.clip(middle_y - high / 2, 0, height - high)
        scale = WIDTH / wide
        place = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
        yield cv2.warpAffine(portrait, place, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def write(path: Path, images: Iterable[np.ndarray], samples: np.ndarray) -> None:
    """A film as mp4: ``images`` uint8 RGB (HEIGHT, WIDTH, 3), RATE a second; ``samples`` float32 (n,), mono, at SAMPLE_RATE."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        pictures = container.add_stream("libx264", RATE, options=QUALITY, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        sound = container.add_stream("aac", SOUND_RATE, layout="mono")
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        whole = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
        whole.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler("fltp", "mono", SOUND_RATE, frame_size=sound.codec_context.frame_size)
        for part in [*resampler.resample(whole), *resampler.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode())


if __name__ == "__main__":
    main()
