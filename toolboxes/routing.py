from __future__ import annotations

from agentopia.lib.live import socket
from toolboxes import consumers

websocket_urlpatterns = [socket("ws/toolboxes/", consumers.ToolboxesPage)]
