from __future__ import annotations

from django.urls import path

from toolboxes import api

app_name = "toolboxes_api"
urlpatterns = [path("toolboxes/", api.ToolboxesView.as_view(), name="toolboxes")]
