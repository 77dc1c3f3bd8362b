"""Each way in: nothing is fetched for whoever names a file by its address, and nothing larger than it may be is taken."""

import contextlib
import http.client
import importlib.util
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import gradio as gr
import pytest
from gradio import processing_utils

import emotion
from emotion import api, page
from emotion.api.door import CLOSED, OPEN, OUTSIDE, way_of
from emotion.media.limits import MAX_JSON_BYTES
from emotion.messages import InputError
from emotion.page import inputs

PATIENCE_S = 60
ADDRESS = "https://example.com/film.mp4"
FILE = {"path": ADDRESS, "meta": {"_type": "gradio.FileData"}}
MCP = importlib.util.find_spec("mcp") is not None  # tools, by which models call the app
SAID = str(InputError("file_elsewhere", address=ADDRESS))


@dataclass
class Served:
    """The page in this process, its models not loaded, and what Gradio would have fetched for it."""

    url: str
    demo: gr.Blocks
    fetched: list[str] = field(default_factory=list)

    def ask(self, path: str, body: object = None, kind: str = "application/json") -> str:
        """What a request is answered, whatever its status."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": kind, "Accept": "*/*, application/json, text/event-stream"}
        )
        try:
            return urllib.request.urlopen(request, timeout=PATIENCE_S).read().decode()
        except urllib.error.HTTPError as refused:
            return f"{refused.code} {refused.read().decode()}"

    def called(self, way: str, body: object) -> str:
        """What comes of an event that is begun by ``way``."""
        event = json.loads(self.ask(f"gradio_api/{way}", body))["event_id"]
        return self.ask(f"gradio_api/{way.replace('/v2', '')}/{event}")

    def function(self, wanted: str | None) -> int:
        """Number of a function: by its name, or the first with an input that waits in no queue."""
        functions = self.demo.fns.items()
        return next(n for n, f in functions if (f.api_name == wanted if wanted else not f.queue and f.inputs))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    fetched: list[str] = []

    async def fetch(url: str, *_: object, **__: object) -> str:
        fetched.append(url)
        raise OSError("nothing is fetched in tests")

    with pytest.MonkeyPatch.context() as patch, contextlib.closing(emotion.load("bundled")) as analyzer:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setattr(processing_utils, "async_ssrf_protected_get", fetch)
        demo = page.build(analyzer).queue(api_open=False)
        options = api.launch_options(analyzer, demo)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, mcp_server=MCP, **options)
        yield Served(url, demo, fetched)
        demo.close(verbose=False)


def by_call(served: Served) -> str:
    return served.called("call/analyze_image", {"data": [FILE]})


def by_call_v2(served: Served) -> str:
    return served.called("call/v2/analyze_image", {"image": FILE})


def by_call_within_json(served: Served) -> str:
    return served.called("call/fuse", {"data": [{"modalities": [FILE]}, {}]})


def by_queue(served: Served) -> str:
    served.ask(
        "gradio_api/queue/join", {"data": [FILE], "fn_index": served.function("analyze_image"), "session_hash": "stranger"}
    )
    return served.ask("gradio_api/queue/data?session_hash=stranger")


def by_run(served: Served) -> str:
    number = served.function(None)
    data = [FILE] * len(served.demo.fns[number].inputs)
    answers = [served.ask(f"gradio_api/{way}/predict", {"data": data, "fn_index": number}) for way in ("run", "api")]
    assert answers[0] == answers[1]
    return answers[0].removeprefix("500 ")


def by_mcp(served: Served) -> str:
    called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    tools = json.loads(served.ask("gradio_api/mcp/schema"))
    name = next(tool["name"] for tool in tools if tool["name"].endswith("analyze_image"))
    return served.ask("gradio_api/mcp/", {**called, "params": {"name": name, "arguments": {"image": ADDRESS}}})


without_mcp = pytest.mark.skipif(not MCP, reason="mcp is not installed")
WAYS = [by_call, by_call_v2, by_call_within_json, by_queue, by_run, pytest.param(by_mcp, marks=without_mcp)]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_named_by_its_address_is_refused_and_not_fetched(served, way):
    assert SAID in way(served)
    assert served.fetched == []


def test_an_upload_is_what_was_sent_and_never_fetched(served):
    body = f'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\n{ADDRESS}\r\n--b--\r\n'.encode()
    assert "example" not in served.ask("gradio_api/upload", body, "multipart/form-data; boundary=b")
    assert served.fetched == []


@pytest.mark.parametrize("path", [f"file={ADDRESS}", f"proxy={ADDRESS}", f"stream/{ADDRESS}"])
def test_no_address_is_read_through_the_app(served, path):
    assert served.ask(f"gradio_api/{path}")[:3] in ("403", "404")
    assert served.fetched == []


def test_what_a_component_is_asked_directly_is_not_fetched(served):
    number = next(block._id for block in served.demo.blocks.values() if block.elem_id == "live")
    body = {"data": FILE, "component_id": number, "fn_name": "exchange", "session_hash": "stranger"}
    assert "trouble" in served.ask("gradio_api/component_server", body)
    assert served.fetched == []


@pytest.mark.parametrize(
    "path", ["HTTPS://example.com/a.wav", "ftp://example.com/a.wav", "file:///etc/hosts", "data:audio/wav;base64,AA"]
)
def test_other_addresses_are_none_either(served, path):
    answer = served.called("call/analyze_audio", {"data": [{**FILE, "path": path}, ""]})
    assert InputError("file_elsewhere", address=path).message.say() in answer


def test_an_address_is_refused_where_it_names_a_file_and_nowhere_else():
    assert list(inputs._paths([ADDRESS, {"text": ADDRESS, "url": ADDRESS}, {"parts": [{"path": "/a"}]}])) == ["/a"]
    assert not inputs.ELSEWHERE.match("/uploads/a: b.wav") and not inputs.ELSEWHERE.match(r"C:\uploads\a.wav")


@pytest.mark.parametrize("data", [7, [FILE["path"]], {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}])
def test_what_is_no_upload_is_refused_in_a_sentence_that_repeats_nothing_of_it(served, data):
    assert str(InputError("input_not_taken")) in served.called("call/analyze_image", {"data": [data]})


def test_deeply_nested_data_harm_nobody(served):
    depth = 500
    body = b'{"data": [' + b"[" * depth + b"]" * depth + b", {}]}"
    assert "event: error" in served.called("call/fuse", body)


@pytest.mark.parametrize(
    "way", ["call/analyze_image", "call/v2/analyze_image", "queue/join", "run/predict", "component_server", "mcp/"]
)
def test_a_data_address_is_no_larger_than_a_request_may_be(served, way):
    """Whether its size is told at first or not."""
    refused = InputError("body_too_large", limit=MAX_JSON_BYTES // 2**20)
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=PATIENCE_S)
    for told in (True, False):
        body = b'{"data": ["data:image/png;base64,' + b"A" * MAX_JSON_BYTES + b'"]}'
        connection.request(
            "POST",
            f"/gradio_api/{way}",
            body if told else iter([body[:100], body[100:]]),
            {"Content-Type": "application/json"},
            encode_chunked=not told,
        )
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (413, refused.to_dict() | {"message": str(refused)})
        connection.close()


@pytest.mark.parametrize(
    "path", ["process_recording", "deep_link?session_hash=x", "vibe-code", "proxy=x", "runs", "token", "monitoring"]
)
def test_what_nobody_needs_is_closed(served, path):
    assert served.ask(f"gradio_api/{path}", b"" if path == "process_recording" else None) == "404 Not Found"


def test_a_way_is_known_by_its_first_name():
    def way(path: str) -> str:
        return way_of({"type": "http", "path": path})

    assert [way(f"/gradio_api/{name}") for name in ("call/v2/x", "file=/tmp/a", "queue/join", "upload")] == [
        "call",
        "file",
        "queue",
        "upload",
    ]
    assert way("/gradio_api/process_recording") == way("/gradio_api/") == way("/root/gradio_api/filer=x") == CLOSED
    assert way("/") == way("/v1/analyze") == way_of({"type": "lifespan"}) == OUTSIDE
    assert "process_recording" not in OPEN
