"""Celery tasks."""

from __future__ import annotations

import logging

from celery import shared_task

from accounts.audit import chain

logger = logging.getLogger(__name__)


@shared_task(name="accounts.check_audit")
def check_audit() -> None:
    """Walk the audit's chain, so that pages can say how far it is known to be sound."""
    verdict, _ = chain.check()
    if verdict.broken:
        logger.error("The audit is broken: %s", verdict.broken.sentence)
