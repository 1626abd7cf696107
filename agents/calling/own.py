"""Calls that are not the gateway's: a user's own, by REST or by the try-it form, and those of an agent in the chat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.calling.carry import carry
from agents.calling.questions import OnQuestion, Questions
from agents.calling.types import Call, Caller, Forwarded, OnWaiting, Waits
from agents.models import Grant, ToolCall
from agents.toolsets.cache import toolset_of
from agents.toolsets.types import Allowance, OfferedServer, OfferedTool
from dtma_client import McpError, ProgressCallback
from mcp_registry.models import McpServer, Tool
from mcp_registry.selectors import callable_tool_for, server_for
from mcp_registry.status import status_of
from toolboxes.dtma import dtma_of, wait_for
from toolboxes.models import Toolbox

NO_GRANT = UUID(int=0)


@dataclass(frozen=True)
class Outcome:
    """A call that was answered: its receipt and the whole MCP ``CallToolResult`` (``isError`` may be set)."""

    receipt: ToolCall
    result: dict[str, Any]


@dataclass(frozen=True)
class AgentOutcome:
    """The same for an agent's call; its receipt has this id."""

    receipt_id: UUID
    result: dict[str, Any]


def call_tool(*, user: User, server_id: UUID, tool_name: str, arguments: dict[str, Any], via: ToolCall.Via) -> Outcome:
    """Call a tool of one of the user's servers: nobody has to be asked, since the user does it.

    Raises `NotFound` for a server that is not the user's, and `CallFailed` for everything that goes wrong after that: there
    is a receipt then. An error that the tool itself reports is a result.
    """
    tool = callable_tool_for(user, server_id, tool_name)
    server = tool.server if tool else server_for(user, server_id)
    call = Call(
        caller=Caller(user.pk, via),
        toolset=None,
        tool=_offered(tool) if tool else None,
        asked_for=tool_name,
        arguments=arguments,
        server_name=server.name,
        server=_server(server),
    )
    forwarded = wait_for(carry, call, partial(_ask, server.toolbox, None))
    return Outcome(ToolCall.objects.get(pk=call.id), forwarded.rest)


async def call_as_agent(
    *,
    caller: Caller,
    agent_id: UUID,
    name: str,
    arguments: dict[str, Any],
    waits: Waits = Waits.HERE,
    on_waiting: OnWaiting | None = None,
    on_progress: ProgressCallback | None = None,
    approval: UUID | None = None,
    receipt_id: UUID | None = None,
    on_question: OnQuestion | None = None,
    session: UUID | None = None,
) -> AgentOutcome:
    """Call the tool that the agent knows by this name. Raises `NotFound` for an agent that is not the caller's, else as `carry` does.

    ``approval`` is what an earlier attempt was told to wait for. The receipt gets the id ``receipt_id``, unless it is an earlier one's.
    With ``on_question`` the server may ask in the middle of the call (`agents.calling.questions`): it is called in an MCP session of its
    own then, one for each ``session``, such as the conversation's id, or else for each run.
    """
    toolset = await toolset_of(agent_id)
    if toolset.owner_id != caller.user_id:
        raise NotFound("You have no such agent.", code="agent_not_found")
    call = Call(caller=caller, toolset=toolset, tool=toolset.tools.get(name), asked_for=name, arguments=arguments, approval=approval)
    call.id = receipt_id or call.id

    async def ask(call: Call) -> Forwarded:
        assert call.tool is not None  # it was admitted
        toolbox = await database_sync_to_async(Toolbox.objects.get)(pk=call.tool.server.toolbox_id)
        if on_question is None:
            return await _ask(toolbox, on_progress, call)
        return await _ask_and_answer(toolbox, on_progress, call, Questions(call.id, on_question), session or caller.run)

    forwarded = await carry(call, ask, waits=waits, on_waiting=on_waiting)
    return AgentOutcome(call.id, forwarded.rest)


async def _ask(toolbox: Toolbox, on_progress: ProgressCallback | None, call: Call) -> Forwarded:
    assert call.tool is not None  # it was admitted
    async with dtma_of(toolbox) as dtma:
        session = dtma.mcp(str(call.tool.server.id))
        result = await session.call_tool(call.tool.tool_name, call.arguments, settings.TOOL_CALL_TIMEOUT_SECONDS, on_progress)
    return _forwarded(result)


async def _ask_and_answer(
    toolbox: Toolbox, on_progress: ProgressCallback | None, call: Call, questions: Questions, session_id: UUID | None
) -> Forwarded:
    """As `_ask`, and its server may ask. Where it wants the user to go somewhere first, the call is made once more after that."""
    assert call.tool is not None and call.toolset is not None  # noqa: PT018 (an agent's call that was admitted)
    key = f"{call.toolset.agent_id}/{session_id or call.id}"  # the server keeps what it knows of one agent from the others
    seconds = settings.TOOL_CALL_TIMEOUT_SECONDS
    async with dtma_of(toolbox) as dtma:
        mcp = dtma.answering(str(call.tool.server.id), key)
        try:
            result = await mcp.call_tool(call.tool.tool_name, call.arguments, seconds, on_progress, questions.answer)
        except McpError as error:
            if not await questions.went_there(error):
                raise
            result = await mcp.call_tool(call.tool.tool_name, call.arguments, seconds, on_progress, questions.answer)
    return _forwarded(result)


def _forwarded(result: dict[str, Any]) -> Forwarded:
    return Forwarded(result=json.dumps(result, ensure_ascii=False).encode("utf-8", "surrogatepass"), rest=result)


def _server(server: McpServer) -> OfferedServer:
    status = status_of(server)
    return OfferedServer(
        id=server.pk,
        name=server.name,
        toolbox_id=server.toolbox_id,
        grant_id=NO_GRANT,
        gives_all=True,
        state=status.state,
        reason=status.reason,
        expires_at=None,
        allowance=Allowance(),
        secrets=tuple(server.secrets.values()),
    )


def _offered(tool: Tool) -> OfferedTool:
    return OfferedTool(
        name=tool.name,
        tool_name=tool.name,
        server=_server(tool.server),
        definition=tool.definition,
        digest=tool.digest,
        approval=Grant.Approval.NEVER,
        argument_rules=None,
        pinned=False,
    )
