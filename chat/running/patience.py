"""What becomes of a call that got no result: made again, after a wait where that helps, or told to the model.

A call that may have reached its server is made again only where its tool says that this does no harm (``readOnlyHint``,
``idempotentHint``). One that was refused before it was made may always be.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum

from agentopia.lib.errors import AgentopiaError, NotFound
from agents.calling.errors import CallFailed, LimitReached, Refused
from agents.toolsets.cache import reloaded
from agents.toolsets.types import OfferedTool
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.offering import changed
from mcp_registry.models import McpServer
from mcp_registry.status import Status, status_of

SERVER_GONE = -32000
"""The toolbox's JSON-RPC error for a server that ended in the middle of a call."""
STALE = ("tool_not_found", "tool_held", "invalid_arguments", "arguments_not_allowed")
STALE_RPC = (-32601, -32602)
AWAY = ("server_not_running", "server_not_ready", "server_not_found")
COMES_BACK = (Status.PREPARING, Status.STARTING, Status.CRASHED, Status.UNKNOWN)

MOST_TRIES = 4
SERVER_SECONDS = 60.0
"""So long a server is waited for, and a limit, and a toolbox."""
LIMIT_SECONDS = 30.0
TOOLBOX_SECONDS = 15.0
LOOK_SECONDS = 0.25
LONGEST_PAUSE = 1.0


class Next(StrEnum):
    """What to do about a failed call."""

    AGAIN = "again"
    TELL = "tell"
    UNKNOWN = "unknown"
    """Tell that nobody knows whether it had its effect."""


def is_repeatable(tool: OfferedTool | None) -> bool:
    """Whether making a call twice does no harm, by the tool's own word."""
    hints = tool.definition.get("annotations") if tool else None
    return isinstance(hints, dict) and (hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True)


@dataclass
class Patience:
    """For one call, through all its tries."""

    doing: Doing
    name: str
    is_refreshed: bool = False
    until: float | None = None
    """The end of waiting for its server, once that has begun."""
    pause: float = LOOK_SECONDS

    async def after(self, error: CallFailed, tries: int) -> Next:
        """Return what to do, once it can be done."""
        made, rpc_code = not isinstance(error, Refused), getattr(error.__cause__, "rpc_code", None)
        if error.code in AWAY:
            return await self._server()
        if tries >= MOST_TRIES:
            return self._given_up(made, error, rpc_code)
        if isinstance(error, LimitReached):
            return await self._limit(error)
        if error.code in STALE or rpc_code in STALE_RPC:
            return await self._stale()
        if rpc_code == SERVER_GONE:
            return await self._server() if is_repeatable(self._tool()) else Next.UNKNOWN
        if error.code == "toolbox_unreachable":
            return await self._toolbox(tries)
        if error.retryable and error.code not in ("toolbox_timeout", "toolbox_not_enrolled") and is_repeatable(self._tool()):
            await asyncio.sleep(LOOK_SECONDS * tries)
            return Next.AGAIN
        return Next.TELL

    def _tool(self) -> OfferedTool | None:
        return self.doing.find(self.name)

    def _given_up(self, made: bool, error: CallFailed, rpc_code: int | None) -> Next:
        unknown = made and (error.code == "toolbox_unreachable" or rpc_code == SERVER_GONE)
        return Next.UNKNOWN if unknown and not is_repeatable(self._tool()) else Next.TELL

    async def _limit(self, error: LimitReached) -> Next:
        if error.retry_after > LIMIT_SECONDS:
            return Next.TELL
        self._say("limit_waited", f"A limit on calls is reached: “{self.name}” is called again in {error.retry_after:.0f} s.")
        await asyncio.sleep(error.retry_after)
        return Next.AGAIN

    async def _stale(self) -> Next:
        """What the agent may use is loaded anew, once; where the tool is another by now, the call is made once more."""
        if self.is_refreshed:
            return Next.TELL
        self.is_refreshed = True
        before = self.doing.tools.get(self.name)
        try:
            self.doing.toolset = await reloaded(self.doing.toolset.agent_id, None)
        except NotFound:
            return Next.TELL
        now = self.doing.toolset.tools.get(self.name)
        if now is None or (before is not None and before.digest == now.digest):
            return Next.TELL
        changed(self.doing, now)
        return Next.AGAIN

    async def _toolbox(self, tries: int) -> Next:
        if not is_repeatable(self._tool()):
            return Next.UNKNOWN
        self._say("toolbox_waited", f"The toolbox of “{self.name}” does not answer: it is asked again.")
        await asyncio.sleep(min(TOOLBOX_SECONDS, LOOK_SECONDS * 2**tries))
        return Next.AGAIN

    async def _server(self) -> Next:
        """Wait a while for the server, or for word that it will not come back."""
        tool = self._tool()
        if self.until is None:
            self.until = time.monotonic() + SERVER_SECONDS
            self._say("server_waited", f"The server “{tool.server.name if tool else self.name}” does not run now: it is waited for.")
        while time.monotonic() < self.until:
            await asyncio.sleep(self.pause)
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
            state = await in_database(_state_of, tool) if tool else None
            if state in (Status.RUNNING, Status.UNHEALTHY):
                return Next.AGAIN
            if state not in COMES_BACK:
                return Next.TELL
        return Next.TELL

    def _say(self, code: str, text: str) -> None:
        self.doing.events.add("notice", code=code, text=text)


def _state_of(tool: OfferedTool) -> Status | None:
    server = McpServer.objects.select_related("toolbox", "deployment").filter(pk=tool.server.id).first()
    return status_of(server).state if server is not None else None


def told(error: AgentopiaError, next_: Next, tool: OfferedTool | None) -> str:
    """The sentence for the model and the page."""
    if next_ is not Next.UNKNOWN:
        return error.message
    return f"{error.message} Nobody knows whether the call had its effect: look before you make it again."
