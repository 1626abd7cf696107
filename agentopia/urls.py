"""All addresses."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from agentopia.health import healthz
from toolboxes.install_views import install

urlpatterns = [
    path("", include("mcp_registry.urls")),
    path("toolboxes/", include("toolboxes.urls")),
    path("install/<str:token>", install, name="install"),
    path("servers/", include("agents.urls")),
    path("accounts/", include("accounts.urls")),
    path("", include("agentopia.lib.urls")),
    path("api/v1/", include("toolboxes.api_urls")),
    path("api/v1/", include("mcp_registry.api_urls")),
    path("api/v1/", include("agents.api_urls")),
    path("api/schema/", login_not_required(SpectacularAPIView.as_view()), name="schema"),
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
