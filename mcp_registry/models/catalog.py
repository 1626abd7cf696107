"""Things that can be deployed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class CatalogEntry(models.Model):
    """One MCP server as the official registry's ``server.json`` describes it; without an owner it ships with Agentopia."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="catalog_entries")
    name = models.CharField(max_length=200, help_text="Reverse-DNS name, as in `com.example/weather`.")
    slug = models.CharField(max_length=100, help_text="The name's last part, for people.")
    title = models.CharField(max_length=100)
    description = models.CharField(max_length=300)
    version = models.CharField(max_length=255)
    manifest = models.JSONField(help_text="The `server.json`, as it was given.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("title", "name")
        verbose_name_plural = "catalogue entries"
        constraints = (
            models.UniqueConstraint("name", condition=models.Q(owner=None), name="shipped_entry_name_unique"),
            models.UniqueConstraint("owner", "name", name="entry_name_unique_for_owner"),
        )

    def __str__(self) -> str:
        return self.title
