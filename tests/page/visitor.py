"""What a visitor does on the page, and what is shown then."""

import json
import statistics
import time
from pathlib import Path

from emotion.labels import LABELS

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ANSWER_MS = 90_000  # an upper end for a busy machine, not a claim
TABS = ("Microphone", "Live", "Upload", "Webcam", "Text", "Models")
SECTIONS = ("why", "compare", "timeline", "media", "times", "history")  # of an answer, as links call them
LOST_S = 0.1  # of a recording, at most, at Stop

# Keeps what came from the microphone until the click on Stop, beside whatever the page does with it.
TAP = """
(() => {
  const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
  const code = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([[sound]]) { if (sound) this.port.postMessage({ at: currentTime, sound: sound.slice() }); return true } })`;
  window.taps = []; window.asked = [];
  devices.getUserMedia = async (wanted) => {
    const stream = await open(wanted), tracks = stream.getAudioTracks();
    window.asked.push(tracks.map((track) => track.getSettings()));
    if (!tracks.length) return stream;
    const context = new AudioContext({ sampleRate: 48000 }), tap = { context, blocks: [], clicked: 0 };
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "application/javascript" })));
    const node = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => tap.blocks.push(data);
    context.createMediaStreamSource(new MediaStream(tracks)).connect(node);
    window.taps.push(tap);
    return stream;
  };
  const mark = (event) => { if (event.isTrusted) window.taps.forEach((tap) => (tap.clicked = tap.context.currentTime)); };
  window.addEventListener("click", mark, true);
})();
"""
HEARD = """
(() => {
  const taps = window.taps.map((t) => t.blocks.filter((b) => b.at < t.clicked).flatMap((b) => [...b.sound]));
  return taps.reduce((a, b) => (b.length > a.length ? b : a));
})()
"""

# Keeps, of each event of a kind, what the page showed at its next painting, and how much later; the event's place and value.
PAINTED = """([kind, places]) => {
  window.painted = [];
  document.addEventListener(kind, ({ timeStamp, target, clientX }) => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => window.painted.push({
      ms: performance.now() - timeStamp, value: target.value, x: clientX,
      texts: places.map((place) => document.querySelector(place).textContent),
    });
    after.port2.postMessage(null);
  }), true);
}"""
HEAD = ":is(summary, button.label-wrap)"  # of a folded section, which opens it
ROWS = "#history tbody tr[data-id]"  # of the visit's analyses


def visit(page, url: str) -> None:
    """Opens the page and waits for it, and until it has heard what it asks when it opens.

    What is asked just when Gradio closes the stream of its answers, as nobody does who reads first, may stay without one.
    """
    heard = []
    for ending in ("requestfinished", "requestfailed"):  # the page cuts the stream off
        page.on(ending, lambda request: heard.append(request) if "/queue/data" in request.url else None)
    page.goto(url)
    page.locator("#headline .invitation").wait_for(timeout=ANSWER_MS)
    end = time.monotonic() + ANSWER_MS / 1000
    while not heard:
        assert time.monotonic() < end, "the page has not heard how the models are"
        page.wait_for_timeout(20)


def show(page, tab: str) -> None:
    """Opens a tab, in whatever language it is labelled; on a phone an answer has folded the tabs away."""
    if page.locator("#again").is_visible():
        page.locator("#again").click()
    page.get_by_role("tab").nth(TABS.index(tab)).click()


def answered(page, before: str = ""):
    """Waits until the headline is another one than ``before``; returns it."""
    page.wait_for_function(
        "before => { const h = document.querySelector('#headline .headline'); return h && h.outerHTML !== before }",
        arg=before, timeout=ANSWER_MS,
    )  # fmt: skip
    page.wait_for_function("!document.querySelector('#headline .progress-text, #headline .eta-bar')", timeout=ANSWER_MS)
    return headline(page)


def headline(page) -> str:
    place = page.locator("#headline .headline")
    return place.evaluate("e => e.outerHTML") if place.count() else ""


def figure(page, place: str) -> list[dict]:
    """The traces of the figure in ``place``, once it is drawn."""
    page.locator(f"{place} .js-plotly-plot").wait_for(timeout=ANSWER_MS)
    data = f"document.querySelector('{place} .js-plotly-plot').data"
    return json.loads(page.evaluate(f"JSON.stringify({data}.map(t => ({{type: t.type, x: t.x, y: t.y, value: t.value}})))"))


