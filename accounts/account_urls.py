"""The pages of one's own account; its tokens are `agents.tokens.urls`, since they may be for agents."""

from __future__ import annotations

from django.urls import path

from accounts import account_views

urlpatterns = [path("password/", account_views.Password.as_view(), name="password")]
