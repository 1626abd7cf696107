"""A call of the stateless era at a server of the handshake era: one call there, one request here for each time that the server asks."""

from __future__ import annotations

from collections.abc import Callable

from dtma.mcp.connection import Client, Connection, Exchange
from dtma.mcp.questions import offers
from dtma.mcp.versions import at_least
from mcp_protocol.messages import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RESOURCE_NOT_FOUND,
    Message,
    failure,
    is_response,
    meta_of,
    params_of,
    success,
)
from mcp_protocol.versions import LOG_LEVEL, SERVER_INFO

_CACHEABLE = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"})


class Conversation:
    """The open call at the server. It outlives the request that began it."""

    def __init__(self, connection: Connection, exchange: Exchange, owner: Client, fingerprint: bytes) -> None:
        self.connection = connection
        self.exchange = exchange
        self.owner = owner
        self.fingerprint = fingerprint
        self.question: Message | None = None
        """What the server wants to know before it goes on."""
        self.key = ""
        self._asked = 0

    def ask(self, question: Message) -> None:
        """The server asks."""
        self._asked += 1
        self.question = question
        self.key = f"request-{self._asked}"

    async def end(self, reason: str) -> None:
        """Nobody will come back for it."""
        await self.exchange.cancel(reason)
        await self.connection.leave(self.owner)


class Turn:
    """One request of the client's in a conversation (an ``Exchange``). ``park`` takes a conversation that has to wait, and names it."""

    def __init__(self, conversation: Conversation, request: Message, park: Callable[[Conversation], str]) -> None:
        meta = meta_of(params_of(request))
        self._conversation = conversation
        self._id = request["id"]
        self._method = str(request["method"])
        self._token = meta.get("progressToken")
        self._level = meta.get(LOG_LEVEL)
        self._park = park
        self._over = False

    async def take(self, answers: Message) -> None:
        """What the client answers. Where the answer is missing the server's question stays, and is put again."""
        conversation = self._conversation
        answer = answers.get(conversation.key)
        if conversation.question is not None and isinstance(answer, dict):
            question, conversation.question = conversation.question, None
            await conversation.exchange.answer(success(question["id"], answer))

    async def next(self) -> Message:
        """The next message; a question of the server's becomes the response."""
        conversation = self._conversation
        while conversation.question is None:
            message = await conversation.exchange.next()
            if is_response(message):
                return await self._completed(message)
            if "id" not in message:
                if self._is_wanted(message):
                    return message
            elif offers(conversation.owner.capabilities, str(message["method"]), params_of(message)):
                conversation.ask(message)
            else:
                refusal = failure(message["id"], METHOD_NOT_FOUND, f"{message['method']} is not offered by this client.")
                await conversation.exchange.answer(refusal)
        self._over = True
        return success(self._id, self._required())

    async def answer(self, response: Message) -> None:
        """Clients of this era answer with another request."""

    async def cancel(self, reason: str) -> None:
        """Nobody waits any more; nothing happens after the response, which may be a question."""
        if not self._over:
            self._over = True
            await self._conversation.end(reason)

    def _required(self) -> Message:
        question = self._conversation.question
        assert question is not None
        asked = {"method": question["method"]} | ({"params": question["params"]} if "params" in question else {})
        state = self._park(self._conversation)
        return self._signed({"resultType": "input_required", "inputRequests": {self._conversation.key: asked}, "requestState": state})

    async def _completed(self, response: Message) -> Message:
        self._over = True
        if self._level is not None:
            await self._conversation.connection.leave(self._conversation.owner)
        result, error = response.get("result"), response.get("error")
        if isinstance(result, dict):
            result = self._signed({**result, "resultType": "complete"})
            if self._method in _CACHEABLE:
                result = {"ttlMs": 0, "cacheScope": "private"} | result
            return {**response, "id": self._id, "result": result}
        if isinstance(error, dict) and error.get("code") == RESOURCE_NOT_FOUND:
            error = {**error, "code": INVALID_PARAMS}
        return {**response, "id": self._id, "error": error}

    def _signed(self, result: Message) -> Message:
        server = self._conversation.connection.opening.get("serverInfo")
        return result if server is None else {**result, "_meta": {SERVER_INFO: server} | meta_of(result)}

    def _is_wanted(self, message: Message) -> bool:
        params = params_of(message)
        if message["method"] == "notifications/message":
            return self._level is not None and at_least(params.get("level"), str(self._level))
        if message["method"] == "notifications/progress":
            params["progressToken"] = self._token
            return self._token is not None
        return str(message["method"]) != "notifications/cancelled"
