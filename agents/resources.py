"""Resources of an agent's servers (MCP 2025-11-25, "Resources"): what they offer, and what is in one. Each is asked through its toolbox."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import AgentopiaError, InvalidInput, NotFound, Unavailable
from agents.models import Agent
from agents.receipts import Masker
from agents.selectors import grants_for
from dtma_client import DtmaClient, DtmaError, McpError
from mcp_registry.models import McpServer
from toolboxes.dtma import as_agentopia_error, endpoint_of, wait_for

LIST_SECONDS = 8.0
READ_SECONDS = 30.0
LONGEST_NAME = 255
MOST_LISTED = 200
MOST_PAGES = 5
MOST_SERVERS = 30


@dataclass(frozen=True)
class Resource:
    """As a server lists it; ``size`` in bytes where it says so."""

    uri: str
    name: str
    description: str = ""
    media_type: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Content:
    """What is in a resource. A folder has several contents, of which this is the first: the others have addresses of their own."""

    server: McpServer
    uri: str
    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Shelf:
    """What one server offers; ``problem`` is why that is not known."""

    server: McpServer
    resources: list[Resource] = field(default_factory=list)
    problem: str = ""


def servers_of(user: User, agent: Agent) -> list[McpServer]:
    """The servers that the agent is connected to as a whole, by name: a grant for chosen tools has no resources."""
    grants = grants_for(user).filter(agent=agent, tools__isnull=True).exclude(Q(expires_at__lte=timezone.now())).order_by("server__name")
    return [grant.server for grant in grants[:MOST_SERVERS]]


def shelves_of(user: User, agent: Agent) -> list[Shelf]:
    """What its servers offer, asked of all at once. Servers that have no resources are left out."""
    servers = servers_of(user, agent)
    found: list[Shelf] = wait_for(_all, servers) if servers else []
    return [shelf for shelf in found if shelf.resources or shelf.problem]


async def _all(servers: Sequence[McpServer]) -> list[Shelf]:
    return list(await asyncio.gather(*(_shelf(server) for server in servers)))


async def _shelf(server: McpServer) -> Shelf:
    try:
        async with asyncio.timeout(LIST_SECONDS):
            return Shelf(server, await _listed(server))
    except McpError:
        return Shelf(server)  # it has none
    except TimeoutError:
        return Shelf(server, problem="It does not answer.")
    except DtmaError as error:
        return Shelf(server, problem=as_agentopia_error(error, server.toolbox).message)
    except AgentopiaError as error:
        return Shelf(server, problem=error.message)


async def _listed(server: McpServer) -> list[Resource]:
    found: list[Resource] = []
    async with DtmaClient(await endpoint_of(server.toolbox)) as dtma:
        session = dtma.mcp(str(server.pk))
        try:
            said = await session.initialize()
            capabilities = said.get("capabilities")
            if not isinstance(capabilities, dict) or "resources" not in capabilities:
                return []
            cursor: Any = None
            for _ in range(MOST_PAGES):
                page = await session.request("resources/list", {} if cursor is None else {"cursor": cursor}, timeout=LIST_SECONDS)
                rows = page.get("resources")
                found += [one for row in (rows if isinstance(rows, list) else []) if (one := _resource(row))]
                cursor = page.get("nextCursor")
                if not isinstance(cursor, str) or len(found) >= MOST_LISTED:
                    break
        finally:
            await session.aclose()
    return found[:MOST_LISTED]


def _resource(row: Any) -> Resource | None:
    if not isinstance(row, dict) or not isinstance(row.get("uri"), str) or not 0 < len(row["uri"]) <= 2000:
        return None
    size = row.get("size")
    return Resource(
        uri=row["uri"],
        name=str(row.get("title") or row.get("name") or row["uri"])[:LONGEST_NAME],
        description=str(row.get("description") or "")[:500],
        media_type=str(row.get("mimeType") or "")[:100],
        size=size if isinstance(size, int) and size >= 0 else None,
    )


def read_resource(user: User, agent: Agent | None, server_id: UUID, uri: str) -> Content:
    """A resource as it is now. Raises `NotFound` for a server that is not the agent's, and `AgentopiaError` where it cannot be read."""
    server = next((one for one in servers_of(user, agent) if one.pk == server_id), None) if agent else None
    if server is None:
        raise NotFound("The agent is not connected to that server.", code="server_not_found")
    try:
        result: dict[str, Any] = wait_for(_read, server, uri)
    except McpError as error:
        raise InvalidInput(f"“{server.name}” does not give {uri}: {error.message}") from error
    except TimeoutError as error:
        raise Unavailable(f"“{server.name}” did not give {uri} in time.") from error
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error
    return _content(server, uri, result)


async def _read(server: McpServer, uri: str) -> dict[str, Any]:
    async with asyncio.timeout(READ_SECONDS), DtmaClient(await endpoint_of(server.toolbox)) as dtma:
        session = dtma.mcp(str(server.pk))
        try:
            await session.initialize()
            return await session.request("resources/read", {"uri": uri}, timeout=READ_SECONDS)
        finally:
            await session.aclose()


def _content(server: McpServer, uri: str, result: dict[str, Any]) -> Content:
    contents = result.get("contents")
    first = contents[0] if isinstance(contents, list) and contents and isinstance(contents[0], dict) else {}
    media_type = str(first.get("mimeType") or "")[:100]
    if isinstance(text := first.get("text"), str):
        masked = Masker(tuple(server.secrets.values())).text(text)  # what goes to a model
        data, media_type = masked.encode(errors="replace"), media_type or "text/plain"
    elif isinstance(blob := first.get("blob"), str):
        try:
            data, media_type = base64.b64decode(blob, validate=True), media_type or "application/octet-stream"
        except binascii.Error as error:
            raise InvalidInput(f"What “{server.name}” gives as {uri} cannot be read.") from error
    else:
        raise InvalidInput(f"“{server.name}” gives nothing as {uri}.")
    name = uri.rstrip("/").rsplit("/", 1)[-1] or uri
    return Content(server, uri, name[:LONGEST_NAME], media_type, data)
