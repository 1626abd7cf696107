"""``manage.py share_model``: shares the model that AGENTOPIA_MODEL names with everybody, as `make run` does at each start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.providers.shared import WrongSetting, renew


class Command(BaseCommand):
    help = "Share the model that AGENTOPIA_MODEL names, or switch off the one that it named before."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            provider = renew()
        except WrongSetting as error:
            raise CommandError(str(error)) from None
        if provider is not None and provider.test_error:
            self.stdout.write(f"The shared model {provider.default_model} does not answer yet: {provider.test_error}")
