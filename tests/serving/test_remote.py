"""Models on a server: what is sent, what is made of the answers, and what is said when there is none."""

import base64
import io
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import huggingface_hub.constants
import numpy as np
import pytest
import soundfile

from emotion.checkpoint import Choice
from emotion.labels import GOEMOTIONS, GOEMOTIONS_TO_LABEL, LABELS
from emotion.messages import InputError
from emotion.readings import Frame, Segment
from emotion.serving import remote, transcription
from emotion.serving.loaders import load_recogniser
from emotion.serving.remote import BELIEF
from tests.clips import blazeface
from tests.sounds import voice

TOKEN = "hf_" + "notarealtokenbutasecret"
EIGHT = {
    "angry": 0.1,
    "calm": 0.2,
    "disgust": 0.05,
    "fearful": 0.05,
    "happy": 0.4,
    "neutral": 0.1,
    "sad": 0.05,
    "surprised": 0.05,
}
WANTED = [0.1, 0.05, 0.05, 0.4, 0.2, 0.05, 0.05]  # calm counts as neutral, the larger of the two


class Service:
    """A server on this machine that answers what it is told to, and keeps what it was asked."""

    def __init__(self):
        self.asked: list[tuple[dict, bytes]] = []  # headers and body
        self.answers: list = []  # status and body, or seconds to wait; the last one for good
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                service.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
                answer = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
                if isinstance(answer, float):
                    time.sleep(answer)
                    return
                status, content = answer
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                # What a careless server repeats of its visitors must not come back through messages.
                data = data.replace(b"ECHO", self.headers.get("authorization", "").encode())
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/model"

    def says(self, *answers):
        self.asked.clear()
        self.answers[:] = [answer if isinstance(answer, (tuple, float)) else (200, answer) for answer in answers]
        return self

    def inputs(self):
        """What was to be read, and with which parameters, of each call."""
        bodies = [json.loads(body) for _, body in self.asked]
        return [(body["inputs"], body.get("parameters")) for body in bodies]


@pytest.fixture(scope="module")
def running():
    service = Service()
    yield service
    service.server.shutdown()


@pytest.fixture
def service(running, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(remote, "PAUSE_S", 0.0)
    return running.says([])


def model(role, service, **known):
    return load_recogniser(role, Choice("a/model", "hub", "1", "MIT", loader="inference", repo=service.url, **known))


def pairs(scores):
    return [{"label": label, "score": score} for label, score in scores.items()]


# --- the four tasks ----------------------------------------------------------------------------------------------------------


def test_a_text_is_sent_once(service):
    scores = {name: 0.01 for name in GOEMOTIONS} | {"joy": 0.6, "love": 0.5, "grief": 0.3}
    service.says([pairs(scores)])
    segments = [Segment(0.5, 1.0, "so"), Segment(2.0, 3.0, "happy"), Segment(3.0, 4.0, "...")]
    reading = model("text", service, temperature=1.0).read("so happy", 0.8, segments)
    assert service.inputs() == [("so happy", {"top_k": remote.TOP_K})] and len(GOEMOTIONS) < remote.TOP_K
    wanted = np.array([max(scores[GOEMOTIONS[i]] for i, of in GOEMOTIONS_TO_LABEL.items() if of == label) for label in range(7)])
    np.testing.assert_allclose(reading.probabilities, wanted / wanted.sum(), atol=1e-6)
    assert reading.reliability == 0.8 and reading.words == ()
    ((start, end, p),) = [(w.start, w.end, w.probabilities) for w in reading.windows]
    assert (start, end) == (0.5, 3.0) and np.array_equal(p, reading.probabilities)
    assert service.asked[0][0]["authorization"] == f"Bearer {TOKEN}"


def test_a_temperature_flattens(service):
    service.says([pairs(EIGHT)])
    flatter = np.sqrt(WANTED)
    found = model("text", service, temperature=2.0).predict(["one", "two"])
    np.testing.assert_allclose(found, [flatter / flatter.sum()] * 2, atol=1e-6)
    assert len(service.asked) == 2 and found.dtype == np.float32


def test_a_long_text_is_cut_at_a_space(service):
    service.says([pairs(EIGHT)])
    model("text", service).predict(["so happy " * 1000, "x" * 5000])
    (words, _), (letters, _) = service.inputs()
    assert 1400 < len(words) <= remote.MAX_CHARS and set(words.split()) == {"so", "happy"} and len(letters) == remote.MAX_CHARS


def test_a_voice_is_sent_in_three_windows_at_most(service, glad):
    service.says(pairs(EIGHT), pairs(EIGHT), pairs({**EIGHT, "sad": 0.9}))
    long = np.tile(voice(150, 2.0, 0.1, 3.0), 30)
    reading = model("speech", service).read(long)
    assert len(service.asked) == len(reading.windows) == 3
    for (sent, parameters), window in zip(service.inputs(), reading.windows, strict=True):
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sent)), dtype="float32")
        assert rate == 16_000 and soundfile.info(io.BytesIO(base64.b64decode(sent))).subtype == "PCM_16"
        assert parameters == {"top_k": remote.TOP_K} and len(samples) <= 10 * rate
        first = round(window.start * rate)
        np.testing.assert_allclose(samples, np.clip(long, -1, 1)[first : first + len(samples)], atol=1e-4)
    np.testing.assert_allclose(reading.windows[0].probabilities, np.array(WANTED) / sum(WANTED), atol=1e-6)
    assert reading.windows[2].probabilities.argmax() == LABELS.index("sad") and reading.windows[2].end == pytest.approx(60, abs=1)
    assert reading.pitch_hz > 0 and reading.reliability > 0.5 and reading.attention.size == 0
    service.says(pairs(EIGHT))
    model("speech", service).read(glad)
    assert len(service.asked) == 1


