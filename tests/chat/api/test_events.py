"""A run's events as a stream: from rows, then as they come, once each, from wherever one was."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import create_api_token
from chat import api_events, following
from chat.live import LAYER, run_group, tell, told
from chat.models import Conversation, Run
from tests.chat.api.conftest import Send
from tests.chat.api.sse import Stream, listening
from tests.chat.conftest import MakeRun, events_in, run_in
from tests.dtma.agent import until

pytestmark = pytest.mark.django_db(transaction=True)
ENDED = ("run.ended", {"status": "succeeded", "error_code": "", "error_message": ""})
DELTA = ("text.delta", {"part": 1, "text": "Sun\nny ☀"})


def happens(run: Run, *events: tuple[str, dict[str, Any]], message: bool = True) -> None:
    """As a worker does: rows, then a message."""
    rows = events_in(run, *events)
    if message:
        async_to_sync(tell)(run.pk, [told(row.seq, row.kind, row.data, row.created_at) for row in rows])


def listeners_of(run: Run) -> int:
    """Of the web process, which is a thread of this one."""
    layer: Any = get_channel_layer(LAYER)
    loops = list(layer._layers.values())
    return sum(len(loop.groups.get(loop._get_group_channel_name(run_group(run.pk)), ())) for loop in loops)


def channels_left() -> int:
    layer: Any = get_channel_layer(LAYER)
    return sum(len(loop.channels) for loop in list(layer._layers.values()))


@pytest.fixture
def path(served: str, run: Run) -> str:
    return f"{served}/api/v1/runs/{run.pk}/events/"


def seqs(stream: Stream, count: int = -1) -> list[int]:
    return [event["seq"] for event in stream.events(count)]


def test_rows_first_then_what_happens_until_the_end(path: str, run: Run, bearer: str) -> None:
    happens(run, ("run.started", {"attempt": 1}), ("text.start", {"part": 1}))
    with listening(path, Authorization=bearer) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert "content-length" not in stream.headers
        assert seqs(stream, 2) == [1, 2]
        happens(run, DELTA)
        (event,) = stream.events(1)
        assert (event["seq"], event["kind"], event["data"], set(event)) == (3, *DELTA, {"seq", "kind", "data", "at"})
        happens(run, DELTA, DELTA, ENDED)
        assert seqs(stream) == [4, 5, 6]


@pytest.mark.parametrize("by_header", [True, False])
def test_going_on_from_where_one_was(path: str, run: Run, bearer: str, by_header: bool) -> None:
    happens(run, *[DELTA] * 5)
    more = {"Last-Event-ID": "3"} if by_header else {}
    with listening(path if by_header else f"{path}?after=3", Authorization=bearer, **more) as stream:
        assert seqs(stream, 2) == [4, 5]
        happens(run, ENDED)
        assert seqs(stream) == [6]
    happens(run, DELTA)


def test_many_rows_come_in_their_order(path: str, run: Run, bearer: str) -> None:
    happens(run, *[DELTA] * (following.PIECE * 2 + 1), ENDED, message=False)
    with listening(path, Authorization=bearer) as stream:
        assert seqs(stream) == list(range(1, following.PIECE * 2 + 3))


def test_what_was_not_told_is_read(path: str, run: Run, bearer: str) -> None:
    with listening(path, Authorization=bearer) as stream:
        happens(run, DELTA)
        assert seqs(stream, 1) == [1]
        happens(run, DELTA, DELTA, message=False)
        happens(run, DELTA)
        assert seqs(stream, 3) == [2, 3, 4]
        async_to_sync(tell)(run.pk, [told(2, "text.delta", {}, timezone.now())])  # told twice
        happens(run, ENDED)
        assert seqs(stream) == [5]


def test_while_nothing_happens_it_is_alive_and_looks(path: str, run: Run, bearer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)
    with listening(path, Authorization=bearer) as stream:
        stream.until(": alive")
        happens(run, ENDED, message=False)
        assert seqs(stream) == [1]


def test_one_that_lasts_long_ends_and_its_client_comes_again(path: str, run: Run, bearer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_events, "LONGEST_SECONDS", 0)
    happens(run, DELTA)
    with listening(path, Authorization=bearer) as stream:
        assert seqs(stream) == [1]
    happens(run, ENDED)
    with listening(path, Authorization=bearer, **{"Last-Event-ID": "1"}) as stream:
        assert seqs(stream) == [2]


def test_nothing_is_left_of_a_run_that_ended(path: str, run: Run, send: Send) -> None:
    events_in(run, DELTA, ENDED)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.SUCCEEDED, ended_at=timezone.now() - timedelta(minutes=1))
    assert send("GET", f"/api/v1/runs/{run.pk}/events/?after=2") == (204, None)


def test_one_that_ended_without_saying_so(path: str, run: Run, bearer: str) -> None:
    """As where its last rows were lost: nobody waits for them."""
    events_in(run, DELTA)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.FAILED, ended_at=timezone.now() - timedelta(minutes=1))
    with listening(path, Authorization=bearer) as stream:
        assert seqs(stream) == [1]


def test_a_conversation_that_is_deleted_ends_it(
    path: str, run: Run, conversation: Conversation, bearer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)
    with listening(path, Authorization=bearer) as stream:
        stream.until(": alive")
        conversation.delete()
        assert stream.events() == []


def test_listeners_cost_no_threads_and_leave_nothing(path: str, run: Run, bearer: str) -> None:
    """More of them than there are connections to the database."""
    many, before = 60, threading.active_count()
    with ExitStack() as stack:
        streams = [stack.enter_context(listening(path, Authorization=bearer)) for _ in range(many)]
        assert {stream.status for stream in streams} == {200}
        until(lambda: listeners_of(run) == many)
        happens(run, DELTA)
        assert [seqs(stream, 1) for stream in streams] == [[1]] * many
        assert threading.active_count() - before < many / 2
        assert httpx2.get(path.replace("events/", ""), headers={"Authorization": bearer}, timeout=30).status_code == 200
        happens(run, DELTA)
        assert [seqs(stream, 1) for stream in streams] == [[2]] * many
    until(lambda: listeners_of(run) == channels_left() == 0)


def test_who_may_listen(path: str, run: Run, user: User, stranger: User, bearer: str) -> None:
    happens(run, ENDED)
    browser, others = Client(), create_api_token(user=stranger, name="test")
    browser.force_login(user)
    with listening(path, Cookie=f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}") as stream:
        assert seqs(stream) == [1]
    for headers, status, code in (
        ({}, 401, "not_authenticated"),
        ({"Authorization": "Bearer nothing"}, 401, "authentication_failed"),
        ({"Authorization": f"Bearer {others}"}, 404, "run_not_found"),
    ):
        answer = httpx2.get(path, headers={"Accept": "text/event-stream", **headers})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert status == 401 or answer.json()["code"] == code


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "99999999999", "٣"])
def test_what_is_no_number_of_an_event(run: Run, send: Send, after: str) -> None:
    status, answer = send("GET", f"/api/v1/runs/{run.pk}/events/?after={after}")
    assert (status, answer["fields"]) == (400, {"after": "It is the number of an event."})


def test_another_run_is_not_heard(served: str, make_run: MakeRun, conversation: Conversation, bearer: str) -> None:
    one, other = make_run(status=Run.Status.RUNNING), run_in(conversation, "Another", status=Run.Status.RUNNING)
    with listening(f"{served}/api/v1/runs/{one.pk}/events/", Authorization=bearer) as stream:
        until(lambda: listeners_of(one) == 1)
        happens(other, DELTA)
        happens(one, ENDED)
        assert [event["kind"] for event in stream.events()] == ["run.ended"]


def test_what_fails_on_the_way_ends_it_and_one_comes_again(path: str, run: Run, bearer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    happens(run, DELTA)

    def away(*_: Any) -> Any:
        raise OperationalError("The database is away.")

    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)
    with listening(path, Authorization=bearer) as stream:
        assert seqs(stream, 1) == [1]
        with monkeypatch.context() as broken:
            broken.setattr(following, "rows_after", away)
            assert seqs(stream) == []
    happens(run, ENDED)
    with listening(f"{path}?after=1", Authorization=bearer) as stream:
        assert seqs(stream) == [2]


def test_head_is_answered_at_once(path: str, bearer: str) -> None:
    answer = httpx2.head(path, headers={"Authorization": bearer}, timeout=5)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
