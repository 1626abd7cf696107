"""All WebSockets: one per page that shows something live."""

from __future__ import annotations

from accounts.routing import websocket_urlpatterns as accounts
from agents.pages.routing import websocket_urlpatterns as agents
from agents.receipts_pages.routing import websocket_urlpatterns as calls
from chat.routing import websocket_urlpatterns as chat
from mcp_registry.routing import websocket_urlpatterns as registry
from toolboxes.routing import websocket_urlpatterns as toolboxes

websocket_urlpatterns = [*accounts, *agents, *calls, *chat, *registry, *toolboxes]
