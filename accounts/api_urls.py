from __future__ import annotations

from django.urls import path

from accounts.audit.api import AuditView

app_name = "accounts_api"
urlpatterns = [path("audit/", AuditView.as_view(), name="audit")]
