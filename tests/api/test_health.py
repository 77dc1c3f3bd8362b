"""The app seen from outside: how it stands, and its figures."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

import emotion
from emotion import api, page
from emotion.analyzer import Analyzer
from emotion.api import health, metrics
from emotion.messages import InputError, Message
from emotion.serving.slots import Serving, State, Status
from emotion.serving.weights import MODALITIES, ROLES, ROOT


@pytest.fixture
def unloaded() -> Iterator[Analyzer]:
    with contextlib.closing(emotion.load("bundled")) as analyzer:
        yield analyzer


def standing(analyzer: Analyzer, monkeypatch, states: dict[str, Status], loaded: tuple[str, ...] = ROLES) -> dict:
    """The report where a role stands as in ``states``, every other one is ready, and those of ``loaded`` have a model."""
    for role, slot in analyzer.slots.items():
        monkeypatch.setattr(slot, "_status", states.get(role, Status(State.READY, model="ours")))
        monkeypatch.setattr(slot, "_serving", Serving(slot.choices[0], None) if role in loaded else None)
    return health.report(analyzer)


def test_it_starts_until_every_role_has_a_model(unloaded, monkeypatch):
    assert health.report(unloaded)["status"] == "starting"
    loading = {"text": Status(State.LOADING)}
    assert standing(unloaded, monkeypatch, loading, tuple(role for role in ROLES if role != "text"))["status"] == "starting"
    assert standing(unloaded, monkeypatch, {})["status"] == "ready"
    assert standing(unloaded, monkeypatch, {"text": Status(State.REMOTE)})["status"] == "ready"


def test_it_is_degraded_by_a_substitute_and_says_why(unloaded, monkeypatch):
    found = standing(unloaded, monkeypatch, {"face": Status(State.BUNDLED, reason=(Message("hub_off"),), model="own")})
    assert found["status"] == "degraded" and found["models"]["face"] == {"state": "bundled", "model": "own"}
    said = Message("hub_off")
    assert found["why"] == [{"role": "face", "code": "hub_off", "fields": {}, "message": said.say()}]
    downloading = standing(unloaded, monkeypatch, {"face": Status(State.DOWNLOADING, 0.4)})
    assert downloading["status"] == "degraded"  # another model reads faces until then


def test_it_fails_where_nothing_can_be_read(unloaded, monkeypatch):
    failed = dict.fromkeys(ROLES, Status(State.FAILED))
    assert standing(unloaded, monkeypatch, failed, ())["status"] == "failed"
    assert standing(unloaded, monkeypatch, failed, MODALITIES[:1])["status"] == "degraded"


def served(analyzer: Analyzer) -> TestClient:
    """The page and its routes, without a server."""
    demo = page.build(analyzer).queue(api_open=False)
    options = api.launch_options(analyzer, demo)["app_kwargs"]
    return TestClient(gr.routes.App.create_app(demo, app_kwargs=options))


def figures(client: TestClient) -> dict[tuple, float]:
    """Each sample by its name and labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_health_is_told_to_whoever_asks(unloaded, monkeypatch):
    client = served(unloaded)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")
    standing(unloaded, monkeypatch, {"face": Status(State.BUNDLED)})
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, health.report(unloaded))


def test_figures_are_given_to_nobody_unless_they_are_asked_for(unloaded, monkeypatch):
    for asked, wanted in (("1", True), ("On", True), ("0", False), ("false", False), ("", False)):
        monkeypatch.setenv("EMOTION_METRICS", asked)
        assert metrics.wanted() == wanted
    assert served(unloaded).get("/metrics").status_code == 404


def test_figures_count_what_happens(unloaded, monkeypatch):
    monkeypatch.setenv("EMOTION_METRICS", "1")
    client = served(unloaded)
    before = figures(client)
    assert before[("emotion_queue_waiting",)] == before[("emotion_queue_running",)] == 0

    with pytest.raises(InputError):
        unloaded.analyze(text="too long " * 1000)
    monkeypatch.setattr(emotion.analyzer._Job, "run", lambda job: (_ for _ in ()).throw(TimeoutError))
    with pytest.raises(TimeoutError):
        unloaded.analyze(text="late")
    monkeypatch.setattr(emotion.analyzer._Job, "run", lambda job: replace(answer, timings_ms={"media": 20.0}))
    answer = emotion.Analysis(emotion.fuse({}), {})
    unloaded.analyze(text="in time")
    client.post("/gradio_api/process_recording")
    monkeypatch.setattr("gradio.queueing.Queue.push", _refused)
    assert client.post("/gradio_api/call/analyze_text", json={"data": ["x"]}).status_code == 503

    after = figures(client)
    assert [after["emotion_analyses_total", outcome] for outcome in ("answered", "refused", "late")] == [1, 1, 1]
    assert after["emotion_stage_seconds_sum", "media"] == pytest.approx(0.02)
    assert after["emotion_stage_seconds_count", "total"] == 1
    assert after["emotion_requests_total", "404", "closed"] == after["emotion_requests_total", "503", "call"] == 1
    assert after["emotion_busy_total",] == 1


async def _refused(*_: object, **__: object) -> tuple[bool, str, str]:
    return False, "full", "queue_full"


@pytest.mark.models
@pytest.mark.skipif(sys.platform != "linux", reason="what /proc knows")
def test_the_memory_of_the_app_and_its_workers_is_known(unloaded, monkeypatch):
    monkeypatch.setenv("EMOTION_METRICS", "1")
    client = served(unloaded)
    unloaded.workers.submit(len, b"x", timeout=60).result()
    found = figures(client)
    assert found[("process_resident_memory_bytes",)] > 10e6 and found[("emotion_workers_memory_bytes",)] > 10e6


def test_all_is_put_together_before_torch_is_imported():
    code = "import sys, emotion; from emotion import api, page; a = emotion.load(); api.launch_options(a, page.build(a))"
    script = f"{code}; print(*{{'torch', 'transformers', 'librosa', 'starlette'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["starlette"]
