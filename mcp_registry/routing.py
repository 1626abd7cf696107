from __future__ import annotations

from django.urls import path

from mcp_registry import consumers

websocket_urlpatterns = [
    path("ws/home/", consumers.HomePage.as_asgi()),
    path("ws/servers/", consumers.ServersPage.as_asgi()),
    path("ws/servers/<uuid:server_id>/", consumers.ServerPage.as_asgi()),
    path("ws/servers/<uuid:server_id>/log/", consumers.ServerLogPage.as_asgi()),
]
