"""Machines that Agentopia rents for toolboxes, and the accounts with which it does. Any cloud provider's are kept here."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from agentopia.lib.crypto import EncryptedJSONField


class CloudAccount(models.Model):
    """A user's account with a cloud provider. Its token is encrypted, is never shown, and never reaches a toolbox."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cloud_accounts")
    provider = models.CharField(max_length=20, help_text="The key of a provider (`toolboxes.providers`).")
    label = models.CharField(max_length=80)
    email = models.CharField(max_length=254, blank=True)
    team = models.CharField(max_length=120, blank=True)
    identity = models.CharField(max_length=80, help_text="What the provider calls the account, or the team, that pays.")
    token = EncryptedJSONField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    tested_at = models.DateTimeField(help_text="When the token was last tested with all that it must be able to do.")

    class Meta:
        ordering = ("label",)
        constraints = (models.UniqueConstraint(fields=("owner", "provider", "identity"), name="cloud_account_once_per_owner"),)

    def __str__(self) -> str:
        return self.label

    @property
    def dialog(self) -> str:
        """The id of the dialog that asks whether to remove it."""
        return f"remove-{self.pk}"


class Machine(models.Model):
    """The rented machine under a toolbox.

    ``tag`` is unique and is on the machine from its first moment, so it is found again whatever was lost on the way. ``sent_at`` is
    written before the provider is asked to make it: until its answer is known, the machine may exist.
    """

    toolbox = models.OneToOneField("toolboxes.Toolbox", on_delete=models.CASCADE, primary_key=True, related_name="machine")
    account = models.ForeignKey(CloudAccount, on_delete=models.SET_NULL, null=True, related_name="machines")
    tag = models.CharField(max_length=80, unique=True)
    region = models.CharField(max_length=60)
    size = models.CharField(max_length=60)
    image = models.CharField(max_length=80)
    price_monthly = models.DecimalField(max_digits=10, decimal_places=2, help_text="US dollars, when it was ordered.")
    price_hourly = models.DecimalField(max_digits=10, decimal_places=5)
    sent_at = models.DateTimeField(null=True, blank=True)
    reference = models.CharField(max_length=80, blank=True, help_text="The provider's id of it; empty until it is known to exist.")
    firewall = models.CharField(max_length=80, blank=True, help_text="The provider's id of its firewall.")
    address = models.CharField(max_length=45, blank=True, help_text="Its public IP address.")
    missing_since = models.DateTimeField(null=True, blank=True, help_text="Since when the provider knows of no such machine.")

    def __str__(self) -> str:
        return self.tag
