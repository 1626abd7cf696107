"""What a request offers, and what it says: tools by name, texts of messages and results."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

SEARCH = re.compile(
    os.environ.get("SCRIPTED_SEARCH_RE", r"(search|find|discover|load|lookup|retrieve)_?(mcp_)?tools?$|tool_?search$"), re.IGNORECASE
)
"""Names under which a runtime may offer a search for tools."""
PROXY = re.compile(os.environ.get("SCRIPTED_PROXY_RE", r"(call|use|execute|invoke|run)_?(mcp_)?tool$"), re.IGNORECASE)
"""Names under which it may offer to call a tool by its name."""
TEXTS = ("content", "result", "text", "output")


def norm(name: str) -> str:
    """A name without what runtimes change in it."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def is_called(name: str, tool: str) -> bool:
    """Whether an offered name is this tool's, with or without a prefix."""
    return norm(name) == norm(tool) or norm(name).endswith("_" + norm(tool))


def text_of(content: Any) -> str:
    """The text of a message."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def unwrap(text: str) -> str:
    """The text of a tool's result, also where the runtime passed it on as JSON (``{"content": "…"}``, content blocks of MCP, …)."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and set(value) & set(TEXTS) and len(value) <= 3:
        inner = next(value[key] for key in TEXTS if key in value)
        return unwrap(inner) if isinstance(inner, str) else unwrap(json.dumps(inner))
    if isinstance(value, list) and value and all(isinstance(each, dict) and each.get("type") == "text" for each in value):
        return unwrap("\n".join(each["text"] for each in value))
    return json.dumps(value, indent=2) if isinstance(value, dict | list) else text  # one layout, whatever the runtime's


@dataclass
class Offered:
    """The tools of one request."""

    tools: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, body: dict[str, Any]) -> Offered:
        functions = [tool.get("function", tool) for tool in body.get("tools") or [] if tool.get("type", "function") == "function"]
        return cls({function["name"]: function for function in functions})

    def schema(self, name: str) -> dict[str, Any]:
        return self.tools[name].get("parameters") or {}

    def properties(self, name: str) -> dict[str, Any]:
        return self.schema(name).get("properties") or {}

    def resolve(self, server: str, tool: str, arguments: dict[str, Any]) -> str | None:
        """The offered name that is best taken for `tool` of `server`: the same name, maybe with a prefix, that takes these arguments."""
        best: tuple[int, str] | None = None
        for name in self.tools:
            if not is_called(name, tool) or not set(arguments) <= set(self.properties(name)):
                continue
            prefix = norm(name)[: -len(norm(tool))].strip("_")
            score = (norm(server) in prefix) * 2 + (not prefix)
            if prefix and norm(server) not in prefix and prefix not in ("mcp", "tool", "tools"):
                score -= 1  # another server's prefix: a last resort
            if best is None or score > best[0]:
                best = (score, name)
        return best[1] if best else None

    def first(self, pattern: re.Pattern[str]) -> str | None:
        """The first name that matches."""
        return next((name for name in self.tools if pattern.search(name)), None)
