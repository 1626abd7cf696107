"""Whether a call may be made, as far as that can be told from what is known of it: the grant, the server, the arguments."""

from __future__ import annotations

from django.utils import timezone

from agentopia.lib.errors import AgentopiaError, Conflict, NotFound
from agents.calling.errors import NotAllowed
from agents.calling.types import Call
from agents.models import Grant
from agents.schemas import check_arguments, check_rules
from agents.toolsets.types import Hold, OfferedServer, OfferedTool
from mcp_registry.status import Status

CALLABLE = (Status.RUNNING, Status.UNHEALTHY)
_HELD = {
    Hold.NEW: "is new, and waits for the approval of its owner",
    Hold.CHANGED: "was changed by its server, and waits for the approval of its owner",
    Hold.REFUSED: "was changed by its server, and its owner does not allow it as it is now",
}


def check(call: Call) -> OfferedTool:
    """The tool that is called; raises an `AgentopiaError` that says why it may not be."""
    tool = call.tool
    if tool is None:
        raise _not_offered(call)
    server = tool.server
    if server.expires_at is not None and server.expires_at <= timezone.now():
        raise NotAllowed(f"The agent may use “{server.name}” no longer: its grant has ended.", code="grant_expired")
    check_callable(server)
    check_arguments(tool.tool_name, tool.digest, tool.input_schema, call.arguments)
    if tool.argument_rules is not None:
        check_rules(tool.tool_name, tool.argument_rules, call.arguments)
    return tool


def check_callable(server: OfferedServer) -> None:
    """Raise `Conflict` where the server runs no calls."""
    if server.state not in CALLABLE:
        told = f"“{server.name}” is {server.state}, so its tools cannot be called now. {server.reason}"
        raise Conflict(told.strip(), code="server_not_running")


def wants_person(tool: OfferedTool) -> str:
    """Why a person has to be asked before this tool is called; empty where none has to be."""
    if tool.approval == Grant.Approval.ALWAYS:
        return "The agent's grant wants every call of it approved."
    if tool.approval == Grant.Approval.DESTRUCTIVE and is_destructive(tool):
        return "It may change or delete something, by its own word or by its silence."
    return ""


def is_destructive(tool: OfferedTool) -> bool:
    """Whether it may be, as MCP reads the annotations: what says nothing may be."""
    annotations = tool.definition.get("annotations")
    hints = annotations if isinstance(annotations, dict) else {}
    return hints.get("destructiveHint") is not False and hints.get("readOnlyHint") is not True


def _not_offered(call: Call) -> AgentopiaError:
    held = call.toolset.held if call.toolset else ()
    for tool in held:
        if call.asked_for in (tool.tool_name, f"{tool.server.name}__{tool.tool_name}") and call.server_name in ("", tool.server.name):
            return NotAllowed(f"The tool “{tool.tool_name}” of “{tool.server.name}” {_HELD[tool.hold]}.", code="tool_held")
    whose = f"“{call.server_name}” has" if call.server_name else "The agent has"
    return NotFound(f"{whose} no tool “{call.asked_for[:255]}”.", code="tool_not_found")
