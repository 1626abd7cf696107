"""The control plane: settings, URLs, ASGI, Celery."""

from agentopia.celery import app as celery_app

__all__ = ["celery_app"]
