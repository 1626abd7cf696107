"""Things that can be deployed, and where they come from."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from mcp_registry.models import found_by

SHOWN = models.Q(hidden=False, withdrawn=False)


class Registry(models.Model):
    """An MCP registry (its HTTP API, v0.1) whose servers are taken into the catalogue, and the record of the work of doing so.

    ``status`` and the columns after it are those of `agentopia.lib.leases`; ``cursor`` is where an interrupted round goes on.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=500, help_text="Its base address, as in `https://registry.example.org`.")
    enabled = models.BooleanField(default=True)
    interval_minutes = models.PositiveIntegerField(default=60)
    cursor = models.CharField(max_length=500, blank=True, editable=False)
    updated_since = models.DateTimeField(null=True, blank=True, editable=False, help_text="Up to when it was read completely.")
    round_began_at = models.DateTimeField(null=True, blank=True, editable=False)
    succeeded_at = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(blank=True, editable=False, help_text="Why the last round ended early, for a person.")
    taken = models.PositiveIntegerField(default=0, editable=False, help_text="Entries that the last round brought or changed.")
    refused = models.PositiveIntegerField(default=0, editable=False, help_text="Of the last round, those that could not be used.")
    pages = models.PositiveIntegerField(default=0, editable=False, help_text="That the last round has read.")
    reasons = models.JSONField(default=list, editable=False, help_text="The first reasons for which it refused entries.")
    status = models.CharField(max_length=8, choices=Status, default=Status.QUEUED, editable=False)
    not_before = models.DateTimeField(default=timezone.now, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Rounds in a row that failed.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "registries"

    def __str__(self) -> str:
        return self.name


class CatalogEntry(models.Model):
    """One MCP server as the official registry's ``server.json`` describes it, at its newest version.

    Three origins: it ships with Agentopia, comes from a registry, or a user added it. A user's own is private until an admin publishes it.
    The columns below ``manifest`` are taken from the document by `services.entries`, so that the catalogue can be searched and filtered.
    """

    class Origin(models.TextChoices):
        SHIPPED = "shipped", "ships with Agentopia"
        REGISTRY = "registry", "from a registry"
        USER = "user", "added by a user"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.USER, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="catalog_entries")
    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, null=True, blank=True, related_name="entries")
    name = models.CharField(max_length=200, help_text="Reverse-DNS name, as in `com.example/weather`.")
    slug = models.CharField(max_length=100, help_text="The name's last part, for people.")
    title = models.CharField(max_length=100)
    description = models.CharField(max_length=300)
    version = models.CharField(max_length=255)
    manifest = models.JSONField(help_text="The `server.json`, as it was given.")

    category = models.CharField(max_length=40, blank=True)
    tags = models.JSONField(default=list, blank=True)
    license = models.CharField(max_length=100, blank=True)
    repository_url = models.CharField(max_length=500, blank=True)
    website_url = models.CharField(max_length=500, blank=True)
    runtime = models.CharField(max_length=8, blank=True, help_text="npm, pypi, nuget or oci: the kind of its first package; empty: remote.")
    transport = models.CharField(max_length=20, blank=True)
    egress = models.CharField(max_length=10, blank=True)
    needs_secret = models.BooleanField(default=False)
    one_click = models.BooleanField(default=False, help_text="Nothing has to be entered to deploy it.")
    deployable = models.BooleanField(default=True, help_text="It has a package that can run on a toolbox.")
    memory_mb = models.PositiveIntegerField(default=512, help_text="That a server of it is promised.")
    cpus = models.FloatField(default=1, help_text="Processors that a server of it may use.")
    host_count = models.PositiveSmallIntegerField(default=0, help_text="How many hosts it may reach where these are named.")
    keeps_data = models.BooleanField(default=False, help_text="It has a volume of its own.")

    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When an admin showed a user's own to everybody.")
    featured = models.BooleanField(default=False)
    hidden = models.BooleanField(default=False, help_text="Nobody finds it or deploys it; servers of it go on.")
    deprecated = models.BooleanField(default=False)
    deprecation = models.CharField(max_length=300, blank=True, help_text="What to use instead, or why not.")
    withdrawn = models.BooleanField(default=False, editable=False, help_text="Its registry, or Agentopia, has it no longer.")
    profile_override = models.JSONField(null=True, blank=True, help_text="A permission profile in place of the document's own.")

    deployed_count = models.PositiveIntegerField(default=0, editable=False, help_text="First deployments that ended, measured.")
    succeeded_count = models.PositiveIntegerField(default=0, editable=False, help_text="Of these, those that became ready.")
    tools = models.JSONField(null=True, blank=True, editable=False, help_text="Name, title, description and annotations of each tool.")
    tools_version = models.CharField(max_length=255, blank=True, editable=False)
    tools_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    tool_names = models.TextField(blank=True, editable=False, help_text="Their names in words, to be found by.")

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    text = SearchVectorField(null=True, editable=False, help_text="What it is searched by; a trigger of the database writes it.")
    handle = models.GeneratedField(expression=found_by.HANDLE, output_field=models.TextField(), db_persist=True)
    audience = models.GeneratedField(expression=found_by.AUDIENCE, output_field=models.BigIntegerField(null=True), db_persist=True)
    facets = models.GeneratedField(expression=found_by.FACETS, output_field=models.TextField(), db_persist=True)
    standing = models.GeneratedField(expression=found_by.STANDING, output_field=models.FloatField(), db_persist=True)

    class Meta:
        ordering = ("title", "name")
        verbose_name_plural = "catalogue entries"
        constraints = (
            models.UniqueConstraint("name", condition=models.Q(origin="shipped"), name="shipped_entry_name_unique"),
            models.UniqueConstraint("registry", "name", condition=models.Q(origin="registry"), name="registry_entry_name_unique"),
            models.UniqueConstraint("owner", "name", name="entry_name_unique_for_owner"),
        )
        indexes = (
            GinIndex(fields=("text",), name="entry_text"),
            GinIndex(OpClass(Lower("title"), name="gin_trgm_ops"), name="entry_title_trigrams"),
            GinIndex(OpClass(models.F("handle"), name="gin_trgm_ops"), name="entry_handle_trigrams"),
            models.Index(fields=("audience", "facets"), condition=SHOWN, name="entry_facets"),
            models.Index(fields=("category", "audience"), condition=SHOWN, name="entry_categories"),
            models.Index(fields=("standing",), condition=SHOWN & models.Q(featured=True), name="entry_featured"),
            models.Index(models.F("standing").desc(), Lower("title"), models.F("id"), condition=SHOWN, name="entry_by_standing"),
            models.Index(models.F("deployed_count").desc(), Lower("title"), models.F("id"), condition=SHOWN, name="entry_by_deployed"),
            models.Index(models.F("created_at").desc(), models.F("id"), condition=SHOWN, name="entry_by_age"),
            models.Index(Lower("title"), models.F("id"), condition=SHOWN, name="entry_by_title"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def runtime_label(self) -> str:
        """The kind of its package, as the users of that call it."""
        return {"npm": "npm", "pypi": "PyPI", "nuget": "NuGet", "oci": "OCI image"}.get(self.runtime, "Remote")


class EntryVersion(models.Model):
    """A version of an entry that can be, or could be, deployed. The newest one's document is the entry's own."""

    entry = models.ForeignKey(CatalogEntry, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=255)
    manifest = models.JSONField()
    published_at = models.DateTimeField(default=timezone.now, help_text="As its registry says, or when it came here.")

    class Meta:
        ordering = ("-published_at", "-pk")
        constraints = (models.UniqueConstraint(fields=("entry", "version"), name="version_unique_in_entry"),)

    def __str__(self) -> str:
        return self.version


class EntryOutcome(models.Model):
    """How a first deployment of an entry ended. It stays when the server is deleted, so that the figures are true."""

    entry = models.ForeignKey(CatalogEntry, on_delete=models.CASCADE, related_name="outcomes")
    server = models.UUIDField(unique=True, null=True, editable=False, help_text="The server's id, which may be gone.")
    version = models.CharField(max_length=255)
    at = models.DateTimeField(default=timezone.now)
    succeeded = models.BooleanField()
    code = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True, help_text="Why it failed, for an admin.")
    seconds = models.FloatField()

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=("entry", "-at"), name="outcome_of_entry"),)

    def __str__(self) -> str:
        return f"{self.version}: {'ready' if self.succeeded else 'failed'}"
