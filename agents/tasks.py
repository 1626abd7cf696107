"""Celery tasks: one service each."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from celery import shared_task

from agents.approvals import deciding
from agents.calling import draining
from agents.selection import stored
from agents.services import calls


@shared_task(name="agents.close_interrupted_calls")
def close_interrupted_calls() -> None:
    """End the receipts of calls whose process died."""
    calls.close_interrupted_calls()


@shared_task(name="agents.forget_old_calls")
def forget_old_calls() -> None:
    """Delete receipts that are older than their user keeps them."""
    calls.forget_old_calls()


@shared_task(name="agents.expire_approvals")
def expire_approvals() -> None:
    """End approvals that nobody gave, or used, in time."""
    deciding.expire_due()


@shared_task(name="agents.drain_receipts")
def drain_receipts() -> None:
    """Take receipts out of the stream where no web process does."""
    async_to_sync(draining.drain_once)()


@shared_task(name="agents.read_tools")
def read_tools(server_id: str) -> None:
    """Read the texts of a server's tools, so that they are found by their meaning."""
    stored.read_tools_of(UUID(server_id))


@shared_task(name="agents.forget_old_readings")
def forget_old_readings() -> None:
    """Delete what was read of tools long ago."""
    stored.forget_old()
