from __future__ import annotations

from agentopia.lib.live import socket
from chat.pages import consumers

websocket_urlpatterns = [
    socket("ws/chat/", consumers.ConversationsPage),
    socket("ws/chat/<uuid:conversation_id>/", consumers.ConversationPage),
]
