"""A test of a provider on behalf of a user: no more often than a person needs, and without a connection to the database held meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import AgentopiaError
from chat.models import ModelProvider
from chat.providers import kind_of
from chat.providers.asking import Target
from chat.providers.reaching import reaching_for
from chat.providers.testing import SECONDS, try_out

CACHE_KEY = "chat:provider-tests"
MOST_PER_MINUTE = 20
LONGEST_ERROR = 500


class TooManyTests(AgentopiaError):
    """So many tests within a minute look for something else than a provider."""

    code = "too_many_tests"
    http_status = 429
    retryable = True


@dataclass(frozen=True)
class Outcome:
    """What came of a test; ``error`` is None where it succeeded."""

    error: AgentopiaError | None
    models: list[str]
    note: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """What a provider's row keeps of it; the models of before stay where it failed."""
        told = {"tested_at": timezone.now(), "test_error": self.error.message[:LONGEST_ERROR] if self.error else ""}
        return told if self.error else {**told, "models_known": self.models}


def tried(provider: ModelProvider, api_key: str, *, by: User | None, seconds: float = SECONDS) -> Outcome:
    """Test a provider, saved or not, with this key. Raises `TooManyTests`."""
    if by is not None:
        _count(by)
    kind = kind_of(provider)
    target = Target(kind, provider.base_url or kind.base_url, api_key, reaching_for(provider))
    if not connection.in_atomic_block:
        connection.close()  # back to the pool: others need it while this waits for somebody else
    try:
        tested = try_out(target, provider.default_model, seconds=seconds)
    except AgentopiaError as error:
        return Outcome(error, [])
    return Outcome(None, tested.models, tested.note)


def _count(user: User) -> None:
    key = f"{CACHE_KEY}:{user.pk}"
    cache.add(key, 0, 60)
    try:
        count = cache.incr(key)
    except ValueError:  # the minute ended in between
        return
    if count > MOST_PER_MINUTE:
        raise TooManyTests(f"More than {MOST_PER_MINUTE} tests within a minute. Wait a minute, and try again.")