def is_open(page, section: str) -> bool:
    return page.evaluate("name => !!document.querySelector(`#${name} :is(.fold[open], .label-wrap.open)`)", section)


def mood(page) -> float:
    """Where the gauge stands."""
    return float(page.locator("#headline .gauge").get_attribute("data-mood"))


def bars(page, place: str) -> dict[str, float]:
    """What the bars of the fusion (#fused), which Plotly draws, or of a modality (#part-face) show."""
    if place == "#fused":
        bar = next(trace for trace in figure(page, place) if trace["type"] == "bar")
        return dict(zip(LABELS, bar["x"], strict=True))
    page.locator(f"{place} .distribution").wait_for(timeout=ANSWER_MS)
    drawn = "rows => Object.fromEntries(rows.map((row) => [row.dataset.label, Number(row.style.getPropertyValue('--share'))]))"
    found = page.locator(f"{place} .distribution > div").evaluate_all(drawn)
    assert tuple(found) == LABELS
    return found


def type_text(page, text: str) -> str:
    show(page, "Text")
    before = headline(page)
    page.locator("#typed textarea").fill(text)
    page.locator("#typed textarea").press("Enter")
    return answered(page, before)


def record(page, seconds: float) -> str:
    show(page, "Microphone")
    before = headline(page)
    page.locator("#microphone").get_by_role("button", name="Record").click()
    page.wait_for_timeout(1000 * seconds)
    page.locator("#microphone").get_by_role("button", name="Stop").click()
    return answered(page, before)


def film(page, seconds: float) -> str:
    show(page, "Webcam")
    before = headline(page)
    page.locator("#webcam").get_by_text("Click to Access Webcam").click()
    button = page.locator("#webcam button[aria-label='start recording']")
    button.wait_for()
    until_filmed(page, "#webcam")
    button.click()
    page.wait_for_timeout(1000 * seconds)
    button.click()
    return answered(page, before)


def until_filmed(page, place: str) -> None:
    """Waits until the camera's picture is on the page."""
    page.wait_for_function("place => document.querySelector(`${place} video`)?.readyState >= 3", arg=place)


def hand_in(page, path: Path) -> str:
    show(page, "Upload")
    before = headline(page)
    remove = page.locator("#upload button[aria-label='Clear'], #upload button[aria-label='Remove']")
    if remove.count():
        remove.first.click()
    page.locator("#upload input[type=file]").set_input_files(str(path))
    return answered(page, before)


def complaint(page) -> str:
    toast = page.locator(".toast-body").last
    toast.wait_for(timeout=ANSWER_MS)
    return toast.inner_text()


def wider_than_window(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def set_weight(page, name: str, value: str) -> None:
    number = page.locator(f"#weight-{name} input[type=number]")
    number.fill(value)
    number.press("Enter")


def rows(page, count: int) -> list:
    """The table's rows, the newest first, once there are so many."""
    page.wait_for_function(f"count => document.querySelectorAll('{ROWS}').length === count", arg=count, timeout=ANSWER_MS)
    return page.locator(ROWS).all()


def taken(page, row, kind: str) -> str:
    """What a button of a row has the browser save."""
    with page.expect_download() as waiting:
        row.locator(f"[data-take={kind}]").click()
    assert waiting.value.suggested_filename.endswith({"report": ".html"}.get(kind, f".{kind}"))
    return waiting.value.path().read_text("utf-8")


def analysis(page, row) -> dict:
    return json.loads(taken(page, row, "json"))


def watch_painting(page, kind: str, *places: str) -> None:
    """From now on ``painted`` tells what of ``places`` was on the screen right after each event of a kind."""
    page.evaluate(PAINTED, [kind, places])


def painted(page, count: int) -> list[dict]:
    """The first ``count`` paintings, once they are done."""
    page.wait_for_function("count => window.painted.length >= count", arg=count)
    return page.evaluate("window.painted")


def delays(found: list[dict]) -> str:
    """How late paintings were, in words."""
    ms = [one["ms"] for one in found]
    return f"median {statistics.median(ms):.0f} ms, p95 {statistics.quantiles(ms, n=20)[-1]:.0f} ms over {len(ms)} events"


def settled(page) -> None:
    """Waits until nothing fades in or moves any more that will ever end."""
    page.wait_for_function(
        "document.getAnimations().every(a => a.playState !== 'running' || a.effect.getComputedTiming().endTime === Infinity)"
    )
