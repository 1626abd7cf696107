"""The ledger comes into being with what existing runs used."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from agents.models import Agent
from chat.models import Conversation, ModelUsage, Run
from tests.chat.conftest import run_in
from tests.chat.providers.conftest import AddProvider

BEFORE = [("chat", "0002_search")]


def migrate(to: list[tuple[str, str]] | None = None) -> None:
    """To the newest ones, unless told otherwise."""
    executor = MigrationExecutor(connection)
    executor.migrate(to or executor.loader.graph.leaf_nodes())


@pytest.mark.django_db
def test_the_migrations_are_complete() -> None:
    call_command("makemigrations", "--check", "--dry-run", "chat")


@pytest.mark.django_db(transaction=True)
def test_what_runs_used_is_carried_over(user: User, agent: Agent, conversation: Conversation, add: AddProvider) -> None:
    provider = add("Mine")
    priced = run_in(conversation, provider=provider, model="big", requests=3, input_tokens=70, output_tokens=7, cost_usd=Decimal("0.25"))
    orphan = run_in(conversation, model="former", requests=1)
    run_in(conversation)
    try:
        migrate(BEFORE)
    finally:
        migrate()
    rows = list(ModelUsage.objects.order_by("requests"))
    assert [(row.run_id, row.provider_id, row.provider_name, row.cost_usd) for row in rows] == [
        (orphan.pk, None, "", None), (priced.pk, provider.pk, "Mine", Decimal("0.25")),
    ]  # fmt: skip
    carried = rows[1]
    assert (carried.owner, carried.agent, carried.agent_name, carried.model) == (user, agent, "Helper", "big")
    assert (carried.requests, carried.input_tokens, carried.output_tokens) == (3, 70, 7)
    assert carried.created_at == Run.objects.get(pk=priced.pk).created_at
