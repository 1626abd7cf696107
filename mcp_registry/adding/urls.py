"""Under ``/catalog/``."""

from __future__ import annotations

from django.urls import path

from mcp_registry.adding import own_views, views

catalog = [
    path("add/", views.package, name="add"),
    path("add/image/", views.image, name="add-image"),
    path("add/document/", views.document, name="add-document"),
    path("add/configuration/", views.configuration, name="add-configuration"),
    path("add/entry/", views.entry, name="add-entry"),
    path("add/review/", views.review, name="add-review"),
    path("<uuid:entry_id>/edit/", own_views.edit, name="edit"),
    path("<uuid:entry_id>/edit/text/", own_views.edit_text, name="edit-text"),
    path("<uuid:entry_id>/delete/", own_views.delete, name="delete"),
]
