"""What the pages of one's account have of calls."""

from __future__ import annotations

from django.urls import path

from agents.receipts_pages import policy_views

urlpatterns = [path("calls/", policy_views.policy, name="calls")]
