"""Rented machines are compared with what their providers really have."""

from __future__ import annotations

import logging

from agentopia.lib.errors import AgentopiaError
from toolboxes.job_selectors import accounts_in_use
from toolboxes.providers import provider_named

logger = logging.getLogger(__name__)


def look_after_all() -> None:
    """Ask every account's provider. One that does not answer hides nothing of the others, and is asked again the next time."""
    for account in accounts_in_use():
        try:
            provider_named(account.provider).look_after(account)
        except AgentopiaError as error:
            logger.warning("The machines of cloud account %s could not be looked after: %s", account.pk, error.message)
