"""What an agent may use, as its grants, its servers and their tools say it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import Agent, CallPolicy, Grant
from agents.services.agents import change_agent, create_agent, delete_agent
from agents.services.grants import change_grant, grant, revoke_grant, set_tool_rules
from agents.toolsets.loading import load
from agents.toolsets.types import Allowance
from dtma_wire import Phase
from mcp_registry.manifest import PUBLISHER_SLOT
from mcp_registry.models import McpServer
from mcp_registry.services.servers import delete_server
from mcp_registry.status import Status
from tests.agents.granting import agent_with, grant_of, tell_tools, tool

type MakeServer = Callable[..., McpServer]


def test_all_tools_of_its_servers_under_names_of_their_own(user: User, make_server: MakeServer) -> None:
    files, notes = make_server(name="files"), make_server(name="notes")
    tell_tools(files, [tool("write"), tool("read")])
    tell_tools(notes, [tool("read")])
    toolset = load(agent_with(user, notes, files).pk)
    assert list(toolset.servers) == ["files", "notes"]
    assert list(toolset.tools) == ["files__write", "files__read", "notes__read"]
    offered = toolset.tools["notes__read"]
    assert (offered.tool_name, offered.server.name, offered.definition) == ("read", "notes", tool("read"))
    assert offered.server.state is Status.RUNNING
    assert [each["name"] for each in json.loads(toolset.listed)] == list(toolset.tools)
    assert json.loads(toolset.listed_by_server["files"]) == [tool("write"), tool("read")]
    assert toolset.by_server["files"]["read"] is toolset.tools["files__read"]


def test_whether_each_session_gets_a_container(user: User, make_server: MakeServer) -> None:
    shared, own = make_server(name="shared"), make_server(name="own")
    own.manifest["_meta"] = {PUBLISHER_SLOT: {"agentopia": {"sessions": {"mode": "own"}}}}
    own.save()
    servers = load(agent_with(user, shared, own).pk).servers
    assert (servers["shared"].has_own_containers, servers["own"].has_own_containers) == (False, True)


def test_chosen_tools_alone(user: User, make_server: MakeServer) -> None:
    server = make_server(name="files")
    tell_tools(server, [tool("read"), tool("write"), tool("remove")])
    agent = agent_with(user, server, tools=["remove", "read"])
    assert list(load(agent.pk).tools) == ["files__read", "files__remove"]
    assert not load(agent.pk).servers["files"].gives_all
    change_grant(owner=user, grant_id=grant_of(agent).pk, tools=None)
    assert list(load(agent.pk).tools) == ["files__read", "files__write", "files__remove"]
    assert load(agent.pk).servers["files"].gives_all


def test_rules_and_limits_reach_the_tools(user: User, make_server: MakeServer) -> None:
    server = make_server(name="files")
    tell_tools(server, [tool("read"), tool("write")])
    agent = agent_with(user, server, approval="never", calls_per_minute=7)
    rules = {"type": "object", "properties": {"path": {"pattern": "^/data/"}}}
    set_tool_rules(owner=user, grant_id=grant_of(agent).pk, name="write", approval="always", argument_rules=rules, pinned=True)
    change_agent(owner=user, agent_id=agent.pk, calls_per_day=100)
    CallPolicy.objects.create(user=user, cpu_seconds_per_day=9)
    toolset = load(agent.pk)
    read, write = toolset.tools.values()
    assert (read.approval, read.argument_rules, read.pinned) == (Grant.Approval.NEVER, None, False)
    assert (write.approval, write.argument_rules, write.pinned) == (Grant.Approval.ALWAYS, rules, True)
    assert toolset.servers["files"].allowance == Allowance(per_minute=7)
    assert (toolset.allowance, toolset.owner_allowance) == (Allowance(per_day=100), Allowance(cpu_seconds_per_day=9))


def test_a_grant_ends_by_the_clock(user: User, make_server: MakeServer) -> None:
    server = make_server()
    agent = agent_with(user, server, expires_at=timezone.now() + timedelta(hours=1))
    assert load(agent.pk).tools
    Grant.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert not load(agent.pk).servers


def test_what_is_taken_back_is_gone(user: User, make_server: MakeServer) -> None:
    first, second = make_server(name="first"), make_server(name="second")
    agent = agent_with(user, first, second)
    revoke_grant(owner=user, grant_id=agent.grants.get(server=first).pk)
    assert list(load(agent.pk).servers) == ["second"]
    delete_server(owner=user, server_id=second.pk)
    assert not load(agent.pk).servers


def test_a_server_that_does_not_run_says_so(user: User, make_server: MakeServer) -> None:
    agent = agent_with(user, make_server(name="idle", phase=Phase.STOPPED))
    assert load(agent.pk).servers["idle"].state is Status.STOPPED


def test_versions_grow_with_everything_that_changes(user: User, make_server: MakeServer) -> None:
    server = make_server(name="files")
    agent = create_agent(owner=user, name="Helper")

    def grew() -> bool:
        before, agent.version = agent.version, Agent.objects.get(pk=agent.pk).version
        return agent.version > before

    made = grant(owner=user, agent_id=agent.pk, server_id=server.pk)
    assert grew()
    change_grant(owner=user, grant_id=made.pk, approval="always")
    assert grew()
    set_tool_rules(owner=user, grant_id=made.pk, name="echo", pinned=True)
    assert grew()
    tell_tools(server, [tool("echo"), tool("more")])
    assert grew()
    tell_tools(server, [tool("echo"), tool("more")], phase=Phase.CRASHED)
    assert grew()
    change_agent(owner=user, agent_id=agent.pk, name="Aide")
    assert grew()
    change_agent(owner=user, agent_id=agent.pk, name="Aide")
    assert not grew()
    server.delete()
    assert grew()


@pytest.mark.parametrize("how", ["deleted", "switched_off", "owner_switched_off"])
def test_an_agent_that_may_nothing(user: User, make_server: MakeServer, how: str) -> None:
    agent = agent_with(user, make_server())
    if how == "deleted":
        delete_agent(owner=user, agent_id=agent.pk)
    elif how == "switched_off":
        change_agent(owner=user, agent_id=agent.pk, enabled=False)
    else:
        user.is_active = False
        user.save()
    with pytest.raises(NotFound):
        load(agent.pk)


def test_queries_do_not_grow_with_tools(user: User, make_server: MakeServer, django_assert_max_num_queries: Callable[..., object]) -> None:
    servers = [make_server(name=f"s{number}") for number in range(3)]
    for server in servers:
        tell_tools(server, [tool(f"t{number}") for number in range(300)])
    agent = agent_with(user, *servers)
    with django_assert_max_num_queries(5):  # type: ignore[attr-defined]
        toolset = load(agent.pk)
    assert len(toolset.tools) == 900
    with django_assert_max_num_queries(4):  # type: ignore[attr-defined]
        assert load(agent.pk, toolset).tools == toolset.tools
