"""An agent's toolset has changed: its version grows with the change, and whoever holds the old one is told once that is committed."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from agents.models import Agent
from agents.toolsets import news


@transaction.atomic
def touch(
    *,
    agent_ids: Collection[UUID] = (),
    server_ids: Collection[UUID] = (),
    toolbox_ids: Collection[UUID] = (),
    owner_id: int | None = None,
) -> None:
    """The toolsets of these agents, of those with a grant for these servers or for servers on these toolboxes, and of all of an owner's
    agents are not what they were. To be called within the transaction that changes them, once its rows are written.
    """
    concerned = Q(pk__in=agent_ids)
    if server_ids:
        concerned |= Q(grants__server__in=server_ids)
    if toolbox_ids:
        concerned |= Q(grants__server__toolbox__in=toolbox_ids)
    if owner_id is not None:
        concerned |= Q(owner=owner_id)
    _raise_versions(concerned)


def note_expiry(agent_id: UUID, version: int) -> None:
    """A grant ended by the clock. Of all processes that see it, one raises the version that they had."""
    with transaction.atomic():
        if Agent.objects.filter(pk=agent_id, version=version).update(version=version + 1):
            transaction.on_commit(partial(news.tell, {agent_id: version + 1}))


def tell_gone(agent_id: UUID, version: int) -> None:
    """An agent was deleted, within the caller's transaction: nobody goes on with what they know of it."""
    transaction.on_commit(partial(news.tell, {agent_id: version + 1}))


def _raise_versions(concerned: Q) -> None:
    ids = Agent.objects.filter(concerned).order_by().values("pk")
    # Held in one order by everybody, so that two transactions cannot wait for each other.
    rows = Agent.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    versions = {agent_id: version + 1 for agent_id, version in rows.values_list("pk", "version")}
    if versions:
        Agent.objects.filter(pk__in=versions).update(version=F("version") + 1)
        transaction.on_commit(partial(news.tell, versions))
