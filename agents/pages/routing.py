from __future__ import annotations

from agentopia.lib.live import socket
from agents.pages import consumers

websocket_urlpatterns = [
    socket("ws/agents/", consumers.AgentsPage),
    socket("ws/agents/<uuid:agent_id>/", consumers.AgentPage),
    socket("ws/agents/<uuid:agent_id>/tools/", consumers.AgentToolsPage),
    socket("ws/agents/<uuid:agent_id>/held/", consumers.AgentHeldPage),
    socket("ws/agents/<uuid:agent_id>/servers/<uuid:server_id>/", consumers.AgentServerPage),
]
