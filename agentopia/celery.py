"""The Celery application; the database is the record of work, Celery only carries it."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentopia.settings")

app = Celery("agentopia")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
