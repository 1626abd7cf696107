from __future__ import annotations

from django.urls import path

from toolboxes import consumers

websocket_urlpatterns = [path("ws/toolboxes/", consumers.ToolboxesPage.as_asgi())]
