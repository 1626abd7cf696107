"""Whose API token this is: asked alike by the REST API and the gateway.

TokenRefused      401  it is not known, was revoked, or its time is over
TooManyAttempts   429  too many wrong ones came from this address (`accounts.pauses`)
"""

from __future__ import annotations

from django.utils import timezone

from accounts import audit, pauses
from accounts.acting import acting_now
from accounts.addresses import network_of
from accounts.models import ApiToken
from accounts.services import note_token_use
from agentopia.lib.errors import AgentopiaError

LONGEST = 200


class TokenRefused(AgentopiaError):
    """This token lets nobody in."""

    code = "authentication_failed"
    http_status = 401


def checked_token(credentials: str) -> ApiToken:
    """The token, with its ``user``, and its use noted; raises `TokenRefused`, `TooManyAttempts` and `Unavailable`.

    Wrong ones are counted for the address that acts now. During a pause that is all that a wrong one is told; a right one is let in still,
    since the programs of one address are not one program.
    """
    token = None
    if len(credentials) <= LONGEST:
        known = ApiToken.objects.select_related("user").filter(user__is_active=True)
        token = known.filter(digest=ApiToken.digest_of(credentials)).first()
    if token is None:
        note_wrong_token()
        message = "This API token is not known. Make one on the page “API tokens”, or with `python manage.py create_api_token EMAIL`."
        raise TokenRefused(message)
    if token.expires_at is not None and token.expires_at <= timezone.now():
        raise expired()
    note_token_use(token=token)
    return token


def expired() -> TokenRefused:
    """What a token is told whose time is over."""
    return TokenRefused("The time of this API token is over. Make a new one on the page “API tokens”.", code="token_expired")


def note_wrong_token() -> None:
    """Count a wrong one for the address that acts now; raises `TooManyAttempts` during a pause, and `Unavailable`."""
    attempt = pauses.Attempt(pauses.TOKENS, network_of(acting_now().address))
    attempt.begin()
    if attempt.paused:
        audit.record(
            action="token.refused", target=audit.Target("apitoken"), owner=None, summary="Many wrong API tokens came from one address."
        )
