"""``manage.py ensure_demo_user``: makes the demo user on the first start and prints its password once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.services import DEMO_EMAIL, ensure_demo_user


class Command(BaseCommand):
    help = "Make the demo user if there is none yet."

    def handle(self, *args: Any, **options: Any) -> None:
        if password := ensure_demo_user():
            self.stdout.write(f"Sign in as {DEMO_EMAIL} with the password {password} (shown this once).")
