from __future__ import annotations

from django.urls import path

from agents import views

app_name = "tools"
urlpatterns = [path("<uuid:server_id>/tools/<path:name>/", views.tool, name="detail")]
