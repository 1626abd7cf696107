"""Events are rows, and messages after that, for whoever watches."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import get_channel_layer
from django.db import connection

from chat.live import LARGEST_MESSAGE, LAYER, conversation_group, messages_of, run_group, told
from chat.models import Run
from chat.services.runs import stop_run
from tests.agents.calling.outages import database_away
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, check_order, events_of, step_of
from tests.chat.running.test_resuming import lease_ends


def heard(group: str, work: Callable[[], Any], by: str = DEFAULT_CHANNEL_LAYER) -> list[dict[str, Any]]:
    """The messages to a group while something is done, and a moment longer."""
    layer: Any = get_channel_layer(by)
    messages: list[dict[str, Any]] = []
    listening, done = threading.Event(), threading.Event()

    async def listen() -> None:
        channel: str = await layer.new_channel()
        await layer.group_add(group, channel)
        coming = asyncio.ensure_future(layer.receive(channel))
        listening.set()
        while True:
            last_look = done.is_set()
            await asyncio.wait((coming,), timeout=1)
            if coming.done():
                messages.append(coming.result())
                coming = asyncio.ensure_future(layer.receive(channel))
            elif last_look:
                break
        coming.cancel()
        await asyncio.wait((coming,))

    ears = threading.Thread(target=lambda: asyncio.run(listen()))
    ears.start()
    assert listening.wait(10)
    work()
    done.set()
    ears.join(20)
    assert not ears.is_alive()
    return messages


def test_the_messages_say_what_the_rows_do(place: Place) -> None:
    place.play(("echo", {"message": "x"}))
    run = place.send()
    messages = heard(run_group(run.pk), lambda: place.perform(run), LAYER)
    assert {message["type"] for message in messages} == {"run.events"}
    sent = [event for message in messages for event in message["events"]]
    rows = [{"seq": row.seq, "kind": row.kind, "data": row.data, "at": row.created_at.isoformat()} for row in events_of(run)]
    assert sent == rows


def test_pages_of_the_conversation_look_again_when_it_begins_and_ends(place: Place) -> None:
    run = place.send("Hello")
    messages = heard(conversation_group(place.conversation.pk), lambda: place.perform(run))
    assert messages == [{"type": "look.again"}]


def test_messages_are_small_enough() -> None:
    now = datetime.now(UTC)
    many = [told(seq, "text.delta", {"part": 1, "text": "x" * 20_000}, now) for seq in range(1, 8)]
    huge = told(8, "text.end", {"part": 1, "text": "x" * 140_000}, now)
    messages = list(messages_of([*many, huge, told(9, "run.ended", {}, now)]))
    assert all(len(json.dumps(message)) < LARGEST_MESSAGE + 2_000 for message in messages)
    assert [event["seq"] for message in messages for event in message["events"]] == [1, 2, 3, 4, 5, 6, 7, 9]


def test_what_cannot_be_stored_is_replaced(place: Place) -> None:
    place.box.tools["echo"] = lambda arguments: "a\x00b\ud800c"
    place.play(("echo", {"message": "x\x00y"}))
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert step_of(run).status == "succeeded"
    check_order(run)


def test_the_database_is_away_in_the_middle(place: Place) -> None:
    gate = place.box.tools["write"] = Gate("written")
    place.play(("write", {"path": "/a", "text": "b"}), answer={"$py": "r['c0']"})
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    connection.close()
    with database_away():
        gate.open()
        thread.join()
    place.box.tools["write"] = lambda arguments: "written again"
    lease_ends(run)
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    check_order(run)


def test_a_stop_that_nobody_heard_is_found_with_the_lease(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.services.runs.announce_stop", lambda run_id: None)
    gate = place.box.tools["echo"] = Gate()
    place.play(("echo", {"message": "x"}))
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    stop_run(user=place.user, run_id=run.pk)
    place.runner._loop.call_soon_threadsafe(lambda: place.runner._loop.create_task(place.runner._engine._holder.renew()))
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLED
