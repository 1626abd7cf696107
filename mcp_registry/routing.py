from __future__ import annotations

from agentopia.lib.live import socket
from mcp_registry import consumers
from mcp_registry.configuring import consumers as configuring
from mcp_registry.logs import consumers as log_consumers
from mcp_registry.metrics import consumers as metrics_consumers
from mcp_registry.on_toolbox import consumers as toolbox_consumers

websocket_urlpatterns = [
    socket("ws/home/", consumers.HomePage),
    socket("ws/servers/", consumers.ServersPage),
    socket("ws/servers/<uuid:server_id>/", consumers.ServerPage),
    socket("ws/servers/<uuid:server_id>/log/", consumers.ServerLogPage),
    socket("ws/servers/<uuid:server_id>/log/lines/", log_consumers.ServerLogLines),
    socket("ws/servers/<uuid:server_id>/metrics/", metrics_consumers.ServerMetricsPage),
    socket("ws/servers/kept/", configuring.KeptPage),
    socket("ws/servers/<uuid:server_id>/clone/", configuring.ServerDecisionPage),
    socket("ws/servers/<uuid:server_id>/history/<int:number>/", configuring.ServerDecisionPage),
    socket("ws/servers/<uuid:server_id>/settings/", configuring.ServerSettingsPage),
    socket("ws/servers/<uuid:server_id>/history/", consumers.ServerHistoryPage),
    socket("ws/servers/<uuid:server_id>/versions/", consumers.ServerVersionsPage),
    socket("ws/toolboxes/<uuid:toolbox_id>/servers/", toolbox_consumers.ServersOfToolboxPage),
]
