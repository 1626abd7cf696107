"""An exchange that needs no server: its answer is known already."""

from __future__ import annotations

from mcp_protocol.messages import Message


class Answered:
    """Yields one response (an ``Exchange``)."""

    def __init__(self, response: Message) -> None:
        self._response = response

    async def next(self) -> Message:
        """The response."""
        return self._response

    async def answer(self, response: Message) -> None:
        """Nothing was asked."""

    async def cancel(self, reason: str) -> None:
        """Nothing is open."""
