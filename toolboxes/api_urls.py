from __future__ import annotations

from django.urls import path

from toolboxes import api

app_name = "toolboxes_api"
urlpatterns = [
    path("toolboxes/", api.ToolboxesView.as_view(), name="toolboxes"),
    path("toolboxes/<uuid:toolbox_id>/enrollment/", api.EnrollmentView.as_view(), name="enrollment"),
    path("toolboxes/<uuid:toolbox_id>/events/", api.EventsView.as_view(), name="events"),
    path("toolboxes/<uuid:toolbox_id>/metrics/", api.MetricsView.as_view(), name="metrics"),
]
