"""The arguments that a model gave, made usable where that can be done without guessing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agentopia.lib.errors import InvalidInput
from agents.models import ToolCall
from agents.receipts import MASK
from agents.schemas import check_arguments
from agents.toolsets.types import OfferedTool
from chat.context.repairing import repaired
from chat.running.database import in_database


@dataclass
class Usable:
    """Arguments that fit. ``notes`` say what was changed in them."""

    arguments: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def parsed(arguments: str | dict[str, Any] | None) -> Any:
    """What the model sent, as JSON; text that is no JSON stays text."""
    if not isinstance(arguments, str):
        return arguments or {}
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(value, str):  # JSON in JSON
        return parsed(value) if value != arguments else value
    return {} if value is None else value


async def usable(agent_id: UUID, tool: OfferedTool, arguments: Any) -> Usable:
    """These arguments, or repaired ones, for this tool. Raises `InvalidInput` with what is wrong with them."""
    problem = _problem(tool, arguments)
    if problem is None:
        return Usable(arguments)
    last_good = await in_database(_last_good, agent_id, tool)
    better = repaired(arguments, tool.input_schema, last_good)
    if _problem(tool, better.arguments) is None:
        return Usable(better.arguments, list(better.notes))
    raise problem


def _problem(tool: OfferedTool, arguments: Any) -> InvalidInput | None:
    if not isinstance(arguments, dict):
        what = "cannot be read as JSON" if isinstance(arguments, str) else "are not a JSON object"
        return InvalidInput(f"The arguments of “{tool.name}” {what}.", code="invalid_arguments")
    try:
        check_arguments(tool.name, tool.digest, tool.input_schema, arguments)
    except InvalidInput as error:
        return error
    return None


def _last_good(agent_id: UUID, tool: OfferedTool) -> dict[str, Any] | None:
    """The arguments with which this agent called the tool last with success; not those in which something was masked or cut."""
    calls = ToolCall.objects.filter(agent=agent_id, server=tool.server.id, tool_name=tool.tool_name, status=ToolCall.Status.SUCCEEDED)
    found = calls.filter(definition_digest=tool.digest).order_by("-created_at").values_list("arguments", flat=True).first()
    return found if isinstance(found, dict) and MASK not in json.dumps(found, ensure_ascii=False) else None
