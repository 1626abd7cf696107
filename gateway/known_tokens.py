"""The tokens that this process has seen lately, so that a call need not ask the database for its token.

A token is looked up anew after `FRESH_SECONDS` at the latest, and at the next call after it was revoked or changed: that is announced to
every process. Where announcements cannot be heard, nothing is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone

from accounts.models import ApiToken
from accounts.token_announcements import CHANNEL
from accounts.token_check import TokenRefused, checked_token, expired, note_wrong_token
from agentopia.lib.announcements import Following
from agents.models import AgentToken
from gateway.access_tokens import verified

FRESH_SECONDS = 5.0
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that counts. ``agents`` are those that it is for; None: all of its user's."""

    id: int | None
    """Of an API token; None for an access token of another issuer."""
    user_id: int
    name: str
    per_minute: int | None
    expires_at: datetime | None
    agents: frozenset[UUID] | None
    until: float
    """When it is looked up anew (`time.monotonic`)."""
    scopes: frozenset[str] | None = None
    """What an access token was given for; None for an API token."""


_kept: dict[str, KnownToken] = {}
_asked: dict[str, asyncio.Task[KnownToken]] = {}


def _heard(user_id: str) -> None:
    """Something about this user's tokens has changed. A lookup that is under way may have read what was before: it is not kept."""
    for digest in [digest for digest, token in _kept.items() if str(token.user_id) == user_id]:
        del _kept[digest]
    _asked.clear()


def _forget() -> None:
    _kept.clear()
    _asked.clear()


_following = Following(CHANNEL, _heard, _forget)


@asynccontextmanager
async def following() -> AsyncIterator[None]:
    """Keep tokens for as long as this is entered, once per process."""
    async with _following.listening():
        yield


def kept_token(credentials: str, audiences: tuple[str, ...] = ()) -> KnownToken | None:
    """What was looked up lately, if it was; raises `TokenRefused` where it has expired since."""
    token = _kept.get(_digest_of(credentials, audiences))
    return None if token is None or token.until < time.monotonic() else _checked(token)


async def known_token(credentials: str) -> KnownToken:
    """The API token; raises as `accounts.token_check.checked_token` does."""
    return _checked(await _looked_up(_digest_of(credentials), partial(_read, credentials)))


async def known_access_token(credentials: str, audiences: tuple[str, ...]) -> KnownToken:
    """The access token for one of these addresses; raises as `gateway.access_tokens.verified` does, and `TooManyAttempts`."""
    return _checked(await _looked_up(_digest_of(credentials, audiences), partial(_verify, credentials, audiences)))


def _digest_of(credentials: str, audiences: tuple[str, ...] = ()) -> str:
    return ApiToken.digest_of("\n".join((credentials, *audiences)))


def _checked(token: KnownToken) -> KnownToken:
    if token.expires_at is not None and token.expires_at <= timezone.now():
        raise expired()
    return token


async def _looked_up(digest: str, read: Callable[[], KnownToken]) -> KnownToken:
    """From the database; calls that come at once share one look."""
    task = _asked.get(digest)
    if task is None:
        task = asyncio.create_task(database_sync_to_async(read)())
        _asked[digest] = task
        task.add_done_callback(lambda done: _keep(digest, done))
    return await asyncio.shield(task)


def _keep(digest: str, done: asyncio.Task[KnownToken]) -> None:
    still_asked = _asked.get(digest) is done
    if still_asked:
        del _asked[digest]
    if done.cancelled() or done.exception() is not None or not still_asked or not _following.is_heard:
        return
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[digest] = done.result()


def _read(credentials: str) -> KnownToken:
    token = checked_token(credentials)
    agents = None
    if token.scope == ApiToken.Scope.AGENTS:
        agents = frozenset(AgentToken.objects.filter(token=token).values_list("agent_id", flat=True))
    until = time.monotonic() + FRESH_SECONDS
    return KnownToken(token.pk, token.user_id, token.name, token.calls_per_minute, token.expires_at, agents, until)


def _verify(credentials: str, audiences: tuple[str, ...]) -> KnownToken:
    try:
        token = verified(credentials, audiences, tuple(settings.AUTHORIZATION_SERVERS))
    except TokenRefused:
        note_wrong_token()
        raise
    until = time.monotonic() + FRESH_SECONDS
    return KnownToken(None, token.user_id, f"OAuth: {token.subject}"[:100], None, token.expires_at, None, until, token.scopes)
