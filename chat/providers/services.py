"""Providers are added, changed, tested and removed. A key goes in and never comes out. Without an owner a provider is shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.models import User
from agentopia.lib.deadlocks import over_deadlocks
from agentopia.lib.errors import Conflict, InvalidInput
from chat.models import ModelProvider
from chat.providers import KINDS, kind_of
from chat.providers.fields import clean_key, leads_elsewhere, set_fields
from chat.providers.selectors import key_of, own_provider
from chat.providers.trying import Outcome, tried

MOST_PROVIDERS = 50
MOST_TRIES = 5
TESTED = ("base_url", "default_model")


class ProviderFields(TypedDict, total=False):
    """What is said of a provider. An empty ``base_url`` is the kind's own; an empty ``api_key`` is none.

    ``context_tokens`` is for the OpenAI-compatible kind alone, ``budget_usd`` for shared ones.
    """

    name: str
    base_url: str
    default_model: str
    context_tokens: int | None
    enabled: bool
    budget_usd: Decimal | None
    api_key: str


@dataclass(frozen=True)
class Kept:
    """A provider as it is now, and what came of its test; None where there was nothing to test."""

    provider: ModelProvider
    outcome: Outcome | None


@sensitive_variables()
def add_provider(
    *, owner: User | None, kind: str, untested: bool = False, by: User | None = None, **fields: Unpack[ProviderFields]
) -> Kept:
    """Test a provider and keep it. Raises `InvalidInput` and `NoAnswer` where the test fails, unless it is kept ``untested`` (with the
    failure told), `Conflict` for a name that is taken or one too many, `TooManyTests`.
    """
    if kind not in KINDS or (owner is not None and not KINDS[kind].presets):
        known = ", ".join(key for key, one in KINDS.items() if one.presets)
        raise InvalidInput(f"There is no kind “{kind}”: choose one of {known}.", fields={"kind": "Unknown."})
    provider = ModelProvider(owner=owner, kind=kind)
    key = clean_key(fields.pop("api_key", ""))
    set_fields(provider, {"name": "", **fields})
    outcome = _outcome(provider, key, owner or by, untested=untested)
    _set_key(provider, key)
    _told(provider, outcome)
    with _taken_name_told(), transaction.atomic():
        if owner is not None:
            User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # two at once must not both be the last that there is room for
            if ModelProvider.objects.filter(owner=owner).count() >= MOST_PROVIDERS:
                raise Conflict(f"You have {MOST_PROVIDERS} providers. Delete those that are not used any more.", code="too_many_providers")
        provider.save(force_insert=True)
        audit.record(action="model_provider.added", target=provider, owner=owner, summary=kind_of(provider).label)
    return Kept(provider, outcome)


@sensitive_variables()
def change_provider(
    *, owner: User | None, provider_id: UUID | str, untested: bool = False, by: User | None = None, **fields: Unpack[ProviderFields]
) -> Kept:
    """Change what is given; it is tested where that matters. Raises `NotFound`, and as `add_provider` does; nothing is changed then."""
    provider = own_provider(owner, provider_id)
    before = provider.base_url
    new_key = clean_key(fields.pop("api_key")) if "api_key" in fields else None
    changes = set_fields(provider, dict(fields))
    if new_key is None and provider.key_set_at is not None and leads_elsewhere(before, provider):
        problem = "Enter the key again: the one that is kept is not sent to another address."
        raise InvalidInput(problem, code="key_missing", fields={"api_key": problem})
    kept_key = key_of(provider)
    if new_key == kept_key:
        new_key = None
    outcome = None
    if new_key is not None or changes.keys() & set(TESTED):
        outcome = _outcome(provider, kept_key if new_key is None else new_key, owner or by, untested=untested)
    if new_key is not None:
        changes["api_key"] = ["set" if kept_key else None, ("changed" if kept_key else "set") if new_key else None]
        _set_key(provider, new_key)
    _told(provider, outcome)
    with _taken_name_told(), transaction.atomic():
        provider.save(update_fields=_saved(changes, outcome))
        if changes:
            audit.record(action="model_provider.changed", target=provider, owner=owner, changes=changes)
    return Kept(own_provider(owner, provider_id), outcome)


def retest_provider(*, owner: User | None, provider_id: UUID | str, by: User | None = None) -> Kept:
    """Test one as it is, and keep what came of it. Raises `NotFound` and `TooManyTests`; a test that fails is told, and not raised."""
    provider = own_provider(owner, provider_id)
    outcome = tried(provider, key_of(provider), by=owner or by)
    ModelProvider.objects.filter(pk=provider.pk).update(**outcome.fields)
    return Kept(own_provider(owner, provider_id), outcome)


@over_deadlocks
def remove_provider(*, owner: User | None, provider_id: UUID | str) -> None:
    """Forget a provider and its key; agents that chose it do so no more. What it cost stays told. Raises `NotFound`."""
    for _ in range(MOST_TRIES - 1):
        with suppress(IntegrityError):  # in this moment a run began to use it
            return _remove(owner, provider_id)
    return _remove(owner, provider_id)


@transaction.atomic
def _remove(owner: User | None, provider_id: UUID | str) -> None:
    provider = own_provider(owner, provider_id)
    audit.record(action="model_provider.removed", target=provider, owner=owner)
    provider.delete()


def _outcome(provider: ModelProvider, key: str, by: User | None, *, untested: bool) -> Outcome:
    outcome = tried(provider, key, by=by)
    if outcome.error is not None and not untested:
        raise outcome.error
    return outcome


def _set_key(provider: ModelProvider, key: str) -> None:
    provider.api_key = key or None
    provider.key_set_at = timezone.now() if key else None


def _told(provider: ModelProvider, outcome: Outcome | None) -> None:
    for name, value in (outcome.fields if outcome else {}).items():
        setattr(provider, name, value)


def _saved(changes: dict[str, Any], outcome: Outcome | None) -> list[str]:
    key = ["key_set_at"] if "api_key" in changes else []
    return [*changes, *key, *(outcome.fields if outcome else ()), "updated_at"]


@contextmanager
def _taken_name_told() -> Iterator[None]:
    """The database's refusal of a name as a sentence."""
    try:
        yield
    except IntegrityError as error:
        if "provider_name_unique_to_owner" not in str(error):
            raise
        message = "Another provider has this name. Choose another."
        raise Conflict(message, code="name_taken", fields={"name": "Taken."}) from None
