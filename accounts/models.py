"""Who uses Agentopia, and the tokens by which their programs do."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    """Makes users; e-mail addresses are kept in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str | None) -> User:
        return self.get(email=(email or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by an e-mail address."""

    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("may use the admin", default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),)

    def __str__(self) -> str:
        return self.email


class ApiToken(models.Model):
    """A program's key. Only its SHA-256 is kept: the token itself is shown once, when it is made."""

    class Scope(models.TextChoices):
        ACCOUNT = "account", "Everything that you may do"
        AGENTS = "agents", "The gateway of chosen agents"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="The token's first characters, to tell tokens apart.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.ACCOUNT)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Null: it counts until it is revoked.")
    calls_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Tool calls; null: no limit of its own.")

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @staticmethod
    def digest_of(token: str) -> str:
        """The form in which a token is stored; tokens are 256 random bits, so a plain hash is enough."""
        return hashlib.sha256(token.encode()).hexdigest()


class AuditEvent(models.Model):
    """One change that somebody made: appended, never changed (triggers of the database refuse that).

    People are kept by number and address without a foreign key, so that the record stays when they go. ``owner_id`` is whose thing was
    changed: that person may read it.

    The columns from ``body`` on are written by the database alone (migration 0003): ``body`` when the row is inserted; the others when its
    transaction is committed, one transaction after the other. ``hash`` is the SHA-256 (hexadecimal) of ``previous``, ``position`` and
    ``body``, each but the last followed by a line feed.
    """

    class Via(models.TextChoices):
        PAGE = "page", "dashboard"
        API = "api", "REST API"
        ADMIN = "admin", "administration"
        COMMAND = "command", "command line"
        SYSTEM = "system", "Agentopia itself"

    at = models.DateTimeField(default=timezone.now)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor = models.CharField(max_length=254, blank=True, help_text="The address of who did it; empty: Agentopia itself.")
    owner_id = models.BigIntegerField(null=True, blank=True)
    via = models.CharField(max_length=8, choices=Via, default=Via.SYSTEM)
    address = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=60, help_text="A word to filter by, as in `server.configured`.")
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=200)
    summary = models.CharField(max_length=500, blank=True)
    changes = models.JSONField(default=dict, blank=True, help_text="By a field: [before, after]; of secrets only that they changed.")

    body = models.TextField(blank=True, editable=False, help_text="All of the above as JSON: the text that is hashed.")
    position = models.BigIntegerField(null=True, unique=True, editable=False, help_text="Its place in the chain, from 1, without gaps.")
    previous = models.CharField(max_length=64, null=True, editable=False, help_text="The hash before it; 64 zeros for the first.")  # noqa: DJ001
    hash = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001 (none until the commit)

    class Meta:
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=("owner_id", "-id"), name="audit_of_owner"),
            models.Index(fields=("actor_id", "-id"), name="audit_of_actor"),
            models.Index(fields=("target_id", "-id"), name="audit_of_target"),
            models.Index(fields=("action", "-id"), name="audit_of_action"),
            models.Index(fields=("at",), name="audit_at"),
            GinIndex(OpClass(Upper("body"), name="gin_trgm_ops"), name="audit_trigrams"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}"


class AuditCheck(models.Model):
    """One verification of the whole chain of the audit, and how it ended."""

    at = models.DateTimeField(default=timezone.now)
    position = models.BigIntegerField(help_text="How far the chain is sound: the place of the last record that is.")
    hash = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True, help_text="Where it breaks and how, for a person; empty: nowhere.")
    seconds = models.FloatField()

    class Meta:
        ordering = ("-at", "-pk")

    def __str__(self) -> str:
        return self.problem or f"sound up to {self.position}"
