"""What is kept of visitors: no more than may be, and nothing for long after they have left."""

import datetime
import os

import gradio as gr
import pytest

from emotion.page import temporary, visitors
from emotion.page.inputs import Guarded

AN_HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def page():
    with Guarded() as page:
        gr.State()
    page.app = gr.routes.App.create_app(page)
    return page


def visit(page, session, ago=AN_HOUR, closed=False):
    page.app.state_holder[session].is_closed = closed
    page.app.state_holder.time_last_used[session] -= ago


def answer(page, session, at_work=False):
    queue = page.line
    queue.pending_messages_per_session[session] = ["an answer"]
    queue.pending_event_ids_session[session] = {f"event of {session}"}
    if at_work:
        queue.event_ids_to_events[f"event of {session}"] = object()


def test_pages_that_were_closed_are_forgotten(page):
    visit(page, "closed", closed=True)
    visit(page, "closed just now", ago=datetime.timedelta(), closed=True)
    visit(page, "open")
    visitors.forget(page)
    assert set(page.app.state_holder.session_data) == {"closed just now", "open"}


def test_answers_that_nobody_fetched_are_forgotten(page):
    for session, ago in (("old", AN_HOUR), ("new", datetime.timedelta()), ("at work", AN_HOUR)):
        visit(page, session, ago)
        answer(page, session, at_work=session == "at work")
    answer(page, "evicted")
    visitors.forget(page)
    queue = page.line
    assert set(queue.pending_messages_per_session) == set(queue.pending_event_ids_session) == {"new", "at work"}


def test_the_oldest_uploads_make_room(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        path = tmp_path / name / "file"
        path.parent.mkdir()
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age,) * 2)
    assert temporary.make_room(tmp_path / "not there yet", 300) == 0
    assert temporary.make_room(tmp_path, 300) == 0
    assert temporary.make_room(tmp_path, 250) == 1
    assert [path.parent.name for *_, path in temporary.kept(tmp_path)] == ["middle", "new"]
    assert temporary.make_room(tmp_path, 0) == 2 and not temporary.kept(tmp_path)
