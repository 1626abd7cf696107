"""Accounts with cloud providers: a token is tested before it is kept, and is never shown again."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput
from toolboxes.job_selectors import cloud_account_for
from toolboxes.models import CloudAccount
from toolboxes.providers import provider_named
from toolboxes.providers.base import AccountFacts, Accounts


def add_account(*, owner: User, provider: str, token: str, label: str = "") -> CloudAccount:
    """Test a token with the provider and keep it. Raises `InvalidInput` where it does not do, `Conflict` where the account is there."""
    facts = _kind(provider).test(_clean(token))
    try:
        with transaction.atomic():
            account = CloudAccount.objects.create(
                owner=owner,
                provider=provider,
                label=(label.strip() or facts.team or facts.email)[:80],
                email=facts.email,
                team=facts.team,
                identity=facts.identity,
                token=_clean(token),
                tested_at=timezone.now(),
            )
            audit.record(action="cloud_account.added", target=account, owner=owner, summary=_whose(facts))
            return account
    except IntegrityError:
        problem = f"You have added the account of {_whose(facts)} already. Replace its token there."
        raise Conflict(problem, code="account_exists", fields={"token": problem}) from None


def replace_token(*, owner: User, account_id: UUID, token: str) -> CloudAccount:
    """Use another token of the same account from now on. Raises `NotFound`, and `InvalidInput` where it does not do."""
    account = cloud_account_for(owner, account_id)
    facts = _kind(account.provider).test(_clean(token))
    if facts.identity != account.identity:
        problem = f"This token belongs to another account, that of {_whose(facts)}: the machines of this one could not be reached with it."
        raise InvalidInput(problem, fields={"token": problem})
    account.token, account.email, account.team, account.tested_at = _clean(token), facts.email, facts.team, timezone.now()
    with transaction.atomic():
        account.save(update_fields=("token", "email", "team", "tested_at"))
        audit.record(action="cloud_account.token_replaced", target=account, owner=owner, changes={"token": audit.SECRET})
    return account


@transaction.atomic
def remove_account(*, owner: User, account_id: UUID) -> None:
    """Forget an account and its token. Machines made with it are left as they are, and no longer watched. Raises `NotFound`."""
    account = cloud_account_for(owner, account_id)
    audit.record(action="cloud_account.removed", target=account, owner=owner)
    account.delete()


def _kind(provider: str) -> Accounts:
    kind = provider_named(provider).accounts
    if kind is None:
        raise InvalidInput("Toolboxes of this provider need no account.")
    return kind


def _clean(token: str) -> str:
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        problem = "That is not a token: it has no spaces and no special characters."
        raise InvalidInput(problem, fields={"token": problem})
    return token


def _whose(facts: AccountFacts) -> str:
    return f"{facts.team} ({facts.email})" if facts.team else facts.email
