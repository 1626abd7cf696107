"""A tool's definition for a person. A server wrote it that nobody vouches for: every text is bounded, and what hides is made visible."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agents.schemas import plain_schema
from mcp_registry.models import Tool
from mcp_registry.upgrading.tool_changes import visible

LONGEST_DESCRIPTION = 4_000
LONGEST = 300
MOST_PARAMETERS = 60
HINTS = {
    ("readOnlyHint", True): "It changes nothing.",
    ("destructiveHint", True): "It may destroy or overwrite something.",
    ("destructiveHint", False): "What it changes, it only adds.",
    ("idempotentHint", True): "To call it again with the same arguments changes nothing more.",
    ("openWorldHint", True): "It deals with the world outside of its server.",
    ("openWorldHint", False): "It stays within its server.",
}


@dataclass(frozen=True)
class Parameter:
    """One of its arguments."""

    name: str
    kind: str
    text: str
    required: bool


@dataclass(frozen=True)
class ShownTool:
    """What a page tells of a tool. ``hints`` are what it says of itself."""

    description: str
    hints: list[str]
    parameters: list[Parameter]


def shown_tool(tool: Tool) -> ShownTool:
    """The tool for a page."""
    schema = tool.input_schema
    properties = schema.get("properties")
    required = schema.get("required")
    names = set(map(str, required)) if isinstance(required, list) else set()
    found = properties if isinstance(properties, dict) else {}
    return ShownTool(
        description=_lines(tool.description),
        hints=_hints(tool.definition.get("annotations")),
        parameters=[_parameter(name, plain_schema(given, schema), name in names) for name, given in list(found.items())[:MOST_PARAMETERS]],
    )


def example_rules(tool: Tool) -> str:
    """Rules for the tool's first text argument, to be changed; empty where it has none."""
    schema = tool.input_schema
    properties = schema.get("properties")
    for name, given in (properties if isinstance(properties, dict) else {}).items():
        if plain_schema(given, schema).get("type") == "string":
            rule = {"pattern": "^/data/"} if "path" in name.lower() else {"enum": ["this", "or that"]}
            return json.dumps({"properties": {name: rule}}, indent=2, ensure_ascii=False)
    return ""


def _hints(annotations: Any) -> list[str]:
    given = annotations if isinstance(annotations, dict) else {}
    return [text for (hint, value), text in HINTS.items() if given.get(hint) is value]


def _parameter(name: str, schema: dict[str, Any], required: bool) -> Parameter:
    kind, choices = schema.get("type"), schema.get("enum")
    words = kind if isinstance(kind, str) else "anything"
    if isinstance(choices, list):
        words = "one of " + ", ".join(str(choice) for choice in choices[:8]) + (" …" if len(choices) > 8 else "")
    return Parameter(_short(name), _short(words), _short(str(schema.get("description") or "")), required)


def _short(text: str) -> str:
    return visible(text[:LONGEST]) + ("…" if len(text) > LONGEST else "")


def _lines(text: str) -> str:
    lines = text[:LONGEST_DESCRIPTION].splitlines()
    return "\n".join(map(visible, lines)) + ("…" if len(text) > LONGEST_DESCRIPTION else "")
