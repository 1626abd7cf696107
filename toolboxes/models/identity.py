"""The certificate authority of this control plane, the certificates it gave to toolboxes, and the tokens to get the first one."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from agentopia.lib.crypto import EncryptedJSONField

RENEWABLE_AFTER_END = timedelta(days=30)


class Authority(models.Model):
    """The one certificate authority that toolboxes and the control plane trust; made when it is first needed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    certificate = models.TextField(help_text="PEM")
    key = EncryptedJSONField(editable=False, help_text="PEM, PKCS #8")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "authorities"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="only_one_authority"),)

    def __str__(self) -> str:
        return f"Authority of {self.created_at:%Y-%m-%d}"


class Certificate(models.Model):
    """A certificate that a toolbox holds; its key never left the toolbox."""

    toolbox = models.ForeignKey("toolboxes.Toolbox", on_delete=models.CASCADE, related_name="certificates")
    serial = models.CharField(max_length=40, unique=True, help_text="Hexadecimal, in capitals, without leading zeros.")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-not_after",)

    def __str__(self) -> str:
        return self.serial

    def is_valid(self, now: datetime | None = None) -> bool:
        """Whether its holder may speak for the toolbox."""
        return self.revoked_at is None and (now or timezone.now()) < self.not_after

    def is_renewable(self, now: datetime | None = None) -> bool:
        """Whether its holder may have a new one: a machine that was off for a while must not be lost."""
        return self.revoked_at is None and (now or timezone.now()) < self.not_after + RENEWABLE_AFTER_END


class EnrolmentToken(models.Model):
    """Lets one host become this toolbox, once. Of the token only the SHA-256 is kept.

    Whoever used it may use it again with the same public key as long as it runs: the answer may have been lost.
    """

    toolbox = models.ForeignKey("toolboxes.Toolbox", on_delete=models.CASCADE, related_name="enrolment_tokens")
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    public_key = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the public key that used it.")

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"Token of {self.created_at:%Y-%m-%d %H:%M}"

    @staticmethod
    def digest_of(token: str) -> str:
        """What is kept of a token."""
        return hashlib.sha256(token.encode()).hexdigest()

    def is_open(self, now: datetime | None = None) -> bool:
        """Whether a host may still use it."""
        return self.used_at is None and self.withdrawn_at is None and (now or timezone.now()) < self.expires_at
