from __future__ import annotations

from django.urls import path

from agents.receipts_pages import approval_views

app_name = "approvals"
urlpatterns = [
    path("", approval_views.approvals, name="list"),
    path("<uuid:approval_id>/", approval_views.approval, name="detail"),
]
