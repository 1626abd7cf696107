"""Receipts that outlive whoever wrote them, and outages of what they are written to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from redis import Redis

from agentopia.environment import BASE_DIR
from agents.calling import draining, stream
from agents.calling.carry import carry
from agents.calling.draining import drain_once
from agents.calling.errors import CallFailed, Refused
from agents.calling.ledger import keeping_receipts
from agents.calling.receipt import Receipt
from agents.calling.rows import store
from agents.calling.stream import stream_name
from agents.models import ToolCall
from agents.services import close_interrupted_calls
from agents.services.grants import revoke_grant
from tests.agents.calling.caller import AgentAtWork, Answering, in_database
from tests.agents.calling.outages import database_away, wire
from tests.agents.calling.test_receipts_kept import ended
from tests.agents.granting import grant_of
from tests.dtma.agent import eventually

type Away = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def away(at_work: AgentAtWork) -> Away:
    """The database can be away; this thread holds no connection that would break."""
    connection.close()
    return database_away


def environment_of_tests() -> dict[str, str]:
    """For another process on the database of the tests."""
    address = urlsplit(os.environ["DATABASE_URL"])
    return {**os.environ, "DATABASE_URL": urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))}


async def statuses() -> dict[UUID, str]:
    return dict(await in_database(list, ToolCall.objects.values_list("pk", "status")))


async def test_what_was_answered_has_its_receipt_whoever_is_killed(at_work: AgentAtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.agents.calling.killed", str(at_work.agent.pk)),
        stdout=asyncio.subprocess.PIPE,
        env=environment_of_tests(),
        cwd=BASE_DIR,
    )
    assert process.stdout is not None
    told: dict[str, set[UUID]] = {"open": set(), "answered": set()}
    async with asyncio.timeout(60):
        while len(told["answered"]) < 60 or len(told["open"]) < 3:
            word, call_id = (await process.stdout.readline()).decode().split()
            told[word].add(UUID(call_id))
    os.kill(process.pid, signal.SIGKILL)
    for line in (await process.stdout.read()).decode().splitlines():
        if len(parts := line.split()) == 2:
            told[parts[0]].add(UUID(parts[1]))
    await process.wait()

    monkeypatch.setattr(draining, "LEFT_MS", 0)  # what the dead one has read and not stored
    await drain_once()
    found = await statuses()
    assert {found.get(call_id) for call_id in told["answered"]} == {"succeeded"}
    assert {found.get(call_id) for call_id in told["open"]} == {"running"}

    await in_database(ToolCall.objects.filter(status="running").update, deadline=timezone.now() - timedelta(seconds=1))
    assert await in_database(close_interrupted_calls) >= 3
    assert set((await statuses()).values()) <= {"succeeded", "failed"}


async def test_calls_go_on_without_redis(at_work: AgentAtWork, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SPARED_SECONDS", 0.1)

    def appended() -> int:
        return int(redis.xinfo_stream(stream_name())["entries-added"])

    async with wire() as way:
        monkeypatch.setattr(settings.ENVIRONMENT, "redis_url", way.url)
        async with keeping_receipts():
            toolbox = Answering(gate=asyncio.Event())
            task = asyncio.create_task(at_work.call(toolbox))
            await toolbox.reached.wait()
            began = appended()
            assert began == 1
            way.cut()
            toolbox.open()
            assert (await ended(await task)).status == "succeeded"  # it began with Redis and ended without
            assert (await ended(await at_work.call())).status == "succeeded"
            assert appended() == began
            way.mend()

            async def goes_through_redis() -> bool:
                await ended(await at_work.call())
                return appended() > began

            await eventually(goes_through_redis)
    assert set((await statuses()).values()) == {"succeeded"}


async def test_without_redis_a_newer_version_is_seen(at_work: AgentAtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    call = await at_work.prepared()

    grant = await in_database(grant_of, at_work.agent)
    monkeypatch.setattr(settings.ENVIRONMENT, "redis_url", "redis://127.0.0.1:1/0")
    await in_database(revoke_grant, owner=at_work.owner, grant_id=grant.pk)
    toolbox = Answering()
    with pytest.raises(Refused):
        await carry(call, toolbox)
    assert toolbox.asked == []


async def test_without_redis_and_database_nothing_is_called(at_work: AgentAtWork, away: Away) -> None:

    call, toolbox = await at_work.prepared(), Answering()
    with away(), pytest.raises(CallFailed) as failed:
        await carry(call, toolbox)
    assert (failed.value.code, failed.value.retryable, toolbox.asked) == ("receipts_unavailable", True, [])

    async def called_again() -> bool:
        try:
            await ended(await at_work.call())
        except OperationalError:  # the pool of connections may take some seconds to see that the database is back
            return False
        return True

    await eventually(called_again, 60)


async def test_receipts_wait_for_the_database(at_work: AgentAtWork, away: Away, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "PAUSE_SECONDS", 0.1)
    call = await at_work.prepared()

    async with keeping_receipts():
        with away():
            await carry(call, Answering())
            assert redis.xlen(stream_name()) > 0
        assert (await ended(call)).status == "succeeded"

        async def empty() -> bool:
            return redis.xlen(stream_name()) == 0

        await eventually(empty)


async def test_a_receipt_that_the_database_cannot_take_is_kept_without_its_content(at_work: AgentAtWork) -> None:

    bad = await at_work.prepared()
    good = await at_work.prepared()

    receipts = []
    for call in (bad, good):
        receipt = Receipt(call)
        receipt.end(ToolCall.Status.SUCCEEDED)
        receipts.append(receipt.encoded())
    receipts[0] = receipts[0].replace(b'"hi"', b"1e999999")
    await in_database(store, [], receipts)
    assert (await ended(good)).arguments == {"message": "hi"}
    assert (await ended(bad)).arguments == {"unstorable": True}
    assert set((await statuses()).values()) == {"succeeded"}


async def test_what_comes_late_changes_nothing(at_work: AgentAtWork) -> None:

    call = await at_work.prepared()
    receipt = Receipt(call)
    began = receipt.encoded()
    receipt.end(ToolCall.Status.SUCCEEDED)
    finished = receipt.encoded()
    await in_database(store, [], [finished])
    await in_database(store, [began], [])
    other = Receipt(call)
    other.end(ToolCall.Status.CANCELLED)
    await in_database(store, [], [other.encoded()])
    assert (await ended(call)).status == "succeeded"


async def test_what_was_thought_interrupted_and_was_not_is_put_right(at_work: AgentAtWork) -> None:

    receipt = Receipt(await at_work.prepared())
    await in_database(store, [receipt.encoded(timezone.now() - timedelta(seconds=1))], [])
    assert await in_database(close_interrupted_calls) == 1
    receipt.end(ToolCall.Status.SUCCEEDED)
    await in_database(store, [], [receipt.encoded()])
    assert (await ended(receipt.call)).status == "succeeded"


async def test_receipts_of_what_was_deleted_meanwhile(at_work: AgentAtWork) -> None:

    receipt = Receipt(await at_work.prepared())
    receipt.end(ToolCall.Status.SUCCEEDED)
    await in_database(at_work.agent.delete)
    await in_database(store, [], [receipt.encoded()])
    found: Any = await ended(receipt.call)
    assert (found.agent_id, found.agent_name) == (None, "Helper")
