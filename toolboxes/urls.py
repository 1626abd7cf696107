from __future__ import annotations

from django.urls import path

from toolboxes import views

app_name = "toolboxes"
urlpatterns = [path("", views.toolboxes, name="list")]
