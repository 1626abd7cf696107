from __future__ import annotations

from django.urls import path

from agents import api

app_name = "agents_api"
urlpatterns = [path("servers/<uuid:server_id>/tools/<path:tool>/call/", api.CallToolView.as_view(), name="call-tool")]
