"""The page in headless Chromium with a fake microphone and camera, and its parts without a browser."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
from scipy.signal import correlate, resample_poly

from emotion.labels import mood_word
from emotion.media import decode_audio
from emotion.messages import Message
from emotion.page import examples, frames, temporary, texts, wording
from emotion.readings import Analysis, FaceFrame, FaceReading, Frame, Fusion, Media, TextReading
from emotion.serving.slots import State, Status
from emotion.serving.weights import ROLES, ROOT
from emotion.sound import SAMPLE_RATE
from tests.clips import MEDIA
from tests.page.visitor import (
    ANSWER_MS,
    HEARD,
    LOST_S,
    PHONE,
    TABS,
    answered,
    bars,
    complaint,
    figure,
    film,
    hand_in,
    headline,
    mood,
    record,
    set_weight,
    show,
    type_text,
    until_filmed,
    wider_than_window,
)

ENGLISH = texts.Say("en")

# --- the page


def test_first_view_invites_and_says_what_it_is(open_page):
    page = open_page()
    page.get_by_role("tab").first.wait_for()
    assert tuple(tab.inner_text() for tab in page.get_by_role("tab").all()) == TABS
    page.locator(".notice summary").click()
    notice = page.locator(".notice").inner_text()
    for said in ("not a reading of feelings", "deleted within\\s15 minutes", "non-commercial"):
        assert re.search(said, notice)
    assert not page.locator("#summary").is_visible()
    for tab in ("Upload", "Webcam", "Text"):
        show(page, tab)
        assert page.locator(".notice").is_visible()
        assert page.locator("#language").is_visible() == (tab != "Text")


def test_typed_text_is_answered_and_all_parts_say_the_same(open_page):
    page = open_page()
    type_text(page, "I am so glad that you came")
    fused = bars(page, "#fused")
    assert sum(fused.values()) == pytest.approx(1, abs=0.01)
    assert page.locator("#headline .score b").inner_text() == f"{mood(page):.1f}"
    said = page.locator("#headline h2").inner_text()
    assert mood_word(mood(page)) in said.lower()
    assert max(fused, key=fused.get) in said
    assert bars(page, "#part-text") == pytest.approx(fused, abs=0.001)
    assert "Not part of this answer" in page.locator("#part-face").inner_text()
    assert page.locator("#transcript textarea").input_value() == "I am so glad that you came"
    shown = page.locator("#words span").all()
    assert " ".join(word.inner_text() for word in shown) == "i am so glad that you came"
    strongest = max(shown, key=lambda word: float(word.evaluate("e => e.style.getPropertyValue('--share')")))
    assert strongest.inner_text() == "glad"
    assert "100%" in page.locator("#shares").inner_text()
    assert "emotion-text" in page.locator("#details").inner_text()


def test_an_example_is_answered_in_one_click_and_says_why(open_page):
    page = open_page()
    page.locator("#example_turn").click()
    said = answered(page)
    assert "The voice counted most" in said and "What counted most within each:" in said
    assert page.locator("#transcript textarea").input_value()
    before = headline(page)
    page.locator("#example_sentence_0").click()
    assert "very good mood" in answered(page, before).lower()
    assert page.locator("#transcript textarea").input_value() == examples.SENTENCES[0]


PLAYED = """
async (address) => {
  const video = Object.assign(document.createElement("video"), { src: address, muted: true });
  await new Promise((ready, failed) => { video.onloadeddata = ready; video.onerror = () => failed(video.error.message) });
  await video.play();
  while (video.currentTime < 0.2) await new Promise((again) => setTimeout(again, 50));
  return video.duration;
}
"""


def test_the_film_is_read_in_words_voice_and_face_and_lies_in_the_upload_tab(open_page, app):
    before, page = app.answers(), open_page()
    page.locator("#example_film").click()
    answered(page)
    assert "most likely happy" in re.sub(r"\s+", " ", page.locator("#headline h2").inner_text())
    for name in ("text", "speech", "face"):
        assert "Not part of this answer" not in page.locator(f"#part-{name}").inner_text()
    page.locator("#frames img").nth(1).wait_for()
    assert "see you again" in page.locator("#transcript textarea").input_value().lower()
    assert page.locator("#upload-analyse").is_visible() and "film" in page.locator("#upload").inner_text()
    assert page.evaluate(PLAYED, page.locator("#upload a").get_attribute("href")) == pytest.approx(4.8, abs=0.1)
    assert app.answers() == before + 1  # it is handed in once


def test_the_page_says_in_every_language_that_the_film_is_made():
    assert all("NASA" in wording.examples(texts.Say(language)) for language in texts.LANGUAGES)


def test_the_last_of_two_that_are_handed_in_is_what_the_page_shows(open_page):
    page = open_page()
    page.locator("#example_turn").click()
    page.locator("#example_sentence_0").click()
    page.locator("#history tbody tr[data-id]").nth(1).wait_for(timeout=ANSWER_MS)  # both are done
    assert page.locator("#transcript textarea").input_value() == examples.SENTENCES[0]
    assert "very good mood" in headline(page).lower()


def test_plots_of_earlier_answers_are_forgotten(open_page):
    page = open_page()
    page.locator("#example_report").click()
    page.locator("#sound .js-plotly-plot").wait_for(timeout=ANSWER_MS)
    earlier = "(window.earlier = document.querySelector('#sound .js-plotly-plot'))"
    drawn = f"{earlier}?._fullLayout && !!earlier._responsiveChartHandler"
    page.wait_for_function(drawn)
    page.locator("#example_turn").click()
    gone = "!earlier.isConnected && !earlier._fullLayout && !earlier._responsiveChartHandler"
    page.wait_for_function(gone, timeout=ANSWER_MS)


def test_weights_that_are_moved_during_an_analysis_count(open_page):
    page = open_page()
    page.locator("#example_report").click()
    answered(page)
    page.locator("#example_turn").click()
    set_weight(page, "text", "0")
    page.wait_for_function("document.querySelector('#transcript textarea').value.includes('wonderful')", timeout=ANSWER_MS)
    page.wait_for_function("/0.00[^%]*0%/.test(document.querySelector('#shares').innerText)", timeout=ANSWER_MS)
    assert "Read from the voice alone." in headline(page)


def test_a_visitors_text_is_shown_and_not_run(open_page):
    page = open_page()
    type_text(page, "<img src=x onerror='document.title=1'> lovely")
    assert page.locator("#transcript textarea").input_value().startswith("<img")
    assert page.title() != "1"


def test_recording_is_answered_whole_and_raw(open_page, app, spoken):
    page = open_page()
    uploads = set(app.uploads.rglob("*.wav"))
    record(page, 5)
    assert figure(page, "#sound")[-1]["type"] in ("scatter", "heatmap")
    assert sum(bars(page, "#part-speech").values()) == pytest.approx(1, abs=0.01)
    settings = page.evaluate("window.asked[0][0]")
    assert (settings["autoGainControl"], settings["noiseSuppression"], settings["echoCancellation"]) == (False, False, False)
    (recording,) = set(app.uploads.rglob("*.wav")) - uploads
    assert_whole(page, recording, spoken)


def test_film_is_answered_whole(open_page, app, spoken):
    page = open_page()
    uploads = set(app.uploads.rglob("*.webm"))
    film(page, 5)
    assert sum(bars(page, "#part-face").values()) == pytest.approx(1, abs=0.01)
    assert sum(bars(page, "#part-speech").values()) == pytest.approx(1, abs=0.01)
    page.locator("#frames img").nth(2).wait_for()
    (recording,) = set(app.uploads.rglob("*.webm")) - uploads
    assert_whole(page, recording, spoken)
    times = np.array([frame.time for frame in av.open(str(recording)).decode(video=0)])
    assert (
        len(decode_audio(recording)) / SAMPLE_RATE - times[-1] < 0.2 + np.diff(times).max()
    )  # a busy machine films few pictures


def test_snapshot_is_answered(open_page):
    page = open_page()
    show(page, "Webcam")
    page.locator("#webcam-kind").get_by_text("Snapshot").click()
    page.locator("#snapshot").get_by_text("Click to Access Webcam").click()
    button = page.locator("#snapshot button[aria-label='capture photo']")
    button.wait_for()
    until_filmed(page, "#snapshot")
    button.click()
    answered(page)
    assert sum(bars(page, "#part-face").values()) == pytest.approx(1, abs=0.01)
    page.locator("#frames img").wait_for()
    assert not page.locator("#sound").is_visible()


def test_uploads_are_told_apart_by_content(open_page, spoken, tmp_path):
    page = open_page()
    picture = tmp_path / "picture.mp4"  # a wrong name
    picture.write_bytes((MEDIA / "astronaut.jpg").read_bytes())
    hand_in(page, picture)
    assert sum(bars(page, "#part-face").values()) == pytest.approx(1, abs=0.01)
    hand_in(page, spoken)
    assert sum(bars(page, "#part-speech").values()) == pytest.approx(1, abs=0.01)
    assert "Not part of this answer" in page.locator("#part-face").inner_text()


def test_what_is_no_media_is_refused_in_a_sentence(open_page, tmp_path):
    page = open_page()
    fake = tmp_path / "notes.wav"
    fake.write_text("only words, no sound")
    show(page, "Upload")
    page.locator("#upload input[type=file]").set_input_files(str(fake))
    assert "notes.wav" in complaint(page)
    assert page.locator("#headline .invitation").is_visible()
    type_text(page, "and the page still works")


def test_empty_submits_are_told_what_is_missing(open_page, app):
    page = open_page()
    before = app.answers()
    for tab, button, said in (
        ("Microphone", "#microphone-analyse", "Record"),
        ("Upload", "#upload-analyse", "file"),
        ("Webcam", "#webcam-analyse", "camera"),
        ("Text", "#text-analyse", "sentence"),
    ):
        show(page, tab)
        page.locator(button).click()
        page.wait_for_function(
            "said => [...document.querySelectorAll('.toast-body')].some(t => t.innerText.includes(said))", arg=said
        )
    assert app.answers() == before


def test_weights_fuse_at_once_without_a_model(open_page, app, spoken):
    page = open_page()
    hand_in(page, spoken)
    before = headline(page)
    page.locator("#transcript textarea").fill("I hate this, it is disgusting and I am furious")
    page.locator("#apply").click()
    answered(page, before)
    answers, details = app.answers(), page.locator("#details").inner_text()
    fused, words, voice = bars(page, "#fused"), bars(page, "#part-text"), bars(page, "#part-speech")
    assert words != voice
    set_weight(page, "speech", "0")
    page.wait_for_function("document.querySelector('#shares').innerText.includes('100%')", timeout=ANSWER_MS)
    assert bars(page, "#fused") == pytest.approx(words, abs=0.001)
    assert bars(page, "#fused") != pytest.approx(fused, abs=0.001)
    assert (app.answers(), page.locator("#details").inner_text()) == (answers, details)

    hand_in(page, spoken)  # the weights are kept
    assert page.locator("#weight-speech input[type=number]").input_value() == "0"
    page.locator("#reset").click()
    page.wait_for_function("Number(document.querySelector('#weight-speech input[type=number]').value) > 0", timeout=ANSWER_MS)


def test_edited_transcript_reads_only_the_words_anew(open_page, app, spoken):
    page = open_page()
    hand_in(page, spoken)
    page.locator("#transcript textarea").fill("I am so happy, this is wonderful")
    before, voice = headline(page), bars(page, "#part-speech")
    page.locator("#transcript textarea").press("Enter")
    answered(page, before)
    glad = bars(page, "#part-text")
    before = headline(page)
    page.locator("#transcript textarea").fill("I am so sad, she died and I cried all night")
    page.locator("#transcript textarea").press("Enter")
    answered(page, before)
    assert bars(page, "#part-text")["sad"] > glad["sad"]
    assert bars(page, "#part-speech") == voice
    assert "typed" in page.locator("#transcript-note").inner_text()
    assert "microphone answered" not in app.log.read_text("utf-8").splitlines()[-1]


def test_another_language_leaves_the_words_out_and_says_so(open_page, spoken):
    page = open_page()
    page.locator("#language").get_by_label("another language").click()
    assert "English" in re.sub(r"<[^>]*>", "", hand_in(page, spoken))
    assert "Not part of this answer" in page.locator("#part-text").inner_text()
    assert page.locator("#transcript textarea").input_value() == ""


def test_double_clicks_count_once(open_page, app):
    page = open_page()
    show(page, "Text")
    page.locator("#typed textarea").fill("Once is enough")
    before = app.answers()
    page.locator("#text-analyse").dblclick()
    answered(page)
    type_text(page, "and this is the second")  # which would have come after another answer to the first
    assert app.answers() == before + 2


def test_leaving_in_mid_run_harms_nobody(open_page, spoken):
    leaver = open_page()
    show(leaver, "Upload")
    with leaver.expect_response("**/queue/join*"):
        leaver.locator("#upload input[type=file]").set_input_files(str(spoken))
    leaver.close()
    type_text(open_page(), "I am still here")


def test_a_refused_microphone_is_explained(open_page, launch):
    refusing = launch("=deny")
    page = open_page(within=refusing)
    page.locator("#microphone").get_by_role("button", name="Record").click()
    page.locator(".device-trouble").first.wait_for(timeout=ANSWER_MS)
    assert "does not allow" in page.locator(".device-trouble").first.inner_text()
    refusing.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_needs_no_sideways_scrolling(open_page, scheme):
    page = open_page(PHONE, scheme)
    for tab in ("Microphone", "Live", "Upload", "Webcam", "Text"):
        show(page, tab)
        assert wider_than_window(page) <= 0
    film(page, 3)
    for place in ("#headline .gauge", "#fused", "#each", "#part-text", "#part-speech", "#part-face", "#sound .js-plotly-plot"):
        box = page.locator(place).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    assert wider_than_window(page) <= 0


def assert_whole(page, recording: Path, spoken: Path) -> None:
    """The recording is the fake microphone's sound, at its level, up to the click on Stop less LOST_S."""
    reference, rate = sf.read(spoken, dtype="float32")
    reference = resample_poly(reference, SAMPLE_RATE, rate) if rate != SAMPLE_RATE else reference
    recorded = decode_audio(recording)
    heard = resample_poly(np.array(page.evaluate(HEARD), np.float32), SAMPLE_RATE, 48_000)
    clicked, _ = end_in(heard, reference)
    ended, gain_db = end_in(recorded, reference)
    print(f"{recording.suffix}: {1000 * (clicked - ended):.0f} ms lost at Stop, gain {gain_db:+.1f} dB")
    assert clicked - ended <= LOST_S
    assert abs(gain_db) < 1


