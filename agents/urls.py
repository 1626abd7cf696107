from __future__ import annotations

from django.urls import path

from agents import metrics_views, views

app_name = "tools"
urlpatterns = [
    path("<uuid:server_id>/tools/<path:name>/", views.tool, name="detail"),
    path("<uuid:server_id>/summary/", metrics_views.summary, name="summary"),
]
