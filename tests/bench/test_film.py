"""A film of a portrait lasts as long as its voice, and stays on the face."""

import sys

import cv2
import numpy as np
import pytest

from emotion import media
from emotion.bench import film
from emotion.sound import SAMPLE_RATE
from tests.clips import ASTRONAUT, GLAD


def test_a_film_of_a_portrait_and_a_voice(tmp_path, monkeypatch, glad):
    path = tmp_path / "film.mp4"
    monkeypatch.setattr(sys, "argv", ["film", str(ASTRONAUT), str(GLAD), str(path), "--towards", "0.44", "0.25"])
    film.main()
    seconds = film.LEAD_S + len(glad) / SAMPLE_RATE + film.TAIL_S
    frames, samples = media.decode_frames(path), media.decode_audio(path)
    assert media.probe(path).duration == pytest.approx(seconds, abs=0.1)
    assert frames[-1].time == pytest.approx(seconds, abs=0.25) and frames[0].image.shape == (film.HEIGHT, film.WIDTH, 3)
    assert np.abs(samples[: round(0.9 * film.LEAD_S * SAMPLE_RATE)]).max() < 0.01 < np.abs(samples).max()


def test_the_camera_comes_closer_and_stays_inside_the_portrait():
    portrait = np.full((600, 500, 3), 255, np.uint8)
    portrait[230:270, 180:220] = 0  # a dark square, 40 wide, whose middle is at 0.4 and 0.417
    views = list(film.moved(portrait, 60, (0.4, 250 / 600)))
    sides = [np.sqrt((view[:, :, 0] < 128).sum()) for view in (views[0], views[-1])]
    assert sides == pytest.approx([40 * film.WIDTH / (share * 500) for share in (film.FAR, film.NEAR)], rel=0.05)
    rows, columns = np.nonzero(views[-1][:, :, 0] < 128)
    assert abs(columns.mean() - film.WIDTH / 2) < 0.03 * film.WIDTH and abs(rows.mean() - film.HEIGHT / 2) < 0.03 * film.HEIGHT


def test_no_view_leaves_the_portrait():
    corners = cv2.resize(np.uint8([[255, 0], [0, 255]]), (500, 600), interpolation=cv2.INTER_NEAREST)[:, :, None].repeat(3, 2)
    for towards, corner in (((0, 0), (0, 0)), ((1, 1), (-1, -1))):
        for view in film.moved(corners, 60, towards):
            assert view[corner][0] > 200 and view[corner[0], -1 - corner[1]][0] < 50


def test_sound_and_pictures_keep_their_time(tmp_path):
    samples = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples[SAMPLE_RATE:] = 0.5 * np.sin(np.arange(SAMPLE_RATE) / 5)
    images = [np.full((film.HEIGHT, film.WIDTH, 3), 0 if i < film.RATE else 255, np.uint8) for i in range(2 * film.RATE)]
    film.write(tmp_path / "a.mp4", images, samples)
    decoded = media.decode_audio(tmp_path / "a.mp4")
    assert np.flatnonzero(np.abs(decoded) > 0.2)[0] / SAMPLE_RATE == pytest.approx(1, abs=0.05)
    bright = [frame.time for frame in media.decode_frames(tmp_path / "a.mp4") if frame.image.mean() > 128]
    assert bright[0] == pytest.approx(1, abs=0.05) and len(bright) == media.FRAME_RATE


def test_the_example_as_a_film_of_any_length(tmp_path):
    path = film.of_the_example(tmp_path / "clip.mp4", 10)
    found = media.probe(path)
    assert found.kind == "video" and found.has_audio and found.duration == pytest.approx(10, abs=0.05)
    frames = media.decode_frames(path)
    assert len(frames) == 10 * media.FRAME_RATE and frames[0].image.shape == (film.HEIGHT, film.WIDTH, 3)
