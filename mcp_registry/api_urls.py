from __future__ import annotations

from django.urls import path, re_path

from mcp_registry import api
from mcp_registry.adding import api as adding
from mcp_registry.browsing import api as browsing
from mcp_registry.configuring import api as configuring
from mcp_registry.metrics import api as metrics_api
from mcp_registry.on_toolbox import api as toolbox_api
from mcp_registry.upgrading import api as upgrading

app_name = "mcp_registry_api"
urlpatterns = [
    path("toolboxes/<uuid:toolbox_id>/", toolbox_api.ToolboxView.as_view(), name="toolbox"),
    path("catalog/", browsing.CatalogView.as_view(), name="catalog"),
    path("catalog/import/", adding.ImportView.as_view(), name="catalog-import"),
    path("catalog/<uuid:entry_id>/", adding.EntryView.as_view(), name="catalog-entry"),
    path("servers/", api.ServersView.as_view(), name="servers"),
    path("servers/<uuid:server_id>/", api.ServerView.as_view(), name="server"),
    re_path(
        r"^servers/(?P<server_id>[0-9a-f-]{36})/(?P<action>start|stop|restart)/$", api.ServerActionView.as_view(), name="server-action"
    ),
    path("servers/<uuid:server_id>/preview/", configuring.PreviewView.as_view(), name="server-preview"),
    path("servers/<uuid:server_id>/revisions/", configuring.RevisionsView.as_view(), name="revisions"),
    path(
        "servers/<uuid:server_id>/revisions/<int:generation>/preview/", configuring.RollbackPreviewView.as_view(), name="rollback-preview"
    ),
    path("servers/<uuid:server_id>/rollback/", configuring.RollbackView.as_view(), name="rollback"),
    path("servers/<uuid:server_id>/clone/", configuring.CloneView.as_view(), name="clone"),
    path("kept-data/", configuring.KeptDataListView.as_view(), name="kept-data"),
    path("kept-data/<uuid:server_id>/", configuring.KeptDataView.as_view(), name="kept-data-remove"),
    path("kept-data/<uuid:server_id>/restore/", configuring.RestoreView.as_view(), name="kept-data-restore"),
    path("servers/<uuid:server_id>/deployments/", api.DeploymentsView.as_view(), name="deployments"),
    path("servers/<uuid:server_id>/upgrade/", upgrading.UpgradeView.as_view(), name="upgrade"),
    path("servers/<uuid:server_id>/upgrades/", upgrading.UpgradesView.as_view(), name="upgrades"),
    re_path(
        r"^servers/(?P<server_id>[0-9a-f-]{36})/upgrade/(?P<decision>approve|cancel)/$",
        upgrading.UpgradeDecisionView.as_view(),
        name="upgrade-decision",
    ),
    path("servers/<uuid:server_id>/tools/", api.ToolsView.as_view(), name="tools"),
    path("servers/<uuid:server_id>/metrics/", metrics_api.ServerMetricsView.as_view(), name="metrics"),
    path("servers/<uuid:server_id>/logs/", api.LogsView.as_view(), name="logs"),
]
