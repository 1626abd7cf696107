"""Writes: users and their tokens."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiToken, User

TOKEN_PREFIX = "agt_"
DEMO_EMAIL = "demo@agentopia.local"
LAST_USED_RESOLUTION = timedelta(minutes=1)


def create_api_token(*, user: User, name: str) -> str:
    """Make a token and return it: the only time that it is known."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, name=name, digest=ApiToken.digest_of(token), hint=token[:10])
    return token


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
    User.objects.create_superuser(DEMO_EMAIL, password, name="Demo")
    return password
