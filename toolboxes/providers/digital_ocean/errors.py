"""DigitalOcean's errors, as errors that a person can act on.

AgentopiaError
├── TokenRefused    401  the token is not accepted any more
├── ScopeMissing    403  the token may not do this
├── Refused         4xx  what was asked cannot be had; ``status`` is the HTTP status
│   └── QuotaReached     the account holds as many droplets as it may
├── TryLater        429  the account's rate limit; ``seconds`` says when to ask again
└── Unavailable     5xx, or no answer: whether the work was done is not known
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from agentopia.lib.errors import AgentopiaError, Unavailable
from toolboxes.providers.base import TryLater

LONGEST_PAUSE = 3600.0
RATE_PAUSE = 60.0
LIMIT_PAGE = "https://cloud.digitalocean.com/account/team/droplet_limit_increase"


class TokenRefused(AgentopiaError):
    """DigitalOcean does not know the token."""

    code = "token_refused"
    http_status = 502


class ScopeMissing(AgentopiaError):
    """The token may not do this."""

    code = "scope_missing"
    http_status = 502


class Refused(AgentopiaError):
    """DigitalOcean will not do it, now or later."""

    code = "refused"
    http_status = 502

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class QuotaReached(Refused):
    """The account holds as many droplets as it may."""

    code = "quota"


def error_of(status: int, headers: Mapping[str, str], body: Mapping[str, Any], scope: str) -> AgentopiaError:
    """What an answer with this status means; ``scope`` is what the request needs."""
    said = str(body.get("message", ""))[:300].rstrip(".")
    if status == 401:
        return TokenRefused(
            "DigitalOcean does not accept the token: it was deleted or has expired. Replace it on the page of cloud accounts."
        )
    if status == 403:
        return ScopeMissing(f"The token may not do this: it lacks the scope {scope}. Make one with all scopes, and replace it.")
    if status == 429:
        return TryLater("DigitalOcean's limit of requests per token is reached.", _pause(headers))
    if status >= 500 or status == 408:
        return Unavailable(f"DigitalOcean has a problem (HTTP {status}).", code="cloud_unavailable")
    if "exceed your droplet limit" in said:
        return QuotaReached(
            "The account holds as many droplets as DigitalOcean allows it. "
            f"Destroy one, or ask for a higher limit at {LIMIT_PAGE}. Then try again.",
            status=status,
        )
    return Refused(f"DigitalOcean refused it: {said or f'HTTP {status}'}.", status=status)


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds until the next request can succeed: ``retry-after`` for bursts, else ``ratelimit-reset`` by DigitalOcean's own clock."""
    if (given := headers.get("retry-after", "")).isdigit():
        return min(max(float(given), 1.0), LONGEST_PAUSE)
    if (reset := headers.get("ratelimit-reset", "")).isdigit():
        return min(max(float(reset) - _their_now(headers), 1.0), LONGEST_PAUSE)
    return RATE_PAUSE


def _their_now(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return time.time()
