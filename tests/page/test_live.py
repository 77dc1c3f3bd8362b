"""The Live tab in headless Chromium with a fake microphone and camera."""

import base64
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import correlate, resample_poly

from emotion.labels import LABELS
from emotion.media import from_samples
from emotion.sound import SAMPLE_RATE, envelope
from tests.page.calls import of_live
from tests.page.live import RECORD, start, stop, wait_for
from tests.page.visitor import ANSWER_MS, HEARD, LOST_S, PHONE, answered, bars, headline, show, wider_than_window
from tests.running import until

AT_WORK_S, LOOKS = 10.0, 4  # how long a session runs that is watched, and how often face and voice are read in it at least


class Sent:
    """The sound that a page sends, by what crosses the network."""

    def __init__(self, page):
        self.packets: dict[int, np.ndarray] = {}
        self.rate = 0
        page.on("request", self._note)

    def _note(self, request) -> None:
        if "component_server" not in request.url:
            return
        data = request.post_data_json["data"]
        sound = data.get("sound") if isinstance(data, dict) else None
        if sound:
            self.rate = sound["rate"]
            self.packets[sound["packet"]] = np.frombuffer(base64.b64decode(sound["pcm"]), "<i2")

    @property
    def samples(self) -> np.ndarray:
        assert sorted(self.packets) == list(range(len(self.packets)))
        return from_samples(np.concatenate([self.packets[i] for i in range(len(self.packets))]), self.rate)


def picture_of(page, canvas: str) -> str:
    return page.evaluate(f"document.querySelector(':is(#live, #live-now) {canvas}').toDataURL()")


def paces(answers: list[dict]) -> str:
    """How often and how late voice, words and pictures were read, in words."""
    pairs = list(pairwise(answers))
    looks = [after for before, after in pairs if after["looked"] != before["looked"]]
    said = []
    for name in ("voice", "words"):
        changed = [after for before, after in pairs if after[name] != before[name]]
        if len(changed) > 2:
            lag = np.percentile([a["captured"] - a[name] for a in answers if a[name] > 2], (50, 95, 100))
            every = np.percentile(np.diff([a["at"] for a in changed]) / 1000, (50, 95, 100))
            said.append(f"{name} refreshed every " + "{:.2f}/{:.2f}/{:.2f} s, {:.2f}/{:.2f}/{:.2f} s late".format(*every, *lag))
    if len(looks) > 5:
        late = np.percentile([a["at"] - a["begun"] - 1000 * a["looked"] for a in looks], (50, 95, 100))
        rate = 1000 * (len(looks) - 1) / (looks[-1]["at"] - looks[0]["at"])
        said.append(f"{rate:.1f} pictures a second, " + "{:.0f}/{:.0f}/{:.0f} ms late".format(*late))
    return "; ".join(said) + " (median/95 %/most)"


def shifts(sound: np.ndarray, reference: np.ndarray) -> list[float]:
    """Where each loud window of ``sound`` lies in ``reference``, less where it lies in the sound, in seconds; those that fit."""
    size, found, loud = int(0.6 * SAMPLE_RATE), [], 0
    energy = np.concatenate([[0.0], np.cumsum(np.square(reference, dtype=np.float64))])
    norm = np.sqrt(energy[size:] - energy[:-size]) + 1e-3
    for begin in range(0, len(sound) - size, size):
        window = sound[begin : begin + size]
        if np.sqrt(np.mean(np.square(window))) < 0.02:
            continue
        loud += 1
        match = correlate(reference, window, "valid", "fft") / norm
        best = int(np.argmax(match))
        if match[best] / np.linalg.norm(window) > 0.9:
            found.append((best - begin) / SAMPLE_RATE)
    assert len(found) >= max(5, loud / 2)  # a starving browser breaks some
    return found


def test_the_answer_moves_and_stopping_gives_the_whole(open_page, app):
    page = open_page()
    sent, before = Sent(page), {path for path in app.uploads.rglob("*") if path.is_file()}
    start(page)
    wait_for(page, "a.voice > 0 && a.mood !== null && a.face")
    canvases = (".wave", ".spectrum", ".moods", ".overlay")
    first = [picture_of(page, canvas) for canvas in canvases]
    wait_for(page, f"a.captured > {AT_WORK_S}")
    for part in ("voice", "looked"):  # read again and again
        page.wait_for_function(
            "([part, count]) => new Set(answers.map((a) => a[part])).size > count", arg=[part, LOOKS], timeout=ANSWER_MS
        )
    for canvas, was in zip(canvases, first, strict=True):  # at any one moment a face may be where it was then
        moved = "([canvas, was]) => document.querySelector(`:is(#live, #live-now) ${canvas}`).toDataURL() !== was"
        page.wait_for_function(moved, arg=[canvas, was], timeout=ANSWER_MS)
    wait_for(page, "a.unfinished.length > 5")  # while the microphone speaks on
    wait_for(page, "a.phrases.items.length")
    assert len(page.locator("#live-now .said").inner_text()) > 5
    shares = [float(text.rstrip("%")) for text in page.locator("#live-now .bar output").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=4)
    assert page.locator("#live-now .bar span").all_inner_texts() == list(LABELS)
    answers = page.evaluate("window.answers")
    print(paces(answers))

    stop(page)
    for part in ("speech", "face"):
        assert sum(bars(page, f"#part-{part}").values()) == pytest.approx(1, abs=0.01)
    page.locator("#frames img").nth(2).wait_for()
    assert "Stopped" in page.locator("#live .state").inner_text()
    assert {path for path in app.uploads.rglob("*") if path.is_file()} == before  # a stream is written nowhere

    # What was sent is what the microphone gave, up to the click on Stop; and what was analysed is what was sent.
    heard = resample_poly(np.array(page.evaluate(HEARD), np.float32), SAMPLE_RATE, 48_000)
    before_s = 1.0  # the session may have heard a little more than the tap
    places = shifts(sent.samples, np.pad(heard, round(before_s * SAMPLE_RATE)))
    lost_s = len(heard) / SAMPLE_RATE + before_s - places[-1] - len(sent.samples) / SAMPLE_RATE
    print(f"{1000 * lost_s:.0f} ms lost at Stop, {1000 * np.ptp(places):.0f} ms adrift")
    assert lost_s <= LOST_S
    assert np.ptp(places) <= LOST_S  # a starving browser drops or doubles 10 ms for one of the two; a packet has 200
    page.locator("#sound .js-plotly-plot").wait_for(timeout=ANSWER_MS)
    drawn = page.evaluate("""(() => {
      const traces = document.querySelector('#sound .js-plotly-plot')._fullData;
      const wave = traces.filter(t => t.type === 'scatter' && t.yaxis === 'y2');
      return wave.map(t => Array.from(t.y)) })()""")
    _, low, high = envelope(sent.samples)
    np.testing.assert_allclose(drawn[:2], [low, high], atol=0.02)


