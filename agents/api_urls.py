from __future__ import annotations

from django.urls import path

from agents import api, api_agents, api_calls, api_grants, api_tools, metrics_api
from agents.tokens import api as tokens_api

app_name = "agents_api"
urlpatterns = [
    path("agents/", api_agents.AgentsView.as_view(), name="agents"),
    path("agents/<uuid:agent_id>/", api_agents.AgentView.as_view(), name="agent"),
    path("agents/<uuid:agent_id>/held/", api_grants.HeldToolsView.as_view(), name="held-tools"),
    path("agents/<uuid:agent_id>/tools/", api_tools.AgentToolsView.as_view(), name="agent-tools"),
    path("agents/<uuid:agent_id>/grants/", api_grants.GrantsView.as_view(), name="grants"),
    path("agents/<uuid:agent_id>/grants/<uuid:grant_id>/", api_grants.GrantView.as_view(), name="grant"),
    path("agents/<uuid:agent_id>/grants/<uuid:grant_id>/test/", api_grants.GrantTestView.as_view(), name="grant-test"),
    path("agents/<uuid:agent_id>/grants/<uuid:grant_id>/tools/", api_grants.GrantedToolsView.as_view(), name="granted-tools"),
    path("agents/<uuid:agent_id>/grants/<uuid:grant_id>/tools/<path:name>/", api_grants.GrantedToolView.as_view(), name="granted-tool"),
    path("agents/<uuid:agent_id>/grants/<uuid:grant_id>/held/<path:name>/", api_grants.HeldToolView.as_view(), name="held-tool"),
    path("tokens/", tokens_api.TokensView.as_view(), name="tokens"),
    path("tokens/<int:token_id>/", tokens_api.TokenView.as_view(), name="token"),
    path("calls/", api_calls.CallsView.as_view(), name="calls"),
    path("calls/export/", api_calls.ExportView.as_view(), name="calls-export"),
    path("calls/totals/", api_calls.TotalsView.as_view(), name="calls-totals"),
    path("calls/<uuid:call_id>/", api_calls.CallView.as_view(), name="call"),
    path("calls/<uuid:call_id>/approve/", api_calls.ApproveView.as_view(), name="call-approve"),
    path("calls/<uuid:call_id>/refuse/", api_calls.RefuseView.as_view(), name="call-refuse"),
    path("servers/<uuid:server_id>/tools/<path:tool>/call/", api.CallToolView.as_view(), name="call-tool"),
    path("servers/<uuid:server_id>/calls/metrics/", metrics_api.CallMetricsView.as_view(), name="call-metrics"),
]
