"""The tools that are Agentopia's own: finding others, calling what was found, reading on in a long result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentopia.lib.errors import InvalidInput, NotFound
from agents.selection.ranking import rank
from agents.toolsets.types import OfferedTool, Toolset
from chat.context.marking import enveloped
from chat.context.results import REFERENCE_LENGTH, whole_text
from chat.context.tokens import fits, of_json, of_text
from chat.models import Step

FIND, CALL, READ = "find_tools", "call_tool", "read_result"
FOUND_AT_ONCE = 10
FOUND_TOKENS = 6_000
DESCRIBED = 600
READ_TOKENS = 4_000


@dataclass(frozen=True, slots=True)
class OwnTool:
    """One as the model is told of it."""

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def tokens(self) -> int:
        """What its definition takes."""
        return of_text(self.name) + of_text(self.description) + of_json(self.schema)


FIND_TOOLS = OwnTool(
    FIND,
    "Finds tools by what they should do. You have more tools than those listed: look for one here whenever none of the listed fits."
    " Answers with names, descriptions and JSON Schemas; what was found is called with call_tool.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What the tool should do, in a few words, with the nouns that matter."},
            "limit": {"type": "integer", "minimum": 1, "maximum": FOUND_AT_ONCE, "default": 5},
        },
        "required": ["query"],
    },
)
CALL_TOOL = OwnTool(
    CALL,
    "Calls a tool that find_tools found, by its exact name, with arguments that fit its schema.",
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "As find_tools wrote it."},
            "arguments": {"type": "object", "description": "The tool's arguments.", "additionalProperties": True},
        },
        "required": ["name", "arguments"],
    },
)
READ_RESULT = OwnTool(
    READ,
    "Reads a part of a tool's result that was shortened.",
    {
        "type": "object",
        "properties": {
            "reference": {"type": "string", "description": "As the shortened result names it."},
            "offset": {"type": "integer", "minimum": 0, "default": 0, "description": "The character to begin with."},
        },
        "required": ["reference"],
    },
)
ALL = {tool.name: tool for tool in (FIND_TOOLS, CALL_TOOL, READ_RESULT)}


async def found(toolset: Toolset, query: str, limit: int = 5) -> tuple[str, list[OfferedTool]]:
    """What `find_tools` answers, and the tools that it names, the best first."""
    ranked = await rank(toolset, query, max(1, min(limit, FOUND_AT_ONCE)))
    told: list[dict[str, Any]] = []
    tools: list[OfferedTool] = []
    left = FOUND_TOKENS
    for each in ranked:
        description = str(each.tool.definition.get("description") or each.tool.definition.get("title") or "")
        entry = {
            "name": each.tool.name,
            "server": each.tool.server.name,
            "description": description[:DESCRIBED],
            "inputSchema": each.tool.input_schema,
        }
        left -= of_json(entry)
        if left < 0 and told:
            break
        told.append(entry)
        tools.append(each.tool)
    return json.dumps({"tools": told}, ensure_ascii=False), tools


def called(arguments: Any) -> tuple[str, Any]:
    """The name and the arguments of the tool that `call_tool` was asked to call. Raises `InvalidInput`.

    Models put the arguments beside the name, or write them as JSON in a string; both are understood.
    """
    if not isinstance(arguments, dict):
        raise InvalidInput(f"{CALL} takes an object with name and arguments.", code="invalid_arguments")
    rest = dict(arguments)
    name = next((value for key in ("name", "tool", "tool_name") if isinstance(value := rest.pop(key, None), str) and value), "")
    if not name:
        raise InvalidInput(f"{CALL} needs the name of the tool.", code="invalid_arguments", fields={"name": "This is required."})
    inner = next((rest[key] for key in ("arguments", "args", "parameters", "input") if rest.get(key) is not None), rest)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner or "{}")
        except ValueError:
            return name, inner
    return name, inner


def read(conversation_id: UUID, reference: Any, offset: Any = 0) -> str:
    """What `read_result` answers: the stored result from there on. Asks the database. Raises `NotFound`, `InvalidInput`."""
    named = str(reference).strip().strip("\"'“”").lower()
    start = _number(offset)
    if len(named) < REFERENCE_LENGTH or not all(sign in "0123456789abcdef" for sign in named.replace("-", "")):
        raise InvalidInput("The reference must be as the shortened result names it.", fields={"reference": "Eight letters and digits."})
    steps = Step.objects.filter(run__conversation=conversation_id, result__isnull=False)
    found_step = steps.filter(pk__gte=_uuid(named, "0"), pk__lte=_uuid(named, "f")).first()
    if found_step is None:
        raise NotFound(f"No result of this conversation has the reference “{named[:40]}”.", code="result_not_found")
    text = whole_text(found_step.result or {})
    if start >= len(text):
        return f"The result has {len(text):,} characters; there is nothing from {start:,} on."
    part = fits(READ_TOKENS, text[start:])
    end = start + len(part)
    source = f"the tool {found_step.tool_name or found_step.name} of the server {found_step.server_name or 'unknown'}"
    rest = f" Call {READ} with offset {end} to read on." if end < len(text) else " That is the end of it."
    return enveloped(part, source, f"Characters {start:,} to {end:,} of {len(text):,}.{rest}")


def _number(offset: Any) -> int:
    try:
        return max(0, int(offset or 0))
    except (TypeError, ValueError):
        raise InvalidInput("The offset must be a number.", fields={"offset": "A whole number."}) from None


def _uuid(beginning: str, filler: str) -> UUID:
    return UUID(beginning.replace("-", "")[:32].ljust(32, filler))