def end_in(sound: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Where in ``reference``, in seconds, ``sound`` ends, by its last window that is loud and fits; and its gain there in dB."""
    size = int(0.6 * SAMPLE_RATE)
    energy = np.concatenate([[0.0], np.cumsum(np.square(reference, dtype=np.float64))])
    norm = np.sqrt(energy[size:] - energy[:-size]) + 1e-3
    for start in range(len(sound) - size, 0, -SAMPLE_RATE // 20):
        window = sound[start : start + size]
        if np.sqrt(np.mean(np.square(window))) < 0.02:
            continue
        match = correlate(reference, window, "valid", "fft") / norm
        best = int(np.argmax(match))
        if match[best] / np.linalg.norm(window) > 0.9:
            return (best + len(sound) - start) / SAMPLE_RATE, float(20 * np.log10(np.linalg.norm(window) / norm[best]))
    raise AssertionError("nothing of the fake microphone's sound is in the recording")


# --- its parts


def imported(code: str) -> set[str]:
    """Names of the modules that are loaded after ``code`` ran in a Python of its own."""
    script = f"import sys; {code}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True).stdout.split()
    )


def test_importing_the_app_does_nothing():
    assert not imported("import app") & {"gradio", "torch", "emotion"}


def test_page_is_built_before_torch_is_imported():
    modules = imported("import emotion; from emotion import page; page.build(emotion.load())")
    assert "gradio" in modules
    assert not modules & {"torch", "transformers", "librosa"}


def face_analysis(count: int) -> Analysis:
    probabilities = np.eye(7, dtype=np.float32)[3]
    found = tuple(FaceFrame(i / 5, (100, 60, 80, 90), probabilities, 1 / count) for i in range(count))
    pictures = tuple(Frame(i / 5, np.full((300, 400, 3), 128, np.uint8)) for i in range(count))
    reading = FaceReading(probabilities, 0.9, 1, count, count, found)
    fusion = Fusion(5.0, "happy", probabilities, 1.0, False, {"face": 1.0})
    return Analysis(fusion, {"face": reading}, duration=count / 5, media=Media(None, pictures, count / 5))


def test_box_is_drawn_where_the_face_is_in_the_colour_of_its_label():
    analysis = face_analysis(1)
    frame = analysis.modalities["face"].frames[0]
    before = analysis.media.frames[0].image.copy()
    drawn = frames.annotated(analysis.media.frames[0].image, frame)
    assert tuple(drawn[100, 100]) == tuple(drawn[150, 140]) == (0xEB, 0xA8, 0x1C)
    assert tuple(drawn[100, 140]) == (128, 128, 128)  # inside
    assert np.array_equal(analysis.media.frames[0].image, before)


def test_what_spoke_for_the_label_is_tinted_and_the_rest_is_not():
    frame = face_analysis(1).modalities["face"].frames[0]
    regions = np.zeros((6, 6), np.float32)
    regions[5, 3] = 1.0  # the chin
    drawn = frames.annotated(np.full((300, 400, 3), 128, np.uint8), replace(frame, regions=regions))
    assert tuple(drawn[80, 130]) == (128, 128, 128)
    red, green, _ = drawn[140, 147]
    assert red > 150 > 128 > green  # toward pink


def test_words_say_how_they_counted_and_are_escaped():
    happy = np.eye(7, dtype=np.float32)[3]
    reading = TextReading(happy, 1.0, (("<b>glad</b>", 0.4), ("not", -0.2), ("day", 0.0)))
    said = wording.words(ENGLISH, Analysis(Fusion(5.0, "happy", happy, 1.0, False, {"text": 1.0}), {"text": reading}))
    assert "<b>glad" not in said and "&lt;b&gt;glad" in said
    found = re.findall(r'class="(\w+)" style="--share:([\d.]+)" title="([^"]+)"', said)
    assert found == [
        ("for", "1.00", "+40 points of happy"),
        ("against", "0.50", "-20 points of happy"),
        ("for", "0.00", "+0 points of happy"),
    ]


def test_a_face_may_fill_its_picture_or_stand_out_of_it():
    probabilities = np.eye(7, dtype=np.float32)[6]
    for box in ((0, 0, 400, 300), (-20, -20, 500, 400), (380, 0, 20, 20)):
        assert frames.annotated(np.zeros((300, 400, 3), np.uint8), FaceFrame(0, box, probabilities, 1)).shape == (300, 400, 3)


def test_frames_shown_are_few_and_spread_over_the_film():
    shown = frames.views(face_analysis(50))
    assert len(shown) == frames.MAX_SHOWN
    assert (shown[0].time, shown[-1].time) == (0.0, 49 / 5)


def test_what_came_from_outside_is_escaped():
    fusion = Fusion(None, None, None, None, False, {}, (Message("file_empty", {"file": "<script>bad()</script>.wav"}),))
    assert "<script>" not in wording.headline(ENGLISH, Analysis(fusion, {}))


def test_shares_say_weight_reliability_and_part():
    readings = {"text": TextReading(np.full(7, 1 / 7, np.float32), 0.37)}
    said = wording.shares(
        ENGLISH, Analysis(Fusion(3.0, "angry", np.full(7, 1 / 7), 1.0, False, {"text": 1.0}), readings), {"text": 0.42}
    )
    assert all(part in said for part in ("0.42", "0.37", "100%"))


def test_the_line_about_the_models_says_what_is_missing_and_why():
    ready = dict.fromkeys(ROLES, Status(State.READY))
    assert not re.sub("<.*?>", "", wording.models_line(ENGLISH, ready))
    no_hub = (Message("hub_unreachable"),)
    status = ready | {
        "text": Status(State.DOWNLOADING, 0.43),
        "face": Status(State.BUNDLED, reason=no_hub),
        "detector": Status(State.BUNDLED, reason=no_hub),
        "speech": Status(State.REMOTE, model="a <service>"),
    }
    said, bundled = wording.models_line(ENGLISH, status), wording.models_bundled(ENGLISH, status)
    assert "words (downloading 43%)" in said and "speech to text" not in said.lower()
    assert "Voice: read by a third party" in said and "a &lt;service&gt;" in said and "comes with the app" not in said
    assert "Face and finding the face: read by what comes with the app (the Hub cannot be reached)" in bundled
    assert "wird heruntergeladen, 43\u00a0%" in wording.models_line(texts.Say("de"), status)
    assert "(der Hub ist nicht erreichbar)" in wording.models_bundled(texts.Say("de"), status)
    failed = Status(State.FAILED, reason=(Message("hub_off"), Message("model_without_tokenizer", {"model": "own"})))
    said = wording.models_line(ENGLISH, ready | {"speech": failed})
    assert "answers come without (the Hub is switched off (HF_HUB_OFFLINE); own has no tokenizer.json)" in said
    assert [state for state in State if Status(state).passing] == [State.WAITING, State.LOADING, State.DOWNLOADING]


def test_models_and_method_are_explained_with_their_figures(open_page):
    page = open_page()
    show(page, "Models")
    page.locator("#simplex .js-plotly-plot").wait_for()
    assert "Article 50" in page.locator("#method-tab").inner_text()
    for name in ("Text: seven", "Voice: seven", "Face: seven"):
        page.get_by_text(name).click()
    page.locator(".diagram svg").nth(2).wait_for()
    assert page.locator(".diagram svg").count() == 3
    assert not page.locator("#language").is_visible() and not page.locator(".invitation").is_visible()
    assert "comes with the app" in page.locator("#models-bundled").inner_text()  # as the Hub is switched off


def test_sweeping_deletes_what_is_old_and_only_that(tmp_path):
    old, new = tmp_path / "a" / "old.wav", tmp_path / "b" / "new.wav"
    for file in (old, new, tmp_path / "tmpbroken", tmp_path / "tmpgrowing"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"sound")
    for path, age in ((old, temporary.MAX_AGE_S), (new, temporary.STALLED_S), (tmp_path / "tmpbroken", temporary.STALLED_S)):
        os.utime(path, (time.time() - age - 1,) * 2)
    assert temporary.sweep(tmp_path) == 2
    assert new.exists() and (tmp_path / "tmpgrowing").exists()
    assert not old.exists()
    assert not (tmp_path / "tmpbroken").exists()


def test_nothing_is_kept_longer_than_the_page_says():
    minutes = int(re.search(r"within\s+(\d+) minutes", ENGLISH("notice_more"))[1])
    assert 60 * minutes >= temporary.MAX_AGE_S + temporary.CHECK_S