def test_silence_and_empty_pictures_are_not_sent(service):
    assert model("speech", service).read(np.zeros(16_000, np.float32)) is None
    assert model("face", service).read([Frame(0.0, np.zeros((240, 320, 3), np.uint8))], blazeface()) is None
    assert model("text", service).read("?!") is None
    assert service.asked == []


def test_the_five_clearest_faces_are_sent(service, photograph):
    service.says(pairs(EIGHT))
    sharp = {3, 4, 7, 9, 11}
    frames = [Frame(i / 5, photograph if i in sharp else cv2.GaussianBlur(photograph, (0, 0), 3)) for i in range(12)]
    reading = model("face", service).read(frames, blazeface())
    assert [round(frame.time * 5) for frame in reading.frames] == sorted(sharp) and reading.frames_with_face == 12
    assert len(service.asked) == 5 and reading.frames_sampled == 12
    np.testing.assert_allclose(reading.probabilities, np.array(WANTED) / sum(WANTED), atol=1e-6)
    x, y, side, _ = reading.frames[0].box
    sent = cv2.imdecode(np.frombuffer(base64.b64decode(service.inputs()[0][0]), np.uint8), cv2.IMREAD_COLOR)
    assert sent.shape == (side, side, 3)
    assert np.abs(sent[:, :, ::-1].astype(int) - photograph[y : y + side, x : x + side]).mean() < 4


def test_speech_to_text(service, glad):
    service.says({"text": " I am glad"})
    engine = transcription.REMOTE + service.url
    written = transcription.transcribe(glad, "de", engine)
    assert written.text.startswith("I am glad") and written.confidence == pytest.approx(BELIEF) and written.engine == "model"
    headers, body = service.asked[0]
    samples, rate = soundfile.read(io.BytesIO(body))
    assert headers["content-type"] == "audio/wav" and rate == 16_000 and len(samples) <= len(glad)
    (segment,) = written.segments
    assert segment.end - segment.start == pytest.approx(len(samples) / rate, abs=0.01)
    with pytest.raises(InputError, match="cannot be understood"):
        service.says({"text": None})
        transcription.transcribe(glad, "en", engine)


# --- where it goes wrong -----------------------------------------------------------------------------------------------------

ECHO = {"error": "you sent ECHO"}


