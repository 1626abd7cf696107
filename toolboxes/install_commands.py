"""The install command of a toolbox, kept for the browser that asked for it: what is stored of the token itself is only its hash.

It is kept encrypted in the session until the token expires, so that a reload shows it again, and no other browser does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from agentopia.lib.crypto import decrypt, encrypt
from toolboxes.models import EnrolmentToken, Toolbox
from toolboxes.services.enrolment import NewToken

KEY = "install-command-"


@dataclass(frozen=True)
class Command:
    """A command that can still be used."""

    text: str
    expires_at: datetime


def keep(session: SessionBase, toolbox_id: UUID, made: NewToken) -> None:
    """Remember the command in this browser's session; those that are over are forgotten."""
    now = timezone.now().timestamp()
    for name in [name for name in session.keys() if name.startswith(KEY) and session[name]["until"] < now]:  # noqa: SIM118
        del session[name]
    until = made.expires_at.timestamp()
    session[f"{KEY}{toolbox_id}"] = {"sealed": encrypt([made.command, EnrolmentToken.digest_of(made.token)]), "until": until}


def kept(session: SessionBase, toolbox: Toolbox) -> Command | None:
    """The command that this browser asked for, while its token can be used; else None."""
    entry = session.get(f"{KEY}{toolbox.pk}")
    if entry is None:
        return None
    try:
        text, digest = decrypt(entry["sealed"])
    except InvalidToken:  # the keys were changed since
        return None
    token = EnrolmentToken.objects.filter(toolbox=toolbox, digest=digest).first()
    return Command(text, token.expires_at) if token is not None and token.is_open() else None
