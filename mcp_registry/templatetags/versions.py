"""What lists say of a server's version: ``{% load versions %}``."""

from __future__ import annotations

from django import template

from mcp_registry.models import McpServer
from mcp_registry.upgrading import offers

register = template.Library()


@register.filter
def update(server: McpServer) -> str:
    """The version that the catalogue has for it, where that is another one; reads the server with its ``entry``."""
    return offers.update_of(server)
