"""Writes: users and their tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound

TOKEN_PREFIX = "agt_"
DEMO_EMAIL = "demo@agentopia.local"
LONGEST_NAME = 100
MOST_TOKENS = 100
MOST_PER_MINUTE = 100_000
LAST_USED_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True)
class MadeToken:
    """A token just made. ``text`` is the token itself, which is known this once."""

    text: str = field(repr=False)
    row: ApiToken


def create_api_token(*, user: User, name: str) -> str:
    """Make a token for everything that its user may do, and return it; raises as `make_token` does."""
    return make_token(user=user, name=name).text


@transaction.atomic
def make_token(
    *,
    user: User,
    name: str,
    scope: ApiToken.Scope = ApiToken.Scope.ACCOUNT,
    expires_at: datetime | None = None,
    calls_per_minute: int | None = None,
    summary: str = "",
) -> MadeToken:
    """Make a token. Raises `InvalidInput` for what cannot be (no name, an end that has passed), and `Conflict` for one too many.

    One for agents lets nobody in until it is told for which: `agents.services.tokens`.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise _invalid("name", f"Say what the token is for, in at most {LONGEST_NAME} characters.")
    if expires_at is not None and expires_at <= timezone.now():
        raise _invalid("expires_at", "Choose an end that is still to come.")
    if calls_per_minute is not None and not 1 <= calls_per_minute <= MOST_PER_MINUTE:
        raise _invalid("calls_per_minute", f"Choose from 1 to {MOST_PER_MINUTE} calls a minute, or no limit.")
    User.objects.select_for_update().get(pk=user.pk)  # else many at once would be too many
    if user.api_tokens.count() >= MOST_TOKENS:
        raise Conflict(f"You have {MOST_TOKENS} tokens. Revoke those that are not used any more.", code="too_many_tokens")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user,
        name=name,
        digest=ApiToken.digest_of(text),
        hint=text[:10],
        scope=scope,
        expires_at=expires_at,
        calls_per_minute=calls_per_minute,
    )
    audit.record(action="token.made", target=row, owner=user, summary=summary)
    return MadeToken(text, row)


def _invalid(name: str, problem: str) -> InvalidInput:
    return InvalidInput(problem, fields={name: problem})


@transaction.atomic
def revoke_api_token(*, user: User, token_id: int) -> str:
    """Let one of the user's tokens count no more, from this moment; returns its name. Raises `NotFound`."""
    token = user.api_tokens.filter(pk=token_id).first()
    if token is None:
        raise NotFound("You have no such token; it may have been revoked already.", code="token_not_found")
    audit.record(action="token.revoked", target=token, owner=user)
    token.delete()
    return token.name


def note_password_change(*, user: User) -> None:
    """Record, within the caller's transaction, that a user's password was changed."""
    audit.record(action="user.password_changed", target=user, owner=user, changes={"password": audit.SECRET})


def note_token_use(*, token: ApiToken) -> None:
    """Remember that a token was used, at most once a minute, so that reads do not become writes."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_RESOLUTION:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


@transaction.atomic
def ensure_demo_user() -> str | None:
    """Make the demo user on the first start. Returns its password then, None when it exists already."""
    if User.objects.filter(email=DEMO_EMAIL).exists():
        return None
    password = secrets.token_urlsafe(12)
    user = User.objects.create_superuser(DEMO_EMAIL, password, name="Demo")
    audit.record(action="user.added", target=user, owner=user, summary="The demo user of the first start")
    return password
