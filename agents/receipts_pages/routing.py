from __future__ import annotations

from agentopia.lib.live import socket
from agents.receipts_pages import consumers

websocket_urlpatterns = [
    socket("ws/calls/", consumers.CallsPage),
    socket("ws/calls/<uuid:call_id>/", consumers.CallPage),
    socket("ws/calls/runs/<uuid:run>/", consumers.RunPage),
    socket("ws/approvals/", consumers.InboxPage),
    socket("ws/approvals/<uuid:approval_id>/", consumers.ApprovalPage),
]
