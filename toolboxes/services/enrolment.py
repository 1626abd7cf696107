"""Toolboxes are made, and hosts become them."""

from __future__ import annotations

import ipaddress
import itertools
import re
import secrets
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib import leases
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput
from dtma_wire import OLDEST_WIRE_VERSION, Enrol, Enrolled
from toolboxes.identity.authority import PublicKey, certificate_authority, digest_of_key, key_of_request
from toolboxes.models import EnrolmentToken, Toolbox
from toolboxes.services import events
from toolboxes.services.certificates import give_certificate, revoke_certificates

TOKEN_LIFE = timedelta(hours=1)
NAME = r"[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?"
HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"


class EnrolmentRefused(AgentopiaError):
    """A host may not become a toolbox; the message says what to do."""

    code = "enrolment_refused"
    http_status = 403


@dataclass(frozen=True)
class NewToken:
    """A token, known in this moment alone."""

    token: str = field(repr=False)
    command: str = field(repr=False)
    expires_at: datetime


def create_toolbox(*, owner: User, name: str, provider: Toolbox.Provider) -> Toolbox:
    """A toolbox that no host has become yet. Raises `InvalidInput` and, where the name is taken, `Conflict`."""
    name = name.strip()
    if not re.fullmatch(NAME, name) or len(name) > 63:
        problem = "A toolbox's name has at most 63 letters, digits, spaces, dots and hyphens, and begins and ends with a letter or digit."
        raise InvalidInput(problem, fields={"name": problem})
    try:
        with transaction.atomic():
            toolbox = Toolbox.objects.create(owner=owner, name=name, provider=provider)
            events.record(toolbox=toolbox, kind="created", text="It was added.")
            audit.record(action="toolbox.added", target=toolbox, owner=owner, summary=provider.label)
    except IntegrityError:
        problem = f"You have a toolbox “{name}” already. Choose another name."
        raise Conflict(problem, code="name_taken", fields={"name": problem}) from None
    return toolbox


@transaction.atomic
def this_machine(*, owner: User, url: str) -> Toolbox:
    """The owner's toolbox on this machine, made where it is missing; DTMA is to answer at ``url``."""
    toolbox = Toolbox.objects.select_for_update().filter(owner=owner, provider=Toolbox.Provider.THIS_MACHINE, deleted_at=None).first()
    if toolbox is None:
        name = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60].strip(".-") or "this-machine"
        taken = {taken.lower() for taken in Toolbox.objects.filter(owner=owner, deleted_at=None).values_list("name", flat=True)}
        free = next(each for each in itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2))) if each.lower() not in taken)
        toolbox = create_toolbox(owner=owner, name=free, provider=Toolbox.Provider.THIS_MACHINE)
    if toolbox.enrolled_at is not None and toolbox.url != url:
        toolbox.url = url
        toolbox.save(update_fields=("url",))
    return toolbox


@transaction.atomic
def new_token(*, toolbox: Toolbox, by: User | None = None) -> NewToken:
    """A one-time token with which a host can become this toolbox; those of before are withdrawn."""
    now = timezone.now()
    toolbox.enrolment_tokens.filter(used_at=None, withdrawn_at=None).update(withdrawn_at=now)
    token, expires_at = secrets.token_hex(24), now + TOKEN_LIFE  # no sign in it that a command line might take for an option
    EnrolmentToken.objects.create(toolbox=toolbox, digest=EnrolmentToken.digest_of(token), created_by=by, expires_at=expires_at)
    events.record(toolbox=toolbox, kind="token_made", text="An install command was made; it can be used once, within an hour.")
    audit.record(action="toolbox.token_made", target=toolbox, owner=toolbox.owner_id, summary="An install command was made")
    return NewToken(token, install_command(token), expires_at)


def install_command(token: str) -> str:
    """What a person pastes on the machine that is to become the toolbox."""
    return f"curl -fsSL {settings.PUBLIC_URL}/install/{token} | sudo sh -s -- --ca-fingerprint {certificate_authority().fingerprint}"


@transaction.atomic
def enrol(*, request: Enrol, peer: str) -> Enrolled:
    """Let the host that sent this, from the address ``peer``, become the toolbox of its token.

    Raises `EnrolmentRefused` for a token that does not count, `InvalidInput` for a request that cannot be used.
    """
    if request.wire_version < OLDEST_WIRE_VERSION:
        raise InvalidInput("This DTMA is too old for this control plane. Run the install command again: it brings the present one.")
    public_key = key_of_request(request.request)
    token = _redeem(request.token.get_secret_value(), public_key)
    toolbox = Toolbox.objects.select_for_update().get(pk=token.toolbox_id)
    if toolbox.deleted_at is not None:
        raise EnrolmentRefused("This toolbox was removed. Add a new one and use its install command.", code="toolbox_deleted")
    local = toolbox.provider == Toolbox.Provider.THIS_MACHINE  # whatever address the intake is reached under
    url = _url("127.0.0.1" if local else request.address or peer, request.port)
    if token.used_at is None:
        now = timezone.now()
        token.used_at, token.public_key = now, digest_of_key(public_key)
        revoke_certificates(toolbox=toolbox, reason="a host enrolled anew.")
        token.save(update_fields=("used_at", "public_key", "withdrawn_at"))  # this token alone goes on counting
        toolbox.url, toolbox.enrolled_at, toolbox.epoch, toolbox.sequence = url, now, 0, 0
        toolbox.last_seen_at = None  # what is known of the toolbox was another host's, or from before
        toolbox.save(update_fields=("url", "enrolled_at", "epoch", "sequence", "last_seen_at"))
        leases.hasten(toolbox.jobs.all())
        told = f"The host {request.hostname or peer} enrolled; it answers at {url}."
        events.record(toolbox=toolbox, kind="enrolled", text=told)
        audit.record(action="toolbox.enrolled", target=toolbox, owner=toolbox.owner_id, summary=told)
    certificate = give_certificate(toolbox=toolbox, public_key=public_key)
    return Enrolled(toolbox=str(toolbox.pk), certificate=certificate, heartbeat_seconds=settings.HEARTBEAT_SECONDS)


def _redeem(text: str, public_key: PublicKey) -> EnrolmentToken:
    token = EnrolmentToken.objects.select_for_update().filter(digest=EnrolmentToken.digest_of(text)).first()
    if token is None:
        raise EnrolmentRefused("This install token is not known. Copy the whole command from the dashboard again.", code="token_unknown")
    if token.withdrawn_at is not None:
        raise EnrolmentRefused("This install token was replaced by a newer one. Use the newest command.", code="token_withdrawn")
    if timezone.now() >= token.expires_at:
        raise EnrolmentRefused(
            "This install token has expired: it is good for one hour. Make a new command in the dashboard.", code="token_expired"
        )
    if token.used_at is not None and token.public_key != digest_of_key(public_key):
        raise EnrolmentRefused(
            "This install token was used by another host already. If that was not you, revoke the toolbox; then make a new command.",
            code="token_used",
        )
    return token


def _url(address: str, port: int) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        if not re.fullmatch(HOST_NAME, address):
            raise InvalidInput(
                f"“{address}” is not an address at which a host can be reached.", fields={"address": "Not an address."}
            ) from None
        return f"https://{address}:{port}"
    return f"https://[{ip}]:{port}" if ip.version == 6 else f"https://{ip}:{port}"
