"""``manage.py changepassword EMAIL``: Django's own, recorded in the audit."""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from accounts.models import User
from accounts.services import note_password_change


class Command(changepassword.Command):
    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> str | None:
        said: str | None = super().handle(*args, **options)
        note_password_change(user=User.objects.get_by_natural_key(options["username"] or getpass.getuser()))
        return said
