"""Changes that meet: servers that report, grants that come and go, agents that are deleted. None waits for another for ever."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import User
from agentopia.lib.errors import Conflict, NotFound
from agents.models import Agent, Grant
from agents.pinning.decisions import approve_change
from agents.services.agents import change_agent, create_agent, delete_agent
from agents.services.grants import change_grant, grant, revoke_grant
from agents.toolsets.loading import load
from agents.toolsets.touch import touch
from mcp_registry.models import McpServer, Tool
from tests.agents.granting import tell_tools, tool

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_of_it_at_once(user: User, make_server: Callable[..., McpServer]) -> None:
    servers = [make_server(name=f"s{number}") for number in range(3)]
    agents = [create_agent(owner=user, name=f"a{number}") for number in range(3)]
    for agent in agents:
        for server in servers:
            grant(owner=user, agent_id=agent.pk, server_id=server.pk)

    def work(seed: int) -> int:
        chance = random.Random(seed)  # noqa: S311 (no secret)
        done = 0
        try:
            for step in range(15):
                server, agent = chance.choice(servers), chance.choice(agents)
                held = Grant.objects.filter(agent=agent, server=server).first()
                acts: list[Callable[[], object]] = [
                    lambda: tell_tools(McpServer.objects.get(pk=server.pk), [tool("t", f"{seed} {step}"), tool(f"t{step}")]),  # noqa: B023
                    lambda: touch(server_ids=[each.pk for each in servers]),
                    lambda: change_agent(owner=user, agent_id=agent.pk, name=f"{seed} {step}"),  # noqa: B023
                ]
                if held is None:
                    acts.append(lambda: grant(owner=user, agent_id=agent.pk, server_id=server.pk))  # noqa: B023
                else:
                    offered = Tool.objects.filter(server=server, name="t").first()
                    acts += [
                        lambda: change_grant(owner=user, grant_id=held.pk, approval=chance.choice(["never", "always"])),  # noqa: B023
                        lambda: revoke_grant(owner=user, grant_id=held.pk),  # noqa: B023
                        lambda: approve_change(owner=user, grant_id=held.pk, name="t", digest=offered.digest if offered else ""),  # noqa: B023
                    ]
                if seed == 0 and step == 10:
                    acts = [lambda: delete_agent(owner=user, agent_id=agents[2].pk)]
                try:
                    chance.choice(acts)()
                except (Conflict, NotFound):
                    continue
                done += 1
        finally:
            connection.close()
        return done

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(work, range(6))) > 20
    assert not Agent.objects.filter(pk=agents[2].pk).exists()
    for agent in agents[:2]:
        toolset = load(agent.pk)
        assert len(toolset.servers) == agent.grants.count()
