"""Certificates of toolboxes: given, renewed, revoked."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from toolboxes.identity.authority import PublicKey, certificate_authority, key_of_request
from toolboxes.models import Certificate, Toolbox, ToolboxEvent
from toolboxes.services import events

BACKDATED = timedelta(minutes=5)


def give_certificate(*, toolbox: Toolbox, public_key: PublicKey) -> str:
    """Sign a certificate (PEM) for a toolbox; it is on record before anybody can show it."""
    life = timedelta(days=settings.TOOLBOX_CERTIFICATE_DAYS)
    # Only control planes judge it by their clocks; and the toolbox tells by its length when to renew it.
    signed = certificate_authority().sign(public_key, toolbox.identity, life, backdated=min(BACKDATED, life / 20))
    Certificate.objects.create(toolbox=toolbox, serial=signed.serial, not_before=signed.not_before, not_after=signed.not_after)
    return signed.pem


@transaction.atomic
def renew_certificate(*, certificate: Certificate, request: str) -> str:
    """The certificate (PEM) that follows another one, which stays valid until its own end. Raises `InvalidInput`."""
    public_key = key_of_request(request)
    toolbox = certificate.toolbox
    pem = give_certificate(toolbox=toolbox, public_key=public_key)
    Certificate.objects.filter(toolbox=toolbox, not_after__lt=timezone.now() - timedelta(days=60)).delete()
    events.record(toolbox=toolbox, kind="certificate_renewed", text="Its certificate was renewed.")
    return pem


@transaction.atomic
def revoke_certificates(*, toolbox: Toolbox, reason: str) -> int:
    """Let none of a toolbox's certificates count any more, from this moment: it is neither heard nor called. Returns how many did count."""
    now = timezone.now()
    revoked = Certificate.objects.filter(toolbox=toolbox, revoked_at=None).update(revoked_at=now)
    toolbox.enrolment_tokens.filter(withdrawn_at=None).update(withdrawn_at=now)  # used ones too: their host could use them again
    Toolbox.objects.filter(pk=toolbox.pk).update(url="", enrolled_at=None)
    toolbox.url, toolbox.enrolled_at = "", None
    if revoked:
        events.record(
            toolbox=toolbox, kind="revoked", text=f"Its certificates were revoked: {reason}", severity=ToolboxEvent.Severity.WARNING
        )
        audit.record(action="toolbox.revoked", target=toolbox, owner=toolbox.owner_id, summary=f"Its certificates were revoked: {reason}")
    return revoked
