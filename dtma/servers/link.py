"""The live connection to a server that is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp

from dtma.mcp.bridge import Bridge
from dtma.mcp.endpoint import Endpoint
from dtma.mcp.http_endpoint import HttpEndpoint
from dtma.mcp.http_server import HttpServer
from dtma.servers.attachment import Attachment
from dtma.servers.health import Pulse
from dtma.servers.replicas import Replicas
from dtma.servers.speaker import Speaker
from mcp_protocol.messages import Message


class Link:
    """The first container of a server and what it said of itself, its replicas, and the endpoint that clients use."""

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment
        self.started_at = datetime.now(UTC)
        self.image = ""
        self.initialize_result: Message = {}
        self.tools: tuple[Message, ...] = ()
        self.tools_changed = asyncio.Event()
        self.speaker: Speaker | None = None
        """What the first container is spoken to through, once that is known."""
        self.replicas: Replicas | None = None
        self.endpoint: ASGIApp | None = None
        self._endpoint: Endpoint | None = None

    @property
    def container(self) -> str:
        """Its id on the engine."""
        return self.attachment.container

    @property
    def bridge(self) -> Bridge | None:
        """Carries MCP to a server that speaks it over its standard streams."""
        return self.attachment.bridge

    @property
    def http(self) -> HttpServer | None:
        """The server in the container, if it speaks HTTP."""
        return self.speaker if isinstance(self.speaker, HttpServer) else None

    @property
    def pulse(self) -> Pulse | None:
        """How its health is felt."""
        return self.attachment.pulse

    async def open(self, replicas: Replicas) -> None:
        """Take clients, now that the server has answered; raises ``Busy``."""
        assert self.speaker is not None
        self.replicas = replicas
        self._endpoint = Endpoint(replicas, lambda: self.tools, self.tools_changed.set)
        await self._endpoint.prepare()
        self.endpoint = self._endpoint
        if self.http is not None:
            self.endpoint = HttpEndpoint(self.http, self._endpoint, per_session=replicas.per_session)
        self.speaker.attend()
        replicas.open()

    def hear(self, message: Message) -> None:
        """What the server says without being asked, before there is an endpoint."""
        if message["method"] == "notifications/tools/list_changed":
            self.tools_changed.set()

    async def unless_ended[Result](self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of the work; None if the container's stream ended first."""
        return await self.attachment.unless_ended(work)

    async def close(self, reason: str) -> None:
        """Let go of the container, which runs on; its replicas end. Open calls fail with the reason."""
        if self._endpoint is not None:
            self._endpoint.close()
        await self.attachment.close(reason)
        if self.replicas is not None:
            await self.replicas.close(reason)
