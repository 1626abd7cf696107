"""``/healthz``: whether this process and what it needs answer; ``?full=1`` asks after worker and toolboxes too."""

from __future__ import annotations

import redis
from celery import current_app
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError, connection
from django.http import HttpRequest, JsonResponse
from kombu.exceptions import OperationalError as BrokerError

from toolboxes.selectors import some_toolbox_reports


@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """200 where everything asked after answers, else 503; the body says which does."""
    checks = {"database": _database(), "redis": _redis()}
    if request.GET.get("full"):
        checks["worker"] = checks["redis"] and _worker()
        checks["toolbox"] = checks["database"] and some_toolbox_reports()
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)


def _database() -> bool:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    return True


def _redis() -> bool:
    try:
        with redis.Redis.from_url(settings.ENVIRONMENT.redis_url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _worker() -> bool:
    try:
        return bool(current_app.control.ping(timeout=1.0, limit=1))
    except (BrokerError, redis.RedisError, OSError):
        return False
