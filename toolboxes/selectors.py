"""Reads; each starts from the user who asks."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import ApiToken, User
from agentopia.lib.errors import Conflict, NotFound
from toolboxes.models import Toolbox, silence_after


def toolboxes_for(user: User) -> QuerySet[Toolbox]:
    """The toolboxes of this user."""
    return Toolbox.objects.filter(owner=user)


def toolbox_for(user: User, key: str) -> Toolbox:
    """One toolbox of this user, by id or name; raises `NotFound`."""
    try:
        condition = Q(pk=uuid.UUID(str(key)))
    except ValueError:
        condition = Q(name__iexact=key)
    toolbox = toolboxes_for(user).filter(condition).first()
    if toolbox is None:
        raise NotFound(f"You have no toolbox “{key}”.", code="toolbox_not_found")
    return toolbox


def only_toolbox_for(user: User) -> Toolbox:
    """The toolbox that is meant when none is named; raises `NotFound` without any and `Conflict` with several."""
    toolboxes = list(toolboxes_for(user)[:2])
    if not toolboxes:
        raise NotFound("You have no toolbox yet. Add one first.", code="toolbox_not_found")
    if len(toolboxes) > 1:
        raise Conflict("You have several toolboxes. Say which one is meant.", code="toolbox_ambiguous")
    return toolboxes[0]


def toolbox_with_heartbeat_token(token: str) -> Toolbox | None:
    """The toolbox that authenticates with this token."""
    return Toolbox.objects.filter(heartbeat_digest=ApiToken.digest_of(token)).first()


def toolboxes_whose_silence_changed(now: datetime) -> list[Toolbox]:
    """Toolboxes that pages show as silent though they report, or the other way round."""
    reporting = Q(last_seen_at__gt=now - silence_after())
    return list(Toolbox.objects.filter((reporting & Q(shown_silent=True)) | (~reporting & Q(shown_silent=False))))


def some_toolbox_reports() -> bool:
    """Whether any toolbox of anyone has reported lately."""
    return Toolbox.objects.filter(last_seen_at__gt=timezone.now() - silence_after()).exists()
