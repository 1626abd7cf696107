"""What servers say of their tools, on pages: ``{% load definitions %}``."""

from __future__ import annotations

from typing import Any

from django import template

from mcp_registry.upgrading import tool_changes

register = template.Library()
LONGEST = 1_000


@register.filter
def visible(text: Any) -> str:
    """The text, bounded, with every character that does not show, or turns what follows it, written as ``⟨U+200B⟩``."""
    return tool_changes.visible(" ".join(str(text)[:LONGEST].split()))
