"""How long a user keeps conversations."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class ConversationPolicy(models.Model):
    """What one user keeps of conversations. A user without one keeps all of them."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversation_policy", primary_key=True)
    keep_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="Since the last message; then it is deleted, unless it is pinned. Null: none is.",
    )

    class Meta:
        verbose_name_plural = "conversation policies"

    def __str__(self) -> str:
        return f"conversations of {self.user}"
