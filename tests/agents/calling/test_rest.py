"""REST: receipts, their sums, and decisions on calls that wait."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import create_api_token
from agents.calling.errors import ApprovalPending
from agents.calling.types import Waits
from agents.models import Agent, Approval, StandingApproval, ToolCall
from agents.services.grants import set_tool_rules
from mcp_registry.models import McpServer
from tests.agents.calling.caller import AgentAtWork, Answering, in_database
from tests.agents.granting import grant_of

CALLS = "/api/v1/calls/"


def receipt(user: User, **fields: Any) -> ToolCall:
    now = timezone.now()
    given = {"via": "gateway", "server_name": "notes", "tool_name": "echo", "status": "succeeded", "created_at": now, "deadline": now}
    return ToolCall.objects.create(user=user, **given | fields)


@pytest.fixture
def stranger_api(stranger: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_token(user=stranger, name='hers')}")
    return client


def test_receipts_newest_first_with_filters(api: APIClient, user: User, stranger: User, make_server: Callable[..., McpServer]) -> None:
    server, agent, run = make_server(), Agent.objects.create(owner=user, name="Scribe", slug="scribe"), uuid4()
    old = receipt(user, created_at=timezone.now() - timedelta(days=2), status="failed", tool_name="write")
    new = receipt(user, agent=agent, agent_name="Scribe", server=server, run=run)
    receipt(stranger)
    assert [call["id"] for call in api.get(CALLS).data["results"]] == [str(new.pk), str(old.pk)]
    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()
    narrow = [{"agent": agent.pk}, {"agent": "Scribe"}, {"server": server.pk}, {"run": run}, {"status": "succeeded"}, {"tool": "echo"}]
    cases: list[Any] = [*narrow, {"from": yesterday}]
    for filters in cases:
        assert [call["id"] for call in api.get(CALLS, filters).data["results"]] == [str(new.pk)], filters
    assert [call["id"] for call in api.get(CALLS, {"to": yesterday}).data["results"]] == [str(old.pk)]


@pytest.mark.parametrize("filters", [{"status": "odd"}, {"run": "x"}, {"from": "soon"}, {"via": "letter"}])
def test_filters_that_cannot_be_used(api: APIClient, filters: dict[str, str]) -> None:
    answer = api.get(CALLS, filters)
    assert (answer.status_code, list(answer.data["fields"])) == (400, list(filters))


def test_pages_stay_what_they_were(api: APIClient, user: User) -> None:
    made = [receipt(user).pk for _ in range(5)]
    first = api.get(CALLS, {"limit": 2}).data
    receipt(user)
    second = api.get(first["next"]).data
    assert [call["id"] for call in first["results"] + second["results"]] == [str(pk) for pk in made[:0:-1]]


def test_one_receipt(api: APIClient, user: User, stranger_api: APIClient) -> None:
    call = receipt(user, arguments={"a": 1}, result={"content": []}, cpu_seconds=0.5)
    shown = api.get(f"{CALLS}{call.pk}/").data
    assert (shown["arguments"], shown["result"], shown["cpu_seconds"], shown["approval"]) == ({"a": 1}, {"content": []}, 0.5, None)
    assert stranger_api.get(f"{CALLS}{call.pk}/").status_code == 404


def test_sums(api: APIClient, user: User, stranger: User) -> None:
    for seconds in (0.25, 0.5):
        receipt(user, cpu_seconds=seconds, agent_name="Scribe")
    receipt(user, tool_name="write", status="refused")
    receipt(stranger, cpu_seconds=9)
    found = {row["tool"]: row for row in api.get(f"{CALLS}totals/").data["results"]}
    assert (found["echo"]["calls"], found["echo"]["cpu_seconds"], found["write"]["refused"]) == (2, 0.75, 1)
    assert [row["calls"] for row in api.get(f"{CALLS}totals/", {"by": "server"}).data["results"]] == [3]
    assert api.get(f"{CALLS}totals/", {"by": "colour"}).status_code == 400


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_an_export(transactional_db: None, api: APIClient, user: User, kind: str) -> None:
    for number in range(3):
        receipt(user, arguments={"number": number})
    answer: Any = api.get(f"{CALLS}export/", {"as": kind, "tool": "echo"})
    text = asyncio.run(collected(answer)).decode()
    if kind == "csv":
        found = [json.loads(row["arguments"]) for row in csv.DictReader(io.StringIO(text))]
    else:
        found = [json.loads(line)["arguments"] for line in text.splitlines()]
    assert found == [{"number": number} for number in range(3)]
    assert api.get(f"{CALLS}export/", {"as": "paper"}).status_code == 400


async def collected(answer: Any) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


async def waiting(at_work: AgentAtWork, **more: Any) -> ToolCall:
    """The receipt of a call that waits."""
    grant = await in_database(grant_of, at_work.agent)
    await in_database(set_tool_rules, owner=at_work.owner, grant_id=grant.pk, name="echo", approval="always")
    with pytest.raises(ApprovalPending) as pending:
        await at_work.call(waits=Waits.ELSEWHERE, **more)
    return await in_database(ToolCall.objects.get, pk=pending.value.receipt_id)


async def test_a_call_is_approved(serving: None, at_work: AgentAtWork, api: APIClient, stranger_api: APIClient) -> None:
    call = await waiting(at_work)
    address = f"{CALLS}{call.pk}/approve/"
    listed = await in_database(api.get, CALLS, {"status": "waiting"})
    assert listed.data["results"][0]["approval"]["status"] == "waiting"
    assert (await in_database(stranger_api.post, address)).status_code == 404
    wrong = await in_database(api.post, address, {"arguments": {"message": 7}}, format="json")
    assert (wrong.status_code, list(wrong.data["fields"])) == (400, ["message"])
    answer = await in_database(api.post, address, {"arguments": {"message": "ho"}, "remember_seconds": 60}, format="json")
    assert (answer.status_code, answer.data["approval"]["status"], answer.data["approval"]["was_edited"]) == (200, "approved", True)
    again = await in_database(api.post, address)
    assert (again.status_code, again.data["code"]) == (409, "approval_decided")
    toolbox = Answering()
    await in_database(StandingApproval.objects.all().delete)
    await at_work.call(toolbox)
    assert toolbox.asked == [{"message": "ho"}]


async def test_a_call_is_refused(serving: None, at_work: AgentAtWork, api: APIClient, stranger_api: APIClient) -> None:
    call = await waiting(at_work)
    address = f"{CALLS}{call.pk}/refuse/"
    assert (await in_database(stranger_api.post, address)).status_code == 404
    answer = await in_database(api.post, address, {"note": "no"}, format="json")
    assert (answer.data["status"], answer.data["error_code"], answer.data["approval"]["note"]) == ("refused", "approval_refused", "no")
    assert (await in_database(Approval.objects.get)).arguments is None


def test_a_call_that_waits_for_nobody(api: APIClient, user: User) -> None:
    call = receipt(user)
    for verb in ("approve", "refuse"):
        assert api.post(f"{CALLS}{call.pk}/{verb}/").status_code == 404
