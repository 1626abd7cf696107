"""What a server asks in the middle of a call (MCP elicitation and sampling): put to whoever answers it, within limits.

The time that this takes is none of the call's own (`TOOL_CALL_TIMEOUT_SECONDS`): each question has `QUESTION_SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from agentopia.lib.errors import AgentopiaError
from agents.calling.receipt import GRACE
from agents.calling.rows import asked
from agents.models import ToolCall
from dtma_client import McpError

ELICITATION = "elicitation/create"
SAMPLING = "sampling/createMessage"
OFFERED = (ELICITATION, SAMPLING)
MOST_OF_A_CALL = 20
URL_REQUIRED = -32042
"""A call that is refused until its user has been to an address (MCP 2025-11-25, URL mode)."""
MOST_ADDRESSES = 5
LONGEST, LONGEST_ADDRESS = 50_000, 2_000
INVALID_PARAMS = -32602
REFUSED = -32000

type OnQuestion = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Takes the method (`ELICITATION` or `SAMPLING`) and the params of the server's request, and gives its result as MCP defines it; None: it
is not offered. An `AgentopiaError` is the reason why there is no answer. It is cancelled where the answer is not wanted any more: the call
was stopped, its server changed its mind, or the time is over.
"""


class Questions:
    """Those of one call."""

    def __init__(self, call_id: UUID, on_question: OnQuestion) -> None:
        self._call_id, self._on_question = call_id, on_question
        self._count = 0

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """As `dtma_client.QuestionCallback`."""
        if method not in OFFERED:
            return None
        self._count += 1
        if self._count > MOST_OF_A_CALL:
            raise McpError(REFUSED, f"A call may ask {MOST_OF_A_CALL} times.")
        if method == ELICITATION:
            _check(params)
        try:
            await asked(_put_off_the_end, self._call_id)
            async with asyncio.timeout(settings.QUESTION_SECONDS):
                return await self._on_question(method, params)
        except TimeoutError:
            if method == ELICITATION:
                return {"action": "cancel"}
            raise McpError(REFUSED, "There was no answer in time.") from None
        except AgentopiaError as error:
            raise McpError(REFUSED, error.message) from error

    async def went_there(self, error: McpError) -> bool:
        """Whether the error wants the user to go somewhere first, and the user did: then the call can be made again."""
        wanted = error.data.get("elicitations") if error.rpc_code == URL_REQUIRED and isinstance(error.data, dict) else None
        addresses = [each for each in wanted if isinstance(each, dict)] if isinstance(wanted, list) else []
        for params in addresses[:MOST_ADDRESSES]:
            answer = await self.answer(ELICITATION, {**params, "mode": "url"})
            if answer is None or answer.get("action") != "accept":
                return False
        return bool(addresses)


def _check(params: dict[str, Any]) -> None:
    """Raise `McpError` where this is nothing that a person can be shown."""
    if len(json.dumps(params)) > LONGEST:
        raise McpError(INVALID_PARAMS, f"A question has at most {LONGEST:,} characters.")
    if params.get("mode", "form") == "url":
        address = params.get("url")
        if not isinstance(address, str) or urlsplit(address).scheme not in ("http", "https") or len(address) > LONGEST_ADDRESS:
            raise McpError(INVALID_PARAMS, f"An address begins with https:// or http://, and has at most {LONGEST_ADDRESS:,} characters.")
        return
    schema = params.get("requestedSchema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(fields, dict) or not all(isinstance(field, dict) for field in fields.values()):
        raise McpError(INVALID_PARAMS, "The requestedSchema of a form is an object with properties.")


def _put_off_the_end(call_id: UUID) -> None:
    """The receipt is not closed for its age while somebody is asked."""
    until = timezone.now() + timedelta(seconds=settings.QUESTION_SECONDS + settings.TOOL_CALL_TIMEOUT_SECONDS) + GRACE
    ToolCall.objects.filter(pk=call_id, ended_at=None).update(deadline=Greatest(F("deadline"), until))
