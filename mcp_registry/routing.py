from __future__ import annotations

from agentopia.lib.live import socket
from mcp_registry import consumers, toolbox_consumers

websocket_urlpatterns = [
    socket("ws/home/", consumers.HomePage),
    socket("ws/servers/", consumers.ServersPage),
    socket("ws/servers/<uuid:server_id>/", consumers.ServerPage),
    socket("ws/servers/<uuid:server_id>/log/", consumers.ServerLogPage),
    socket("ws/servers/<uuid:server_id>/history/", consumers.ServerHistoryPage),
    socket("ws/toolboxes/<uuid:toolbox_id>/servers/", toolbox_consumers.ServersOfToolboxPage),
]
