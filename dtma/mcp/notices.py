"""Where a server's notifications go: to the call or the client that they name, or may belong to, or to everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dtma.mcp.calls import Call
from dtma.mcp.connection import Era
from dtma.mcp.questions import Questions
from dtma.mcp.task_owners import STATUS, TaskOwners
from dtma.mcp.wishes import Wishes
from mcp_protocol.messages import Message, meta_of, params_of
from mcp_protocol.versions import SUBSCRIPTION

LOG = "notifications/message"


class Notices:
    """Of one connection. ``to_everybody`` takes what is for all clients."""

    def __init__(
        self,
        calls: Mapping[str, Call],
        questions: Questions,
        wishes: Wishes,
        tasks: TaskOwners,
        to_everybody: Callable[[Message], None],
    ) -> None:
        self._calls = calls
        self._questions = questions
        self._wishes = wishes
        self._tasks = tasks
        self._to_everybody = to_everybody

    def take(self, message: Message, size: int, era: Era) -> bool:
        """Hand it on; False if it is a log message that belongs to no client. ``size`` is in bytes."""
        method, params = str(message["method"]), params_of(message)
        if method == "notifications/progress":
            call = self._calls.get(str(params.get("progressToken")))
            if call is not None and call.token is not None:
                params["progressToken"] = call.token
                call.put(message, size)
        elif (subscription := meta_of(params).get(SUBSCRIPTION)) is not None:
            call = self._calls.get(str(subscription))
            if call is not None:
                call.put(call.in_their_words(message, params), size)
        elif method == "notifications/cancelled":
            call = self._questions.asked_in(params.get("requestId"))
            if call is not None:
                call.put(message, size)
        elif method.endswith("/list_changed"):
            self._to_everybody(message)
        elif method == "notifications/resources/updated":
            for client in self._wishes.watchers(str(params.get("uri"))):
                client.put(message)
        else:
            return self._attribute(method, message, size, era)
        return True

    def _attribute(self, method: str, message: Message, size: int, era: Era) -> bool:
        params = params_of(message)
        client = self._tasks.owner(params.get("taskId")) if method == STATUS else self._questions.addressee(method, params)
        if client is not None:
            client.put(message)
            return True
        call = self._questions.speaker(message, era)
        if call is None:
            return method != LOG
        if call.owner is None or method != LOG or self._wishes.wants(call.owner, params.get("level")):
            call.put(message, size)
        return True
