"""Addresses of the pages that add toolboxes, follow their making and removing, and keep cloud accounts; part of `toolboxes.urls`."""

from __future__ import annotations

from django.urls import path

from toolboxes import account_views, add_views

urlpatterns = [
    path("add/", add_views.add, name="add"),
    path("add/<slug:key>/", add_views.add_with, name="add-with"),
    path("accounts/", account_views.accounts, name="accounts"),
    path("accounts/add/<slug:key>/", account_views.account_add, name="account-add"),
    path("accounts/<uuid:account_id>/token/", account_views.account_token, name="account-token"),
    path("accounts/<uuid:account_id>/remove/", account_views.account_remove, name="account-remove"),
    path("<uuid:toolbox_id>/setup/", add_views.setup, name="setup"),
    path("<uuid:toolbox_id>/setup/command/", add_views.command, name="command"),
    path("<uuid:toolbox_id>/setup/retry/", add_views.retry, name="retry"),
    path("<uuid:toolbox_id>/remove/", add_views.remove, name="remove"),
]
