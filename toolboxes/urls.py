from __future__ import annotations

from django.urls import path

from toolboxes import add_urls, views

app_name = "toolboxes"
urlpatterns = [
    path("", views.toolboxes, name="list"),
    path("versions/", views.versions, name="versions"),
    path("removed/", views.removed, name="removed"),
    path("<uuid:toolbox_id>/", views.overview, name="detail"),
    path("<uuid:toolbox_id>/events/", views.history, name="events"),
    path("<uuid:toolbox_id>/settings/", views.settings, name="settings"),
    path("<uuid:toolbox_id>/settings/install/", views.install, name="install"),
    path("<uuid:toolbox_id>/settings/revoke/", views.revoke, name="revoke"),
    *add_urls.urlpatterns,
]
