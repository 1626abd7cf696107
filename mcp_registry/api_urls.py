from __future__ import annotations

from django.urls import path, re_path

from mcp_registry import api, toolbox_api

app_name = "mcp_registry_api"
urlpatterns = [
    path("toolboxes/<uuid:toolbox_id>/", toolbox_api.ToolboxView.as_view(), name="toolbox"),
    path("catalog/", api.CatalogView.as_view(), name="catalog"),
    path("servers/", api.ServersView.as_view(), name="servers"),
    path("servers/<uuid:server_id>/", api.ServerView.as_view(), name="server"),
    re_path(
        r"^servers/(?P<server_id>[0-9a-f-]{36})/(?P<action>start|stop|restart)/$", api.ServerActionView.as_view(), name="server-action"
    ),
    path("servers/<uuid:server_id>/deployments/", api.DeploymentsView.as_view(), name="deployments"),
    path("servers/<uuid:server_id>/tools/", api.ToolsView.as_view(), name="tools"),
    path("servers/<uuid:server_id>/logs/", api.LogsView.as_view(), name="logs"),
]
