from __future__ import annotations

from django.urls import path

from accounts.audit import views

app_name = "audit"
urlpatterns = [
    path("", views.records, name="list"),
    path("export/", views.export, name="export"),
]
