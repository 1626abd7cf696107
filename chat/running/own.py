"""The tools that are the conversation's own: answered here, and no server is asked."""

from __future__ import annotations

from typing import Any

from agentopia.lib.errors import AgentopiaError, InvalidInput
from chat.context.own_tools import CALL, FIND, READ, called, found, read
from chat.running.database import in_database
from chat.running.doing import Doing

OWN = (FIND, CALL, READ)


def inner_call(name: str, arguments: Any) -> tuple[str, Any] | None:
    """The name and the arguments of the tool that is called through `call_tool`; None for another one. Raises `InvalidInput`."""
    return called(arguments) if name == CALL else None


async def answer_own(doing: Doing, name: str, arguments: Any) -> dict[str, Any]:
    """An MCP ``CallToolResult``."""
    try:
        text = await _answer(doing, name, arguments if isinstance(arguments, dict) else {})
    except AgentopiaError as error:
        return {"content": [{"type": "text", "text": error.message}], "isError": True}
    return {"content": [{"type": "text", "text": text}]}


async def _answer(doing: Doing, name: str, arguments: dict[str, Any]) -> str:
    if name == READ:
        return await in_database(read, doing.run.conversation_id, arguments.get("reference", ""), arguments.get("offset", 0))
    query = str(arguments.get("query") or "").strip()
    if not query:
        raise InvalidInput(f"{FIND} needs a query: what the tool should do, in a few words.", code="invalid_arguments")
    limit = arguments.get("limit")
    text, _ = await found(doing.toolset, query[:2000], limit if isinstance(limit, int) else 5)
    return text
