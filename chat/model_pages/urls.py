"""Pages of one's own account, beside `accounts.account_urls`."""

from __future__ import annotations

from django.urls import path

from chat.model_pages import views

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/usage/", views.usage, name="model-usage"),
    path("models/add/<slug:preset>/", views.add, name="model-add"),
    path("models/<uuid:provider_id>/", views.provider, name="model"),
    path("models/<uuid:provider_id>/test/", views.retest, name="model-test"),
    path("models/<uuid:provider_id>/delete/", views.remove, name="model-delete"),
]