@pytest.mark.parametrize("only", ["microphone", "camera"])
def test_one_of_the_two_is_enough(open_page, only):
    page = open_page()
    start(page, microphone=only == "microphone", camera=only == "camera")
    wait_for(page, "a.mood !== null && a.captured > 3" if only == "microphone" else "a.mood !== null && a.looked > 2")
    stop(page)
    read, absent = ("speech", "face") if only == "microphone" else ("face", "speech")
    assert sum(bars(page, f"#part-{read}").values()) == pytest.approx(1, abs=0.01)
    assert "Not part of this answer" in page.locator(f"#part-{absent}").inner_text()
    assert len(page.evaluate("window.asked")) == 1  # nobody is asked for what is not wanted
    assert bool(page.evaluate("window.asked[0].length")) == (only == "microphone")


def test_a_second_session_starts_from_nothing(open_page):
    page = open_page()
    for _ in range(2):
        start(page, camera=False)
        wait_for(page, "a.heard > 1")
        assert page.evaluate("window.answers[0].heard") < 30
        assert page.evaluate("window.answers.every(a => a.captured < 60)")
        stop(page)


def test_the_last_minute_can_be_analysed_again(open_page, app):
    page = open_page()
    start(page, camera=False)
    assert not page.locator("#live .again").is_visible()
    wait_for(page, "a.heard > 2")
    stop(page)
    answers = app.answers()
    for count in (1, 2):  # as after an analysis that failed
        page.locator("#live .again").click()
        until(lambda count=count: app.answers() == answers + count, app.process, app.log)
    assert not page.locator("#live .trouble").inner_text()


def test_neither_ticked_is_told(open_page):
    page = open_page()
    start(page, microphone=False, camera=False)
    assert "Tick" in page.locator("#live .trouble").inner_text()
    assert page.locator("#live .start").inner_text() == "Start"


def test_refused_devices_are_explained(open_page, launch):
    refusing = launch("=deny")
    page = open_page(within=refusing)
    start(page)
    page.wait_for_function("document.querySelector('#live .trouble').innerText.includes('does not allow')", timeout=ANSWER_MS)
    assert page.locator("#live .start").inner_text() == "Start"
    assert page.locator("#live .start").get_attribute("aria-disabled") == "false"
    refusing.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_and_keyboard(open_page, scheme):
    page = open_page(PHONE, scheme)
    show(page, "Live")
    assert wider_than_window(page) <= 0
    page.evaluate(RECORD)
    page.locator("#live .start").focus()
    page.keyboard.press("Enter")
    wait_for(page, "a.mood !== null")
    assert wider_than_window(page) <= 0
    for canvas in page.locator(":is(#live, #live-now) canvas").all():
        box = canvas.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    page.wait_for_function("document.querySelector('#live .start').getAttribute('aria-disabled') === 'false'")
    before = headline(page)
    page.keyboard.press("Enter")  # the button has kept the focus
    answered(page, before)


def test_what_no_page_would_send_is_refused_in_a_sentence(app):
    token = of_live(app, "begin", {"spoken": "en", "language": "en"})["token"]
    pcm = base64.b64encode(bytes(3200)).decode()
    good = {"token": token, "known": [0, 0, 0], "sound": {"pcm": pcm, "rate": 16_000, "packet": 0}}
    assert of_live(app, "exchange", good)["heard"] == pytest.approx(0.1)
    stranger = of_live(app, "begin", None)["token"]
    assert of_live(app, "exchange", {"token": stranger, "known": [0, 0, 0], "language": ["de"]})["heard"] == 0
    for bad in (
        None,
        "text",
        [],
        {},
        {"token": "guessed"},
        {"token": token},
        {**good, "known": "x"},
        {**good, "known": [None, 0, 0]},
        {**good, "sound": {"pcm": "%%%", "rate": 16_000, "packet": 1}},
        {**good, "sound": {"pcm": pcm, "rate": 10**30, "packet": 1}},
        {**good, "sound": {"pcm": pcm, "rate": 1000, "packet": 1}},
        {**good, "sound": {"pcm": "A" * 6_000_000, "rate": 16_000, "packet": 1}},
        {**good, "sound": {"pcm": pcm, "rate": float("nan"), "packet": 1}},
        {"token": token, "known": [0, 0, 0], "picture": {"jpeg": pcm, "time": 0}},
        {"token": token, "known": [0, 0, 0], "picture": {"jpeg": pcm, "time": "later"}},
    ):
        assert of_live(app, "exchange", bad)["trouble"]
    assert of_live(app, "exchange", {"token": token, "known": [0, 0, 0]})["heard"] == pytest.approx(0.1)
