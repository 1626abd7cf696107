"""``manage.py createsuperuser``: Django's own, recorded in the audit."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction

from accounts import audit
from accounts.models import User


class Command(createsuperuser.Command):
    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> str | None:
        there = set(User.objects.values_list("pk", flat=True))
        said: str | None = super().handle(*args, **options)
        for user in User.objects.filter(is_superuser=True).exclude(pk__in=there):
            audit.record(action="user.added", target=user, owner=user, summary="May use the administration, and there everything")
        return said
