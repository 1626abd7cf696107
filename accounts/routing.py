from __future__ import annotations

from accounts.audit.consumers import AuditPage
from agentopia.lib.live import socket

websocket_urlpatterns = [socket("ws/audit/", AuditPage)]
