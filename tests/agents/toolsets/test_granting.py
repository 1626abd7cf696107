"""Agents and grants are made, changed and taken back: what is refused, with which sentence, and what the audit keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, User
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput, NotFound
from agents.models import Agent, Grant
from agents.services import agents as agent_services
from agents.services.agents import change_agent, create_agent, delete_agent
from agents.services.grants import change_grant, grant, revoke_grant, set_tool_rules
from mcp_registry.models import McpServer
from mcp_registry.services.servers import delete_server
from tests.agents.granting import agent_with, grant_of, tell_tools, tool

type MakeServer = Callable[..., McpServer]


def told() -> list[str]:
    return list(AuditEvent.objects.filter(action__regex="^(agent|grant)[.]").order_by("pk").values_list("action", flat=True))


def test_a_slug_is_made_from_the_name(user: User, stranger: User) -> None:
    assert [create_agent(owner=user, name=name).slug for name in ("My Agent!", "my agent", "My_agent", "助手", "助手", "x" * 100)] == [
        "my-agent", "my-agent-2", "my-agent-3", "agent", "agent-2", "x" * 58,
    ]  # fmt: skip
    assert create_agent(owner=stranger, name="My agent").slug == "my-agent"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a", "slug": "Not So"}, "slug"),
        ({"name": "a", "slug": "-a"}, "slug"),
        ({"name": "a", "slug": "a" * 64}, "slug"),
        ({"name": "a", "instructions": "x" * 20_001}, "instructions"),
        ({"name": "a", "model": "x" * 201}, "model"),
        ({"name": "a", "tool_mode": "some"}, "tool_mode"),
        ({"name": "a", "top_k": 0}, "top_k"),
        ({"name": "a", "top_k": 51}, "top_k"),
        ({"name": "a", "calls_per_minute": 0}, "calls_per_minute"),
        ({"name": "a", "calls_per_day": "many"}, "calls_per_day"),
        ({"name": "a", "version": 1}, "version"),
    ],
)
def test_an_agent_that_cannot_be(user: User, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_agent(owner=user, **fields)
    assert list(refused.value.fields) == [field]
    assert not Agent.objects.exists()
    agent = create_agent(owner=user, name="Helper")
    with pytest.raises(InvalidInput):
        change_agent(owner=user, agent_id=agent.pk, **fields)


def test_a_slug_that_is_taken(user: User) -> None:
    create_agent(owner=user, name="One")
    other = create_agent(owner=user, name="Two")
    attempts: list[Callable[[], object]] = [
        lambda: create_agent(owner=user, name="Three", slug="one"),
        lambda: change_agent(owner=user, agent_id=other.pk, slug="one"),
    ]
    for attempt in attempts:
        with pytest.raises(Conflict) as refused:
            attempt()
        assert refused.value.fields == {"slug": "Taken."}
    with pytest.raises(InvalidInput):
        change_agent(owner=user, agent_id=other.pk, slug=" ")


def test_there_is_an_end_to_agents(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_services, "MOST_AGENTS", 1)
    create_agent(owner=user, name="One")
    with pytest.raises(Conflict):
        create_agent(owner=user, name="Two")


def test_what_was_done_is_kept(user: User, make_server: MakeServer) -> None:
    server = make_server(name="files")
    agent = agent_with(user, server)
    change_agent(owner=user, agent_id=agent.pk, name="Aide", instructions="x" * 1000)
    pk = grant_of(agent).pk
    change_grant(owner=user, grant_id=pk, tools=["echo"])
    change_grant(owner=user, grant_id=pk, tools=["echo"])
    set_tool_rules(owner=user, grant_id=pk, name="echo", approval="always")
    revoke_grant(owner=user, grant_id=pk)
    delete_agent(owner=user, agent_id=agent.pk)
    assert told() == [
        "agent.made", "grant.made", "agent.changed", "grant.changed", "grant.rules_changed", "grant.revoked", "agent.deleted",
    ]  # fmt: skip
    changed = AuditEvent.objects.get(action="agent.changed")
    assert changed.changes["name"] == ["Helper", "Aide"]
    assert len(changed.changes["instructions"][1]) < 400
    assert AuditEvent.objects.get(action="grant.changed").changes == {"tools": [None, "echo"]}
    assert set(AuditEvent.objects.filter(action__startswith="grant").values_list("owner_id", "target_name")) == {
        (user.pk, "Helper: files"), (user.pk, "Aide: files"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tools": []}, "tools"),
        ({"tools": ["echo", "shout"]}, "tools"),
        ({"tools": "echo"}, "tools"),
        ({"tools": [1]}, "tools"),
        ({"approval": "sometimes"}, "approval"),
        ({"on_change": ""}, "on_change"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"cpu_seconds_per_day": -1}, "cpu_seconds_per_day"),
        ({"agent": None}, "agent"),
    ],
)
def test_a_grant_that_cannot_be(user: User, make_server: MakeServer, fields: dict[str, Any], field: str) -> None:
    server = make_server()
    agent = create_agent(owner=user, name="Helper")
    with pytest.raises(InvalidInput) as refused:
        grant(owner=user, agent_id=agent.pk, server_id=server.pk, **fields)
    assert list(refused.value.fields) == [field]
    made = grant(owner=user, agent_id=agent.pk, server_id=server.pk)
    with pytest.raises(InvalidInput):
        change_grant(owner=user, grant_id=made.pk, **fields)
    made.refresh_from_db()
    assert (made.tools, made.approval, made.expires_at) == (None, "destructive", None)


def test_once_for_each_server(user: User, make_server: MakeServer) -> None:
    server = make_server()
    agent = agent_with(user, server)
    with pytest.raises(Conflict):
        grant(owner=user, agent_id=agent.pk, server_id=server.pk)
    delete_server(owner=user, server_id=server.pk)
    with pytest.raises(Conflict) as refused:
        grant(owner=user, agent_id=create_agent(owner=user, name="Other").pk, server_id=server.pk)
    assert refused.value.code == "server_deleting"


def test_nobody_elses(user: User, stranger: User, make_server: MakeServer) -> None:
    server = make_server()
    agent = agent_with(user, server)
    mine = create_agent(owner=stranger, name="Mine")
    pk = grant_of(agent).pk
    attempts: list[Callable[[], object]] = [
        lambda: change_agent(owner=stranger, agent_id=agent.pk, name="x"),
        lambda: delete_agent(owner=stranger, agent_id=agent.pk),
        lambda: grant(owner=stranger, agent_id=agent.pk, server_id=server.pk),
        lambda: grant(owner=stranger, agent_id=mine.pk, server_id=server.pk),
        lambda: change_grant(owner=stranger, grant_id=pk, approval="never"),
        lambda: revoke_grant(owner=stranger, grant_id=pk),
        lambda: set_tool_rules(owner=stranger, grant_id=pk, name="echo", approval="never"),
        lambda: change_agent(owner=user, agent_id="nonsense", name="x"),
        lambda: revoke_grant(owner=user, grant_id="nonsense"),
    ]
    before = AuditEvent.objects.count()
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert AuditEvent.objects.count() == before
    assert Grant.objects.get().approval == "destructive"


def test_a_chosen_tool_that_its_server_lost_can_stay_chosen(user: User, make_server: MakeServer) -> None:
    server = make_server()
    tell_tools(server, [tool("read"), tool("write")])
    agent = agent_with(user, server, tools=["read", "write"])
    tell_tools(server, [tool("read")])
    assert change_grant(owner=user, grant_id=grant_of(agent).pk, tools=["write", "read", "read"]).tools == ["write", "read"]
    set_tool_rules(owner=user, grant_id=grant_of(agent).pk, name="write", approval="always")
    with pytest.raises(InvalidInput):
        grant(owner=user, agent_id=create_agent(owner=user, name="Other").pk, server_id=server.pk, tools=["write"])


def test_rules_of_a_tool_that_is_not_there(user: User, make_server: MakeServer) -> None:
    server = make_server()
    tell_tools(server, [tool("read"), tool("write")])
    agent = agent_with(user, server, tools=["read"])
    for name in ("write", "none"):
        with pytest.raises(NotFound):
            set_tool_rules(owner=user, grant_id=grant_of(agent).pk, name=name, approval="always")
    for wrong in ({"approval": "sometimes"}, {"argument_rules": {"type": "string"}}, {"pinned": "perhaps"}, {"digest": "x"}):
        with pytest.raises(AgentopiaError):
            set_tool_rules(owner=user, grant_id=grant_of(agent).pk, name="read", **wrong)


def test_an_end_that_has_come_does_not_keep_other_things_from_being_changed(user: User, make_server: MakeServer) -> None:
    agent = agent_with(user, make_server(), expires_at=timezone.now() + timedelta(hours=1))
    ended = timezone.now() - timedelta(hours=1)
    Grant.objects.update(expires_at=ended)
    changed = change_grant(owner=user, grant_id=grant_of(agent).pk, approval="always", expires_at=ended)
    assert (changed.approval, changed.expires_at) == ("always", ended)
