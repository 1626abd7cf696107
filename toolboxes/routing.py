from __future__ import annotations

from agentopia.lib.live import socket
from toolboxes import add_consumers, consumers

websocket_urlpatterns = [
    socket("ws/toolboxes/", consumers.FleetPage),
    socket("ws/toolboxes/<uuid:toolbox_id>/", consumers.OverviewPage),
    socket("ws/toolboxes/<uuid:toolbox_id>/events/", consumers.HistoryPage),
    socket("ws/toolboxes/<uuid:toolbox_id>/settings/", consumers.ToolboxPage),
    socket("ws/toolboxes/<uuid:toolbox_id>/setup/", add_consumers.SetupPage),
]
