"""All addresses."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

import accounts.account_urls
import agents.receipts_pages.account_urls
import agents.tokens.urls
import chat.model_pages.urls
import chat.pages.account_urls
from agentopia.health import healthz
from agentopia.palette import search
from toolboxes.install_views import install

ACCOUNT = [
    *accounts.account_urls.urlpatterns,
    *agents.tokens.urls.urlpatterns,
    *agents.receipts_pages.account_urls.urlpatterns,
    *chat.model_pages.urls.urlpatterns,
    *chat.pages.account_urls.urlpatterns,
]

urlpatterns = [
    path("", include("mcp_registry.urls")),
    path("toolboxes/", include("toolboxes.urls")),
    path("install/<str:token>", install, name="install"),
    path("servers/", include("agents.urls")),
    path("agents/", include("agents.pages.urls")),
    path("agents/", include("chat.model_pages.agent_urls")),
    path("accounts/", include("accounts.urls")),
    path("account/", include((ACCOUNT, "account"))),
    path("audit/", include("accounts.audit.urls")),
    path("calls/", include("agents.receipts_pages.urls")),
    path("approvals/", include("agents.receipts_pages.approval_urls")),
    path("chat/", include("chat.pages.urls")),
    path("search/", search, name="search"),
    path("", include("agentopia.lib.urls")),
    path("api/v1/", include("accounts.api_urls")),
    path("api/v1/", include("toolboxes.api_urls")),
    path("api/v1/", include("mcp_registry.api_urls")),
    path("api/v1/", include("agents.api_urls")),
    path("api/v1/", include("chat.model_pages.api_urls")),
    path("api/v1/", include("chat.api_urls")),
    path("api/schema/", login_not_required(SpectacularAPIView.as_view()), name="schema"),
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
