from __future__ import annotations

from django.urls import path

from agents.receipts_pages import views

app_name = "calls"
urlpatterns = [
    path("", views.calls, name="list"),
    path("totals/", views.totals, name="totals"),
    path("export/", views.export, name="export"),
    path("runs/<uuid:run>/", views.run, name="run"),
    path("<uuid:call_id>/", views.call, name="detail"),
]
