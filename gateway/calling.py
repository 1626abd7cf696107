"""``tools/call``: by `agents.calling.carry`, the way of every call, and back to the client in the terms of MCP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agentopia.lib.errors import AgentopiaError
from agents.calling.carry import carry
from agents.calling.errors import ApprovalPending, CallFailed
from agents.calling.types import Call
from agents.toolsets.types import OfferedServer, OfferedTool
from gateway.approving import Approving
from gateway.bodies import INPUT_REQUIRED
from gateway.events import message_of
from gateway.forwarding import Forwarding, Rewrite
from gateway.requests import Request
from gateway.rules import given
from gateway.states import State, States
from gateway.upstream import Upstream
from gateway.works import Works
from mcp_protocol.headers import check_parameters, rules_of
from mcp_protocol.messages import INVALID_PARAMS, Message, ProtocolError, encode, object_of

NOTHING = State()
ERROR = "io.agentopia/error"
"""The key in a result's ``_meta`` that tells programs what went wrong: ``{code, retryable}``."""


class Calling:
    """Tool calls of all clients of this process."""

    def __init__(self, upstream: Upstream, works: Works, states: States) -> None:
        self._upstream = upstream
        self._works = works
        self._states = states

    async def call(
        self,
        request: Request,
        tool: OfferedTool | None,
        asked_for: Any,
        arguments: Any,
        rewrite: Rewrite | None = None,
        *,
        wrapped: bool = False,
    ) -> bytes | None:
        """Call a tool and answer; None is one that is not offered, and gets a receipt too. The result, if there is one. Raises
        `ProtocolError`.

        ``wrapped`` says that the call is the argument of another one, which no header repeats.
        """
        if not isinstance(asked_for, str) or not isinstance(arguments, dict):
            text = "params.name must be a string, and params.arguments an object."
            raise ProtocolError(INVALID_PARAMS, text, request_id=request.id)
        state, params = NOTHING, request.params
        if request.stateless:
            if tool is not None and not wrapped:
                check_parameters(given(request.headers), request.message, rules_of(tool.definition.get("inputSchema")))
            state = await self.state_of(request)
            params = _for_server(params, state)
        server = request.toolset.servers.get(request.server)
        asked, arguments = arguments, arguments if state.arguments is None else state.arguments
        call = Call(
            request.caller(), request.toolset, tool, asked_for, arguments, request.server, server, state.approval, leave_for=state.leave_for
        )
        forwarding = Forwarding(self._upstream, self._works, request, tool.server if tool else None, params, rewrite)
        return await self._carry(request, call, forwarding, state, asked)

    async def _carry(self, request: Request, call: Call, forwarding: Forwarding, state: State, asked: Message) -> bytes | None:
        approving = Approving(request, call)
        try:
            try:
                forwarded = await carry(
                    call, forwarding.call, waits=approving.waits, on_waiting=approving.on_waiting, patience=approving.patience
                )
            finally:
                await approving.end()
        except ApprovalPending as pending:
            if approving.can_come_again():
                sealed = self._states.seal(State(state.inner, pending.approval_id), request.visitor, request.server, request.message)
                await request.result(approving.required(pending, sealed))
            else:
                await request.result(failed(pending, approving.sentence(pending)))
        except CallFailed as error:
            if call.tool is None and error.code in ("tool_not_found", "tool_held"):
                await request.error(INVALID_PARAMS, error.message, {"code": error.code})
            else:
                await request.result(failed(error, error.message))
        else:
            status, data = forwarded.rest
            await self._send(request, status, data, _after(call, asked))
            return forwarded.result
        return None

    async def pass_on(
        self,
        request: Request,
        server: OfferedServer,
        params: Message | None = None,
        rewrite: Rewrite | None = None,
        named: Callable[[bytes], bytes] | None = None,
    ) -> bytes:
        """Any other request, as it is or with these parameters; the response, which ``named`` may change. Raises as `Forwarding.make`."""
        state = await self.state_of(request)
        params = _for_server(request.params if params is None else params, state)
        forwarded = await Forwarding(self._upstream, self._works, request, server, params, rewrite).make()
        status, data = forwarded.rest
        if named is not None:
            data = named(data)
        await self._send(request, status, data)
        answered: bytes = data
        return answered

    async def state_of(self, request: Request) -> State:
        """What the ``requestState`` holds that the client brings back; raises `ProtocolError`."""
        text = request.params.get("requestState") if request.stateless else None
        if text is None:
            return NOTHING
        return await self._states.open(text, request.visitor, request.server, request.message)

    async def _send(self, request: Request, status: int, data: bytes, state: State = NOTHING) -> None:
        """Hand on what the server answered; ``state`` is what the next round has to know."""
        if request.stateless and INPUT_REQUIRED in data:
            data = self._sealed(request, data, state)
        if request.answer.streaming:
            await request.answer.last(data)
        else:
            await request.answer.json(status, data)

    def _sealed(self, request: Request, data: bytes, state: State) -> bytes:
        """A response whose ``requestState`` this client alone can bring back."""
        message = message_of(data)
        result = object_of(message.get("result")) if message else {}
        if message is None or result.get("resultType") != "input_required":
            return data
        inner = result.get("requestState")
        if not isinstance(inner, str) and state == NOTHING:
            return data
        sealed = self._states.seal(
            replace(state, inner=inner if isinstance(inner, str) else None), request.visitor, request.server, request.message
        )
        return encode({**message, "result": {**result, "requestState": sealed}})


def failed(error: AgentopiaError, text: str) -> Message:
    """A result that a model can act on."""
    about: Message = {"code": error.code, "retryable": error.retryable}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        about["retry_after"] = seconds
    return {"content": [{"type": "text", "text": text}], "isError": True, "_meta": {ERROR: about}}


def _after(call: Call, arguments: Any) -> State:
    """What a further round of a call has to know: that a person approved it, and with which arguments."""
    if not call.leave_for and call.arguments is arguments:
        return NOTHING
    return State(leave_for=call.leave_for, arguments=None if call.arguments == arguments else call.arguments)


def _for_server(params: Message, state: State) -> Message:
    """Parameters with the server's own state in place of ours."""
    if "requestState" not in params:
        return params
    params = {name: value for name, value in params.items() if name != "requestState"}
    if state.inner is not None:
        params["requestState"] = state.inner
    if state.approval is not None:  # the client's answer was to us
        answers = {name: value for name, value in object_of(params.pop("inputResponses", None)).items() if name != "approval"}
        params |= {"inputResponses": answers} if answers else {}
    return params
