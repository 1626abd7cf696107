"""All WebSockets: one per page that shows something live."""

from __future__ import annotations

from mcp_registry.routing import websocket_urlpatterns as registry
from toolboxes.routing import websocket_urlpatterns as toolboxes

websocket_urlpatterns = [*registry, *toolboxes]
