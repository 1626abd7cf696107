"""Celery tasks: one service each."""

from __future__ import annotations

from celery import shared_task

from agents import services


@shared_task(name="agents.close_interrupted_calls")
def close_interrupted_calls() -> None:
    """End the receipts of calls whose process died."""
    services.close_interrupted_calls()
