"""Announces that somebody's API tokens changed, whichever way: a service, the admin, or their user deactivated or deleted.

The signals of Django are used because the admin and cascades reach no service, and a token that was taken away must count nowhere.
"""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import ApiToken, User
from agentopia.lib.announcements import announce

CHANNEL = "agentopia:tokens"
"""On which a user's number is announced."""


def announce_change(user_id: int) -> None:
    """Once the transaction is committed, this user's tokens are looked up anew by every process."""
    announce(CHANNEL, str(user_id))


@receiver((post_save, post_delete), sender=ApiToken)
def token_changed(instance: ApiToken, **_: Any) -> None:
    """The token was made, changed or taken away."""
    announce_change(instance.user_id)


@receiver(post_save, sender=User)
def user_changed(instance: User, update_fields: frozenset[str] | None = None, **_: Any) -> None:
    """The user may have been deactivated; a sign-in alone says nothing of that."""
    if update_fields != frozenset({"last_login"}):
        announce_change(instance.pk)
