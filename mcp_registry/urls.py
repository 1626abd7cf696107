from __future__ import annotations

from django.urls import include, path

from mcp_registry import views
from mcp_registry.adding import urls as adding
from mcp_registry.browsing import entry_views
from mcp_registry.browsing import views as browsing
from mcp_registry.configuring import kept_views
from mcp_registry.configuring import views as configuring
from mcp_registry.logs import views as log_views
from mcp_registry.metrics import views as metrics_views
from mcp_registry.on_toolbox import views as toolbox_views
from mcp_registry.upgrading import views as upgrading

catalog = [
    path("", browsing.catalog, name="list"),
    path("<uuid:entry_id>/", entry_views.entry, name="entry"),
    *adding.catalog,
]
servers = [
    path("", views.servers, name="list"),
    path("<uuid:server_id>/", views.server, name="detail"),
    path("<uuid:server_id>/log/", log_views.log, name="log"),
    path("<uuid:server_id>/log/download/", log_views.download, name="log-download"),
    path("<uuid:server_id>/metrics/", metrics_views.metrics, name="metrics"),
    path("<uuid:server_id>/metrics/refused/", metrics_views.refused, name="refused"),
    path("<uuid:server_id>/history/", views.server_history, name="history"),
    path("<uuid:server_id>/history/<int:number>/", configuring.generation, name="generation"),
    path("<uuid:server_id>/settings/", configuring.settings, name="settings"),
    path("<uuid:server_id>/clone/", configuring.clone, name="clone"),
    path("<uuid:server_id>/restore/", kept_views.restore, name="restore"),
    path("kept/", kept_views.kept, name="kept"),
    path("kept/<uuid:server_id>/remove/", kept_views.remove, name="kept-remove"),
    path("<uuid:server_id>/versions/", upgrading.versions, name="versions"),
    path("<uuid:server_id>/upgrade/approve/", upgrading.decide, {"decision": "approve"}, name="upgrade-approve"),
    path("<uuid:server_id>/upgrade/cancel/", upgrading.decide, {"decision": "cancel"}, name="upgrade-cancel"),
    path("<uuid:server_id>/delete/", kept_views.delete, name="delete"),
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
