"""Pages of one's own account, beside `accounts.account_urls`."""

from __future__ import annotations

from django.urls import path

from agents.tokens import views

urlpatterns = [
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", views.token_revoke, name="token-revoke"),
]
