"""Heartbeats: taken from toolboxes and compared with what is desired of their servers."""

from mcp_registry.heartbeats.endpoint import ROUTES

__all__ = ["ROUTES"]
