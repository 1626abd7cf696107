"""A call of the handshake era at a server of the stateless era: what the server requires is asked, and the request sent again."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Any

from dtma.mcp.connection import Client, Connection, Exchange
from dtma.mcp.messages import SERVER_GONE
from dtma.mcp.questions import offers
from mcp_protocol.messages import INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND, Message, failure, is_response, meta_of, params_of
from mcp_protocol.versions import SERVER_INFO

MAX_ROUNDS = 10

_numbers = itertools.count(1)


class Rounds:
    """One call (an ``Exchange``). A message is lost to nobody who is cancelled while it waits for one."""

    def __init__(self, connection: Connection, exchange: Exchange, request: Message, owner: Client) -> None:
        self._connection = connection
        self._exchange = exchange
        self._request = request
        self._owner = owner
        self._rounds = 0
        self._to_ask: deque[Message] = deque()
        self._waiting: dict[Any, str] = {}
        """The ids of open questions, and the server's names for them."""
        self._answers: Message = {}
        self._again: Message | None = None
        """What is sent when all is answered."""
        self._failure: Message | None = None
        self._over = False
        self._changed = asyncio.Event()

    async def next(self) -> Message:
        """The next message: the server's questions as requests, at the end the response."""
        while True:
            if self._failure is not None:
                self._over = True
                return self._failure
            if self._to_ask:
                return self._to_ask.popleft()
            if self._waiting:
                self._changed.clear()
                await self._changed.wait()
            elif self._again is not None:
                self._exchange = await self._connection.open(self._again, self._owner)
                self._again = None
            elif not is_response(message := await self._exchange.next()):
                return message
            elif (required := _required(message)) is None:
                self._over = True
                return self._plain(message)
            else:
                self._require(required)

    async def answer(self, response: Message) -> None:
        """The client's answer to a question."""
        name = self._waiting.pop(response.get("id"), None)
        if name is None:
            return
        result = response.get("result")
        if isinstance(result, dict):
            self._answers[name] = result
        else:
            error = response.get("error")
            text = error.get("message") if isinstance(error, dict) else "no result"
            self._fail(f"The server needs an answer that the client refused: {text}")
        self._changed.set()

    async def cancel(self, reason: str) -> None:
        """Nobody waits any more: tell the server."""
        if not self._over:
            self._fail("The request was cancelled.", SERVER_GONE)
            await self._exchange.cancel(reason)

    def _require(self, result: Message) -> None:
        requests = result.get("inputRequests") or {}
        self._rounds += 1
        if self._rounds > MAX_ROUNDS or not isinstance(requests, dict):
            self._fail(f"The server asked more than {MAX_ROUNDS} times, or not as MCP has it.")
            return
        self._answers = {}
        for name, asked in requests.items():
            method = str(asked.get("method")) if isinstance(asked, dict) else ""
            if not offers(self._owner.capabilities, method, params_of(asked) if isinstance(asked, dict) else {}):
                self._fail(f"The server asked for {method or 'something'}, which this client does not offer.")
                return
            question: Message = {"jsonrpc": "2.0", "id": f"dtma-question-{next(_numbers)}", **asked}
            self._waiting[question["id"]] = name
            self._to_ask.append(question)
        params: Message = {**params_of(self._request), "inputResponses": self._answers}
        if "requestState" in result:
            params["requestState"] = result["requestState"]
        self._again = {**self._request, "params": params}

    def _fail(self, text: str, code: int = INTERNAL_ERROR) -> None:
        self._failure = failure(self._request["id"], code, text)
        self._changed.set()

    def _plain(self, response: Message) -> Message:
        """A response without what only the stateless era has."""
        result, error = response.get("result"), response.get("error")
        if isinstance(result, dict):
            kept = {name: value for name, value in result.items() if name not in ("resultType", "ttlMs", "cacheScope", "_meta")}
            meta = {name: value for name, value in meta_of(result).items() if name != SERVER_INFO}
            return {**response, "result": {**kept, "_meta": meta} if meta else kept}
        is_missing = self._request["method"] == "resources/read" and isinstance(error, dict) and error.get("code") == INVALID_PARAMS
        if isinstance(error, dict) and is_missing and isinstance(error.get("data"), dict) and "uri" in error["data"]:
            return {**response, "error": {**error, "code": RESOURCE_NOT_FOUND}}
        return response


def _required(response: Message) -> Message | None:
    result = response.get("result")
    return result if isinstance(result, dict) and result.get("resultType") == "input_required" else None
