"""A call that waits for its owner's approval, as outside clients are told of it: by the means of the protocol that they have.

| client | is told |
|---|---|
| stateless, elicitation by URL | a result `input_required` that points to the page; it comes again with the `requestState` |
| handshake, elicitation by URL | `elicitation/create` on the open stream, which points to the page, while the call waits |
| wants progress | progress while the call waits |
| none of it | nothing for a while; then a result that is an error and says where to approve, after which the same call can be made again |
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.conf import settings

from agents.calling.errors import ApprovalPending
from agents.calling.types import Call, Waits
from gateway.requests import Request
from mcp_protocol.messages import Message, encode, notification, object_of
from mcp_protocol.versions import PRIMED_SINCE

SILENT_SECONDS = 45.0
"""Clients commonly give up a call after a minute in which they heard nothing."""
TICK_SECONDS = 5.0
QUESTION = "agentopia-approval-"
"""How the ids of our own questions begin."""


def page_of(approval_id: UUID) -> str:
    """Where it is decided."""
    return f"{settings.PUBLIC_URL}/approvals/{approval_id}/"


class Approving:
    """Tells one request's client that its call waits."""

    def __init__(self, request: Request, call: Call) -> None:
        self._request = request
        self._call = call
        self._by_url = "url" in object_of(request.capabilities.get("elicitation")) and request.takes_events
        self._ticking: asyncio.Task[None] | None = None

    @property
    def waits(self) -> Waits:
        """Where a decision is waited for. A client that came again waits here."""
        asks_by_result = self._request.stateless and self._by_url and self._call.approval is None
        return Waits.ELSEWHERE if asks_by_result else Waits.HERE

    @property
    def patience(self) -> float | None:
        """For so long at most; None: as long as the decision may take."""
        hears = self._request.takes_events and self._request.progress_token is not None
        return None if hears or (self._asks_on_stream and not self._request.stateless) else SILENT_SECONDS

    @property
    def _asks_on_stream(self) -> bool:
        session = self._request.session
        return self._by_url and session is not None and session.version >= PRIMED_SINCE

    async def end(self) -> None:
        """The client need hear no more of it."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking

    async def on_waiting(self, approval_id: UUID, until: datetime) -> None:
        """The call begins to wait."""
        if self._asks_on_stream:
            question = {
                "jsonrpc": "2.0",
                "id": f"{QUESTION}{approval_id}",
                "method": "elicitation/create",
                "params": self.asked(approval_id),
            }
            await self._request.answer.event(encode(question))
        if self._request.takes_events:
            self._ticking = asyncio.create_task(self._tick(page_of(approval_id)))

    async def _tick(self, page: str) -> None:
        token, passed = self._request.progress_token, 0
        text = f"Waiting for approval at {page}"
        while True:
            if token is not None:
                progress = {"progressToken": token, "progress": passed, "message": text}
                await self._request.answer.event(encode(notification("notifications/progress", progress)))
            else:
                await self._request.answer.ping()
            await asyncio.sleep(TICK_SECONDS)
            passed += 1

    def asked(self, approval_id: UUID) -> Message:
        """The elicitation by URL."""
        tool = self._call.tool
        name, server = (tool.tool_name, tool.server.name) if tool else (self._call.asked_for, self._call.server_name)
        return {
            "mode": "url",
            "elicitationId": str(approval_id),
            "url": page_of(approval_id),
            "message": f"Calling “{name}” of “{server}” needs your approval in Agentopia.",
        }

    def required(self, pending: ApprovalPending, state: str) -> Message:
        """The result that asks the client to let its user decide, and to come again."""
        question = {"method": "elicitation/create", "params": self.asked(pending.approval_id)}
        return {"resultType": "input_required", "inputRequests": {"approval": question}, "requestState": state}

    def can_come_again(self) -> bool:
        """Whether it is told by such a result."""
        return self._request.stateless and self._by_url

    def sentence(self, pending: ApprovalPending) -> str:
        """What a model is told that cannot be told otherwise."""
        page, until = page_of(pending.approval_id), pending.expires_at.strftime("%H:%M UTC")
        return (
            f"{pending.message} Ask the user to approve it at {page} until {until}, then call the tool again with the same arguments: "
            "it goes on with that approval."
        )
