from __future__ import annotations

from django.urls import path

from chat import api_providers, api_usage

app_name = "models_api"
urlpatterns = [
    path("model-providers/", api_providers.ProvidersView.as_view(), name="providers"),
    path("model-providers/<uuid:provider_id>/", api_providers.ProviderView.as_view(), name="provider"),
    path("model-providers/<uuid:provider_id>/test/", api_providers.RetestView.as_view(), name="provider-test"),
    path("models/usage/", api_usage.UsageView.as_view(), name="usage"),
    path("agents/<uuid:agent_id>/models/", api_providers.AgentModelsView.as_view(), name="agent-models"),
]
