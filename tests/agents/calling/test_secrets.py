"""A secret's canary: it is in the calls, and nowhere that they are written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import connection
from redis import Redis

from agents.calling.carry import carry
from agents.calling.errors import ApprovalPending, CallFailed, Refused
from agents.calling.ledger import keeping_receipts
from agents.calling.stream import stream_name
from agents.calling.types import Forwarded, Waits
from agents.models import ToolCall
from agents.receipts import MASK, Masker
from agents.services.grants import set_tool_rules
from agents.toolsets.touch import touch
from dtma_client import DtmaFault
from mcp_registry.models import McpServer
from tests.agents.calling.caller import AgentAtWork, Answering, failing, in_database, result_of
from tests.agents.calling.outages import database_away
from tests.agents.calling.test_receipts_kept import ended
from tests.agents.granting import grant_of, tell_tools
from tests.dtma.agent import eventually

CANARY = 'canary "4711" / é'
PASSWORD = "hunter2-canary"
FORMS = (CANARY, "canary", json.dumps(CANARY)[1:-1], "hunter2")
LOGIN = {
    "name": "login",
    "inputSchema": {
        "type": "object",
        "properties": {"login": {"$ref": "#/$defs/Login"}, "count": {"type": "integer"}},
        "$defs": {"Login": {"type": "object", "properties": {"password": {"type": "string", "format": "password", "maxLength": 40}}}},
    },
}
ARGUMENTS = {"login": {"password": PASSWORD}, "note": f"the key is {CANARY}", "count": 1}
ECHOED = result_of(f"You sent {PASSWORD} and {CANARY}", structuredContent={CANARY: [CANARY], "nested": json.dumps({"k": CANARY})})


@pytest.fixture
def with_secret(at_work: AgentAtWork) -> AgentAtWork:
    """Its server was started with the canary, and has a tool that takes a password."""
    tell_tools(at_work.server, [LOGIN])
    McpServer.objects.filter(pk=at_work.server.pk).update(secrets={"KEY": CANARY})
    touch(agent_ids=[at_work.agent.pk])
    return at_work


@pytest.fixture
def away(with_secret: AgentAtWork) -> Callable[[], AbstractContextManager[None]]:
    connection.close()
    return database_away


def everything_stored() -> str:
    """All columns of what calls leave, as they lie in the database."""
    with connection.cursor() as cursor:
        found = []
        for table in ("agents_toolcall", "agents_approval", "accounts_auditevent", "agents_standingapproval"):
            cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608
            found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found)


def clean(text: str) -> bool:
    return not [form for form in FORMS if form in text]


async def test_nothing_of_it_is_in_redis_or_in_the_database(
    with_secret: AgentAtWork, away: Callable[[], AbstractContextManager[None]], redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    call = await with_secret.prepared("notes__login", ARGUMENTS, client=f"client {CANARY}")
    toolbox = Answering(ECHOED)
    async with keeping_receipts():
        with away():
            await carry(call, toolbox)
            entries: Any = redis.xrange(stream_name())
            stored = b"".join(name + value for _, fields in entries for name, value in fields.items())
        assert b"notes" in stored
        assert clean(stored.decode(errors="replace"))
        receipt = await ended(call)
    assert toolbox.asked == [ARGUMENTS]
    assert receipt.arguments == {"login": {"password": MASK}, "note": f"the key is {MASK}", "count": 1}
    assert receipt.result["content"][0]["text"] == f"You sent {MASK} and {MASK}"
    assert clean(await in_database(everything_stored))
    assert clean(caplog.text)


async def test_nor_where_calls_fail(serving: None, with_secret: AgentAtWork, caplog: pytest.LogCaptureFixture) -> None:
    async def erring(call: Any) -> Forwarded:
        return Forwarded(error_code=-32000, error_message=f"{CANARY} and {PASSWORD} are wrong")

    await with_secret.call(erring, "notes__login", ARGUMENTS)
    with pytest.raises(CallFailed):
        await with_secret.call(failing(DtmaFault(f"{CANARY} broke {PASSWORD}")), "notes__login", ARGUMENTS)
    for arguments in ({"login": {"password": PASSWORD * 5}}, {**ARGUMENTS, "count": CANARY}):
        with pytest.raises(Refused):  # what is wrong with an argument quotes it
            await with_secret.call(None, "notes__login", arguments)
    with pytest.raises(Refused):
        await with_secret.call(None, f"notes__{CANARY}", ARGUMENTS)
    await with_secret.call(Answering(f'["{CANARY}'.encode()), "notes__login", ARGUMENTS)

    async def all_there() -> bool:
        return await in_database(ToolCall.objects.exclude(ended_at=None).count) == 6

    await eventually(all_there)
    stored = await in_database(everything_stored)
    assert clean(stored.replace(PASSWORD, "", 1)), "the unknown tool's arguments alone, for nobody says what of them is a password"
    assert clean(caplog.text)


async def test_nor_where_calls_wait(serving: None, with_secret: AgentAtWork) -> None:
    grant = await in_database(grant_of, with_secret.agent)
    await in_database(set_tool_rules, owner=with_secret.owner, grant_id=grant.pk, name="login", approval="always")
    with pytest.raises(ApprovalPending):
        await with_secret.call(None, "notes__login", ARGUMENTS, waits=Waits.ELSEWHERE)
    assert clean(await in_database(everything_stored))


@pytest.mark.parametrize(
    "written",
    [
        json.dumps({"t": CANARY}),
        json.dumps({"t": CANARY}, ensure_ascii=False),
        '{"t": "\\u0063anary \\"4711\\" \\/ \\u00e9"}',
        json.dumps({"t": json.dumps({"u": CANARY})}),
        json.dumps({"t": "canary%20%224711%22%20/%20%C3%A9"}),
        json.dumps({CANARY: 1}),
    ],
)
def test_however_it_is_written(written: str) -> None:
    stored = Masker((CANARY,)).result(written, json.loads(written))
    assert MASK in json.dumps(json.loads(stored), ensure_ascii=False)
    assert clean(stored)


@pytest.mark.parametrize("number", ["12345678", "1234.5"])
def test_a_secret_that_is_a_number(number: str) -> None:
    raw = f'{{"pin": {number}, "other": 9{number}}}'
    stored = json.loads(Masker((number,)).result(raw, json.loads(raw)))
    assert stored["pin"] == MASK


def test_a_result_that_nests_too_deep_is_not_stored() -> None:
    value: Any = "canary"
    for _ in range(3000):
        value = [value]
    assert clean(Masker(("canary",)).arguments(value, None))


def test_what_can_not_be_stored_is_replaced() -> None:
    raw = '{"half": "\\ud800", "nul": "a\\u0000b"}'
    stored = Masker(()).result(raw, json.loads(raw))
    assert json.loads(stored) == {"half": "\ufffd", "nul": "a\ufffdb"}
    assert json.loads(Masker(()).arguments({"n": float("nan")}, None)) == {"n": "nan"}
