"""The gateway in front of a real DTMA with servers of both eras; one DTMA and one container of each for all tests here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from channels.db import database_sync_to_async

from accounts.models import User
from accounts.services import create_api_token
from agents.models import Agent as AgentRow
from agents.models import Grant, ToolCall
from agents.services.grants import change_grant, revoke_grant
from mcp_registry.models import CatalogEntry, McpServer
from tests.agents.granting import agent_with
from tests.dtma.agent import Agent, eventually, spec_of
from tests.dtma.conftest import engine, image
from tests.dtma.mcp_raw import HEADERS
from tests.gateway.place import deployed, own_agent, toolbox_of
from tests.gateway.web import web
from toolboxes.models import Toolbox

__all__ = ["engine", "image"]


@pytest.fixture(scope="session")
def host(engine: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The DTMA. Do not kill it."""
    with own_agent(engine, tmp_path_factory.mktemp("dtma")) as agent:  # type: ignore[arg-type]
        yield agent


@dataclass
class Place:
    """What a test begins with: the user's toolbox, and an agent that may use ``older`` and ``newer`` freely."""

    host: Agent
    owner: User
    toolbox: Toolbox
    entry: CatalogEntry
    image: str
    servers: dict[str, McpServer]
    agent: AgentRow
    token: str

    async def change(self, server: str, **fields: Any) -> None:
        """Change what the agent may do with one of the servers."""
        await self.do(lambda: change_grant(owner=self.owner, grant_id=self.grant(server).pk, **fields))

    async def revoke(self, server: str) -> None:
        """Take one of the servers away from the agent."""
        await self.do(lambda: revoke_grant(owner=self.owner, grant_id=self.grant(server).pk))

    async def do[Result](self, work: Callable[[], Result]) -> Result:
        """Something with the database, from a test that is a coroutine."""
        return await database_sync_to_async(work)()

    def grant(self, server: str) -> Grant:
        """Of the agent for one of the servers."""
        return Grant.objects.get(agent=self.agent, server=self.servers[server])

    def deploy(self, name: str, script: str, *arguments: str) -> McpServer:
        """One more server, out of `tests/dtma/servers`."""
        self.servers |= deployed(self.host, self.toolbox, self.entry, **{name: spec_of(self.image, script, *arguments)})
        return self.servers[name]


@pytest.fixture
def place(transactional_db: None, host: Agent, image: str, user: User, catalog: dict[str, CatalogEntry]) -> Place:
    toolbox = toolbox_of(host, user)
    place = Place(host, user, toolbox, catalog["everything"], image, {}, AgentRow(), create_api_token(user=user, name="test"))
    place.servers = deployed(host, toolbox, place.entry, older=spec_of(image, "older"), newer=spec_of(image, "newer"))
    place.agent = agent_with(user, *place.servers.values(), approval=Grant.Approval.NEVER)
    return place


@pytest.fixture
def gateway(place: Place) -> Iterator[str]:
    """Its address."""
    with web() as url:
        yield url


def session_with(url: str, token: str) -> aiohttp.ClientSession:
    """HTTP as a program with this token."""
    headers = {**HEADERS, "Authorization": f"Bearer {token}"}
    return aiohttp.ClientSession(url, headers=headers, connector=aiohttp.TCPConnector(limit=0), read_bufsize=2**20)


@pytest.fixture
async def http(gateway: str, place: Place) -> AsyncIterator[aiohttp.ClientSession]:
    """For clients of the user's that speak MCP by hand."""
    async with session_with(gateway, place.token) as http:
        yield http


async def receipts(*, at_least: int = 1, seconds: float = 20) -> list[ToolCall]:
    """What there is of ended calls, oldest first; they reach the database a moment after the answer."""

    async def ended() -> list[ToolCall]:
        found = await database_sync_to_async(lambda: list(ToolCall.objects.exclude(status="running").order_by("created_at")))()
        return found if len(found) >= at_least else []

    return await eventually(ended, seconds)
