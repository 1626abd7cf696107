from __future__ import annotations

from django.urls import path

from agents.connecting.views import connect
from agents.pages import held_views, server_views, views

app_name = "agents"
urlpatterns = [
    path("", views.agents, name="list"),
    path("new/", views.new, name="new"),
    path("<uuid:agent_id>/", views.agent, name="detail"),
    path("<uuid:agent_id>/connect/", connect, name="connect"),
    path("<uuid:agent_id>/settings/", views.settings, name="settings"),
    path("<uuid:agent_id>/delete/", views.delete, name="delete"),
    path("<uuid:agent_id>/held/", held_views.held, name="held"),
    path("<uuid:agent_id>/held/<uuid:server_id>/<path:name>/", held_views.decide, name="decide"),
    path("<uuid:agent_id>/servers/", server_views.servers, name="servers"),
    path("<uuid:agent_id>/servers/<uuid:server_id>/", server_views.server, name="server"),
    path("<uuid:agent_id>/servers/<uuid:server_id>/disconnect/", server_views.disconnect, name="disconnect"),
    path("<uuid:agent_id>/servers/<uuid:server_id>/test/", server_views.test, name="test"),
    path("<uuid:agent_id>/servers/<uuid:server_id>/tools/<path:name>/", server_views.tool, name="tool"),
]
