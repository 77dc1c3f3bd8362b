"""The running app as an API, through gradio_client and through plain HTTP."""

import http.client
import json
import urllib.request
from urllib.parse import urlsplit

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from emotion import LABELS, Analysis
from emotion.media import MAX_FILE_BYTES
from emotion.messages import Message
from tests.clips import MEDIA
from tests.page.calls import call, post, upload
from tests.running import App

ENDPOINTS = {"/analyze_text", "/analyze_audio", "/analyze_video", "/analyze_image", "/fuse"}
KEYS = {"mood", "label", "probabilities", "agreement", "mixed", "duration", "modalities", "transcript", "timeline"}
KEYS |= {"warnings", "codes", "timings_ms", "models"}


@pytest.fixture(scope="module")
def client(app: App) -> Client:
    return Client(app.url, verbose=False, httpx_kwargs={"timeout": 120})


def test_only_the_documented_endpoints_are_offered(client):
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == ENDPOINTS


def test_text_through_the_client(client):
    result = client.predict("I am so glad that you came", api_name="/analyze_text")
    assert set(result) == KEYS
    assert set(result["modalities"]) == {"text"}
    assert tuple(result["probabilities"]) == LABELS
    assert sum(result["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert 1 <= result["mood"] <= 5


def test_audio_with_and_without_a_text(client, spoken):
    heard = client.predict(handle_file(str(spoken)), api_name="/analyze_audio")
    assert heard["modalities"]["speech"]["pitch_hz"] > 60
    typed = client.predict(handle_file(str(spoken)), "What a dreadful day", api_name="/analyze_audio")
    assert typed["transcript"]["text"] == "What a dreadful day"
    assert typed["transcript"]["engine"] == "typed"
    assert typed["modalities"]["speech"]["probabilities"] == heard["modalities"]["speech"]["probabilities"]


def test_image(client):
    result = client.predict(handle_file(str(MEDIA / "astronaut.jpg")), api_name="/analyze_image")
    assert result["modalities"]["face"]["frames_with_face"] == 1


def test_plain_http_gives_what_the_client_gives(app, client):
    kind, data = call(app, "analyze_text", "What a day")
    assert kind == "complete"
    assert data[0]["probabilities"] == client.predict("What a day", api_name="/analyze_text")["probabilities"]


def test_plain_http_with_a_file(app, spoken):
    kind, data = call(app, "analyze_audio", upload(app, spoken), "so it is")
    assert kind == "complete"
    assert set(data[0]["modalities"]) == {"text", "speech"}


def test_optional_arguments_may_be_left_out_by_name(app, spoken):
    event = post(app, "v2/analyze_audio", {"audio": upload(app, spoken)})
    with urllib.request.urlopen(f"{app.url}gradio_api/call/analyze_audio/{event['event_id']}", timeout=120) as stream:
        assert b"event: complete" in stream.read()


def test_fuse_weighs_anew(app, client, spoken):
    first = client.predict(handle_file(str(spoken)), "I am so glad that you came", api_name="/analyze_audio")
    voice = client.predict(first, {"text": 0, "speech": 1, "face": 0}, api_name="/fuse")
    assert voice["probabilities"] == pytest.approx(first["modalities"]["speech"]["probabilities"], abs=1e-4)
    assert voice["modalities"]["text"]["weight"] == 0
    assert Analysis.from_dict(voice).mood == pytest.approx(first["modalities"]["speech"]["mood"], abs=1e-4)


@pytest.mark.parametrize("weights", [{"text": -1}, {"smell": 1}, {"text": "much"}, [1, 2, 3]])
def test_fuse_says_what_is_wrong_with_weights(client, weights):
    analysis = client.predict("What a day", api_name="/analyze_text")
    with pytest.raises(AppError, match=r"weight|modality"):
        client.predict(analysis, weights, api_name="/fuse")


def test_fuse_says_that_it_was_given_no_analysis(client):
    with pytest.raises(AppError, match="not an analysis"):
        client.predict({"mood": 3}, {"text": 1}, api_name="/fuse")


def test_input_errors_reach_the_client_as_sentences(app, client, tmp_path):
    fake = tmp_path / "notes.wav"
    fake.write_text("only words, no sound")
    with pytest.raises(AppError, match=r"notes\.wav .*\."):
        client.predict(handle_file(str(fake)), api_name="/analyze_audio")
    kind, data = call(app, "analyze_text", "word " * 2000)
    assert kind == "error"
    assert "10,000 characters" in data["error"]
    assert "limit" in data["error"]


def test_an_empty_text_is_a_normal_result(client):
    result = client.predict("   ", api_name="/analyze_text")
    assert result["mood"] is None
    assert [Message.from_dict(code).say() for code in result["codes"]] == result["warnings"] != []


@pytest.mark.parametrize("path", ["/etc/hostname", {"path": "/etc/hostname"}, ["/etc/hostname"], None, 7])
def test_only_uploads_are_read(app, path):
    log = app.log.stat().st_size
    kind, data = call(app, "analyze_image", path)
    assert kind == "error"
    assert "hostname" not in json.dumps(data)
    assert "hostname is not" not in app.log.read_text("utf-8")[log:]


def test_a_file_elsewhere_is_not_read_though_it_looks_uploaded(app):
    kind, data = call(app, "analyze_image", {"path": str(MEDIA / "astronaut.jpg"), "meta": {"_type": "gradio.FileData"}})
    assert (kind, data["error"]) == ("error", Message("input_not_taken").say())


def test_too_large_a_body_is_refused(app):
    connection = http.client.HTTPConnection(urlsplit(app.url).netloc, timeout=60)
    connection.putrequest("POST", "/gradio_api/call/analyze_text")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(MAX_FILE_BYTES + 2**21))
    connection.endheaders()  # the head alone: nobody has to send it to be told
    assert connection.getresponse().status == 413
