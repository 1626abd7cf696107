"""``manage.py load_catalog``: brings the shipped catalogue up to date."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mcp_registry.services.catalog import load_shipped_catalog


class Command(BaseCommand):
    help = "Load the catalogue entries that ship with Agentopia."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The catalogue has {load_shipped_catalog()} entries.")