@pytest.mark.parametrize(
    ("answer", "said", "calls"),
    [
        ((500, ECHO), "it failed (HTTP 500)", 2),
        ((503, ECHO), "it failed (HTTP 503)", 2),
        ((429, ECHO), "too many calls were made for now (HTTP 429)", 2),
        ((401, ECHO), "it asks for a valid token (HTTP 401)", 1),
        ((404, ECHO), "it does not offer this model (HTTP 404)", 1),
        ((422, ECHO), "it failed (HTTP 422)", 1),
        ((200, b"{not json ECHO"), "cannot be understood", 1),
        ((200, b"\xff\xfe"), "cannot be understood", 1),
        ((200, []), "cannot be understood", 1),
        ((200, [[]]), "cannot be understood", 1),
        ((200, [["angry", 0.5]]), "cannot be understood", 1),
        ((200, {"label": "angry", "score": 1}), "cannot be understood", 1),
        ((200, pairs(EIGHT)), "cannot be understood", 1),  # a list in a list is what the protocol says
        ((200, [pairs({**EIGHT, "sad": None})]), "cannot be understood", 1),
        ((200, [pairs({**EIGHT, "sad": -0.1})]), "cannot be understood", 1),
        ((200, [pairs({**EIGHT, "sad": float("nan")})]), "cannot be understood", 1),
        ((200, [[{"label": "sad"}]]), "cannot be understood", 1),
    ],
)
def test_a_call_in_vain_says_why_and_not_the_token(service, caplog, answer, said, calls):
    service.says(answer)
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError) as raised:
        model("text", service).predict(["so happy"])
    logging.getLogger("test").exception("as the analyzer logs it", exc_info=raised.value)
    assert said in str(raised.value) and "a/model" in str(raised.value) and len(service.asked) == calls
    assert service.asked[0][0]["authorization"] == f"Bearer {TOKEN}"  # it was there to be told
    assert TOKEN not in str(raised.value) and TOKEN not in caplog.text


def test_a_second_attempt_may_succeed(service, caplog):
    service.says((503, ECHO), [pairs(EIGHT)])
    with caplog.at_level(logging.DEBUG):
        assert model("text", service).predict(["so happy"])[0].argmax() == LABELS.index("happy")
    assert len(service.asked) == 2 and "asked once more" in caplog.text and TOKEN not in caplog.text


def test_a_server_that_does_not_answer_in_time(service, monkeypatch):
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.3)
    service.says(0.8)
    with pytest.raises(InputError, match=r"did not answer within 0\.3 seconds"):
        model("text", service).predict(["so happy"])
    assert len(service.asked) == 2


def test_a_server_that_is_not_there(service, monkeypatch):
    gone = Choice("a/model", "hub", "1", "MIT", loader="inference", repo="http://127.0.0.1:9/model")
    with pytest.raises(InputError, match="cannot be reached"):
        load_recogniser("text", gone).predict(["so happy"])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="switched off by HF_HUB_OFFLINE"):
        model("text", service).predict(["so happy"])


def test_labels_as_of_any_model(service):
    service.says([pairs({f"LABEL_{i}": 1 / 7 for i in range(7)})])
    with pytest.raises(InputError, match="LABEL_0"):
        model("text", service).predict(["so happy"])
    told = {f"LABEL_{i}": label for i, label in enumerate(LABELS)}
    np.testing.assert_allclose(model("text", service, labels=told).predict(["so happy"]), np.full((1, 7), 1 / 7), atol=1e-6)
    service.says([pairs({"positive": 0.9, "negative": 0.1})])
    with pytest.raises(InputError, match="positive, negative"):
        model("text", service).predict(["so happy"])


def test_what_a_choice_must_say(service):
    with pytest.raises(InputError, match="needs a repo"):
        load_recogniser("text", Choice("a/model", "hub", "1", "MIT", loader="inference"))
    with pytest.raises(InputError, match="must map names"):
        model("face", service, labels=LABELS)


def test_a_name_on_the_hub_is_asked_for_at_hugging_face():
    recogniser = load_recogniser("speech", Choice("ser", "hub", "1", "MIT", loader="inference", repo="org/ser"))
    assert recogniser.server.client.model == "https://router.huggingface.co/hf-inference/models/org/ser"
    assert recogniser.server.client.timeout == remote.TIMEOUT_S == 15 and recogniser.server.client.token is None
