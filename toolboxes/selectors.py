"""Reads; each starts from the user who asks."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from toolboxes.models import Certificate, EnrolmentToken, Toolbox, ToolboxEvent, silence_after
from toolboxes.status import with_facts


def toolboxes_for(user: User) -> QuerySet[Toolbox]:
    """The toolboxes of this user; those that were removed are not among them."""
    return Toolbox.objects.filter(owner=user, deleted_at=None)


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


def described_for(user: User) -> QuerySet[Any]:
    """The toolboxes of this user, with all that `status.status_of` reads."""
    return with_facts(toolboxes_for(user))


def described_toolbox_for(user: User, toolbox_id: uuid.UUID, *, removed: bool = False) -> Any:
    """One of them; raises `NotFound`. With ``removed``, one that was removed is found as well: its history stays."""
    toolboxes = with_facts(Toolbox.objects.filter(owner=user)) if removed else described_for(user)
    toolbox = toolboxes.filter(pk=toolbox_id).first()
    if toolbox is None:
        raise NotFound("You have no such toolbox; it may have been removed.", code="toolbox_not_found")
    return toolbox


def removed_toolboxes_for(user: User) -> QuerySet[Toolbox]:
    """Those that this user had, the last removed first."""
    return Toolbox.objects.filter(owner=user, deleted_at__isnull=False).order_by("-deleted_at")


def events_of(toolbox: Toolbox, severities: tuple[str, ...] = ()) -> QuerySet[ToolboxEvent]:
    """The history of a toolbox, newest first; only what is as severe as one of these, where any are named."""
    return toolbox.events.filter(severity__in=severities) if severities else toolbox.events.all()


def certificate_of(toolbox: str, serial: str) -> Certificate | None:
    """A certificate that this control plane gave to the toolbox of this id, with the toolbox."""
    return Certificate.objects.select_related("toolbox").filter(toolbox__pk=toolbox, serial=serial).first()


def enrolment_token(token: str) -> EnrolmentToken | None:
    """What is kept of a one-time token, with its toolbox; None for one that was never made."""
    return EnrolmentToken.objects.select_related("toolbox").filter(digest=EnrolmentToken.digest_of(token)).first()


def toolboxes_whose_silence_changed(now: datetime) -> QuerySet[Toolbox]:
    """Toolboxes that pages show as silent though they report, or the other way round."""
    reporting = Q(last_seen_at__gt=now - silence_after(), enrolled_at__isnull=False)
    return Toolbox.objects.filter((reporting & Q(shown_silent=True)) | (~reporting & Q(shown_silent=False)))


def some_toolbox_reports() -> bool:
    """Whether any toolbox of anyone has reported lately."""
    return Toolbox.objects.filter(last_seen_at__gt=timezone.now() - silence_after()).exists()
