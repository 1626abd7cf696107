"""The one function that carries every tool call: check it, write its receipt, call DTMA, complete the receipt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import AgentopiaError, Conflict, NotFound
from agents.models import ToolCall
from agents.receipts import masked
from agents.schemas import check_arguments
from dtma_client import DtmaError, McpError
from mcp_registry.models import McpServer, Tool
from mcp_registry.selectors import callable_tool_for, server_for
from mcp_registry.status import Status, status_of
from toolboxes.dtma import as_agentopia_error, dtma_of, wait_for

CALLABLE = (Status.RUNNING, Status.UNHEALTHY)


@dataclass(frozen=True)
class Outcome:
    """A call that was answered: its receipt and the whole MCP ``CallToolResult`` (``isError`` may be set)."""

    receipt: ToolCall
    result: dict[str, Any]


class CallFailed(AgentopiaError):
    """A call that got no result; ``receipt`` tells of it."""

    code = "call_failed"
    http_status = 502

    def __init__(self, cause: AgentopiaError, receipt: ToolCall) -> None:
        super().__init__(cause.message, code=cause.code, fields=cause.fields)
        self.http_status, self.retryable, self.receipt = cause.http_status, cause.retryable, receipt


def call_tool(*, user: User, server_id: UUID, tool_name: str, arguments: dict[str, Any], via: ToolCall.Via) -> Outcome:
    """Call a tool of one of the user's servers.

    Raises `NotFound` for a server that is not the user's, and `CallFailed` for everything that goes wrong after that: there
    is a receipt then. An error that the tool itself reports is a result.
    """
    tool = callable_tool_for(user, server_id, tool_name)
    server = tool.server if tool else server_for(user, server_id)
    receipt = ToolCall(user=user, via=via, server=server, server_name=server.name, tool_name=tool_name[:255])
    receipt.deadline = timezone.now() + timedelta(seconds=settings.TOOL_CALL_TIMEOUT_SECONDS + 10)
    receipt.arguments = masked(arguments, tool.input_schema if tool else None, server.secrets.values())
    try:
        if tool is None:
            raise NotFound(f"“{server.name}” has no tool “{tool_name}”.", code="tool_not_found")
        receipt.definition_digest = tool.digest
        _check_callable(server)
        check_arguments(tool, arguments)
    except AgentopiaError as error:
        raise _failed(receipt, ToolCall.Status.REFUSED, error) from None
    receipt.save(force_insert=True)
    began = time.perf_counter()
    try:
        result = wait_for(_ask, server, tool, arguments)
    except DtmaError as error:
        receipt.duration_ms = (time.perf_counter() - began) * 1000
        raise _failed(receipt, ToolCall.Status.FAILED, _told(error, server)) from error
    receipt.duration_ms = (time.perf_counter() - began) * 1000
    receipt.status = ToolCall.Status.TOOL_ERROR if result.get("isError") else ToolCall.Status.SUCCEEDED
    receipt.result = masked(result, None, server.secrets.values())
    receipt.save(update_fields=("status", "result", "duration_ms"))
    return Outcome(receipt, result)


def _check_callable(server: McpServer) -> None:
    status = status_of(server)
    if status.state not in CALLABLE:
        raise Conflict(
            f"“{server.name}” is {status.state}, so its tools cannot be called now. {status.reason}".strip(), code="server_not_running"
        )


async def _ask(server: McpServer, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    async with dtma_of(server.toolbox) as dtma:
        return await dtma.mcp(str(server.pk)).call_tool(tool.name, arguments, timeout=settings.TOOL_CALL_TIMEOUT_SECONDS)


def _told(error: DtmaError, server: McpServer) -> AgentopiaError:
    if isinstance(error, McpError):
        told = AgentopiaError(f"“{server.name}” answered with an error: {error.message}", code="mcp_error")
        told.http_status = 502
        return told
    return as_agentopia_error(error, server.toolbox)


def _failed(receipt: ToolCall, status: ToolCall.Status, error: AgentopiaError) -> CallFailed:
    receipt.status, receipt.error_code, receipt.error_message = status, error.code, error.message
    receipt.save()
    return CallFailed(error, receipt)


def close_interrupted_calls() -> int:
    """End the receipts of calls whose process died before it could; returns how many."""
    return ToolCall.objects.filter(status=ToolCall.Status.RUNNING, deadline__lt=timezone.now()).update(
        status=ToolCall.Status.FAILED,
        error_code="interrupted",
        error_message="The control plane was stopped during the call; whether the tool did its work is not known.",
    )
