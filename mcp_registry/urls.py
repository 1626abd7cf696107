from __future__ import annotations

from django.urls import include, path

from mcp_registry import toolbox_views, views

catalog = [
    path("", views.catalog, name="list"),
    path("<uuid:entry_id>/", views.entry, name="entry"),
]
servers = [
    path("", views.servers, name="list"),
    path("<uuid:server_id>/", views.server, name="detail"),
    path("<uuid:server_id>/log/", views.server_log, name="log"),
    path("<uuid:server_id>/history/", views.server_history, name="history"),
    path("<uuid:server_id>/delete/", views.server_delete, name="delete"),
    *(path(f"<uuid:server_id>/{action}/", views.server_action, {"action": action}, name=action) for action in views.ACTIONS),
]
toolbox = [  # the pages of a toolbox that show its servers; `toolboxes` may not know them
    path("servers/", toolbox_views.servers, name="servers"),
    path("servers/capacity/", toolbox_views.capacity, name="capacity"),
    path("servers/adopt/", toolbox_views.adopt, name="adopt"),
    path("servers/remove/", toolbox_views.remove_orphan, name="remove-orphan"),
    path("removal/", toolbox_views.removal, name="remove"),
]
urlpatterns = [
    path("", views.home, name="home"),
    path("catalog/", include((catalog, "catalog"))),
    path("servers/", include((servers, "servers"))),
    path("toolboxes/<uuid:toolbox_id>/", include((toolbox, "toolbox"))),
]
