"""An agent's section “Model”, beside `agents.pages.urls`."""

from __future__ import annotations

from django.urls import path

from chat.model_pages import agent_views

app_name = "agent_models"
urlpatterns = [path("<uuid:agent_id>/model/", agent_views.models, name="choose")]
