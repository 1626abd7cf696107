"""What whoever asked is told of a failure on the way to the toolbox."""

from __future__ import annotations

from agentopia.lib.errors import AgentopiaError, Unavailable
from agents.calling.types import Call
from dtma_client import DtmaError, DtmaUnreachable, McpError


def told(error: DtmaError, call: Call) -> AgentopiaError:
    """The error as a sentence with its policy."""
    server = call.tool.server.name if call.tool else call.server_name
    if isinstance(error, McpError):
        failure = AgentopiaError(f"“{server}” answered with an error: {error.message}", code="mcp_error")
        failure.http_status = 502
        return failure
    if isinstance(error, DtmaUnreachable):
        return Unavailable(f"The toolbox of “{server}” does not answer. Check that it is on and connected.", code="toolbox_unreachable")
    failure = AgentopiaError(error.message, code=str(error.code))
    failure.http_status, failure.retryable = (503 if error.retryable else 502), error.retryable
    return failure
