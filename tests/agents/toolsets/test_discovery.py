"""From what a toolbox reports to what agents may use, the way it goes: the intake, the rows, Redis, the process that serves."""

from __future__ import annotations

from contextlib import aclosing
from itertools import count

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.models import User
from agents.toolsets.cache import changes, toolset_of
from agents.toolsets.following import following
from dtma_wire import Phase, ServerState
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.services.servers import deploy_server, stop_server
from mcp_registry.status import Status
from tests.agents.granting import agent_with, tool
from tests.agents.toolsets.test_cache import is_followed, next_of
from tests.conftest import heartbeat_of, state_of
from tests.dtma.agent import eventually
from tests.intake import apost, peer_of
from toolboxes.models import Toolbox, silence_after
from toolboxes.services.silence import note_silence

pytestmark = pytest.mark.django_db(transaction=True)
numbers = count(2)


async def report(toolbox: Toolbox, *servers: ServerState) -> None:
    """A heartbeat of the toolbox arrives."""
    body = heartbeat_of(*servers, sequence=next(numbers)).model_dump_json().encode()
    answer = await apost(body, await database_sync_to_async(peer_of)(toolbox))
    assert answer.status == 200, answer.body


def newest(server: McpServer, phase: Phase, *names: str) -> ServerState:
    now = McpServer.objects.get(pk=server.pk)
    return state_of(now, phase, tools=tuple(map(tool, names)), tools_hash=("".join(names) * 64)[:64] or "0" * 64)


def fall_silent(toolbox: Toolbox) -> None:
    now = timezone.now()
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=now - 2 * silence_after())
    note_silence(now=now)


async def test_a_tool_of_a_server_that_gets_ready_is_there(user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    server = await database_sync_to_async(deploy_server)(owner=user, entry=catalog["everything"], toolbox=toolbox, name="files")
    agent = await database_sync_to_async(agent_with)(user, server)
    async with following():
        await eventually(is_followed)
        async with aclosing(changes(agent.pk, await toolset_of(agent.pk))) as later:
            state = await database_sync_to_async(newest)(server, Phase.RUNNING, "read")
            await report(toolbox, state)
            while not (toolset := await next_of(later)).tools:
                pass
            assert toolset.tools["files__read"].server.state is Status.RUNNING
            state = await database_sync_to_async(newest)(server, Phase.RUNNING, "read", "write")
            await report(toolbox, state)
            assert list((await next_of(later)).tools) == ["files__read", "files__write"]


async def test_states_of_servers_are_those_that_pages_show(user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    server = await database_sync_to_async(deploy_server)(owner=user, entry=catalog["everything"], toolbox=toolbox, name="files")
    agent = await database_sync_to_async(agent_with)(user, server)
    async with following():
        await eventually(is_followed)

        async def becomes(state: Status) -> None:
            async def is_so() -> bool:
                return (await toolset_of(agent.pk)).servers["files"].state is state

            await eventually(is_so)

        await becomes(Status.PREPARING)
        await report(toolbox, await database_sync_to_async(newest)(server, Phase.RUNNING, "read"))
        await becomes(Status.RUNNING)
        await report(toolbox, await database_sync_to_async(newest)(server, Phase.CRASHED, "read"))
        await becomes(Status.CRASHED)
        await database_sync_to_async(fall_silent)(toolbox)
        await becomes(Status.UNKNOWN)
        await report(toolbox, await database_sync_to_async(newest)(server, Phase.RUNNING, "read"))
        await becomes(Status.RUNNING)
        await database_sync_to_async(stop_server)(owner=user, server_id=server.pk)
        await report(toolbox, await database_sync_to_async(newest)(server, Phase.STOPPED))
        await becomes(Status.STOPPED)
