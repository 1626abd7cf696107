"""The receipt of one call while it is being made: what of it is stored, as the JSON that PostgreSQL takes apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from agents.calling.types import Call, Forwarded
from agents.models import ToolCall
from agents.receipts import Masker
from agents.schemas import compiled
from agents.toolsets.types import OfferedServer

GRACE = timedelta(seconds=10)
COST = "io.agentopia/cost"
"""The key in a result's ``_meta`` under which a toolbox says what the call cost."""

type Cost = dict[str, Any]


class Receipt:
    """What is known of a call so far. Nothing in it holds a secret: masking is done here, before anybody stores it.

    ``arguments`` are the JSON text of them; ``encoded`` is the whole row at this moment.
    """

    __slots__ = ("_error_code", "_error_message", "_fixed", "_masker", "_measured", "_result", "arguments", "call", "status")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.status = ToolCall.Status.RUNNING
        self._masker = Masker(call.tool.server.secrets if call.tool else _secrets_of(call))
        self.arguments = self._fixed = ""
        self._error_code = self._error_message = ""
        self._result: str | None = None
        self._measured: dict[str, Any] = {}
        self.renew()

    @property
    def id(self) -> UUID:
        """The call's."""
        return self.call.id

    @property
    def is_ended(self) -> bool:
        return self.status not in (ToolCall.Status.RUNNING, ToolCall.Status.WAITING)

    def renew(self) -> None:
        """Take over what the call is now: its tool and its arguments may have been changed while it waited."""
        call, tool = self.call, self.call.tool
        if tool is not None:
            self._masker.hide(tool.server.secrets)
        hides = tool is not None and compiled(tool.digest, tool.input_schema).hides
        self.arguments = self._masker.arguments(call.arguments, tool.input_schema if tool and hides else None)
        self._fixed = json.dumps(self._who_and_what(), ensure_ascii=False, separators=(",", ":"))[1:-1]

    def _who_and_what(self) -> dict[str, Any]:
        call, caller, toolset, tool = self.call, self.call.caller, self.call.toolset, self.call.tool
        server = tool.server if tool else _server_of(call)
        return {
            "id": str(self.id),
            "user_id": caller.user_id,
            "via": caller.via,
            "agent_id": str(toolset.agent_id) if toolset else None,
            "agent_name": toolset.name if toolset else "",
            "token_id": caller.token_id,
            "token_name": caller.token_name,
            "client": self._masker.text(caller.client)[:200],
            "run": str(caller.run) if caller.run else None,
            "server_id": str(server.id) if server else None,
            "server_name": (server.name if server else call.server_name)[:63],
            "tool_name": tool.tool_name if tool else self._masker.text(call.asked_for)[:255],
            "definition_digest": tool.digest if tool else "",
            "created_at": call.created_at.isoformat(),
        }

    def text(self, text: str) -> str:
        """A sentence without what must not be stored."""
        return self._masker.text(text)

    def end(self, status: ToolCall.Status, code: str = "", message: str = "") -> None:
        """How it ended. What ends a second time stays what it was."""
        if not self.is_ended:
            self.status, self._error_code, self._error_message = status, code[:40], self._masker.text(message)
            self._measured["ended_at"] = datetime.now(UTC).isoformat()

    def waits_for(self, seconds: float) -> None:
        """A person took so long to decide."""
        self._measured["approval_ms"] = self._measured.get("approval_ms", 0.0) + seconds * 1000

    def leaves(self) -> None:
        """Now the request to the toolbox is made."""
        self.status = ToolCall.Status.RUNNING
        passed = (datetime.now(UTC) - self.call.created_at).total_seconds() * 1000
        self._measured["queue_ms"] = max(0.0, passed - self._measured.get("approval_ms", 0.0))

    def took(self, seconds: float) -> None:
        """The toolbox has answered, or failed to."""
        self._measured["duration_ms"] = seconds * 1000

    def answered(self, forwarded: Forwarded) -> Cost:
        """End it with what the toolbox answered; returns what that cost, as far as it is known."""
        if forwarded.result is None:
            self.end(ToolCall.Status.FAILED, "mcp_error", forwarded.error_message)
            return {}
        try:
            text = forwarded.result.decode()
            result = json.loads(text)
        except (ValueError, RecursionError):
            beginning = self._masker.text(forwarded.result.decode(errors="replace"))[:1000]
            self._result = json.dumps({"unreadable": True, "bytes": len(forwarded.result), "beginning": beginning})
            self.end(ToolCall.Status.FAILED, "unreadable_result", "What the server answered is no MCP result.")
            return {}
        self._result = self._masker.result(text, result)
        failed = isinstance(result, dict) and bool(result.get("isError"))
        self.end(ToolCall.Status.TOOL_ERROR if failed else ToolCall.Status.SUCCEEDED)
        return self._costs(result)

    def _costs(self, result: Any) -> Cost:
        meta = result.get("_meta") if isinstance(result, dict) else None
        cost = meta.get(COST) if isinstance(meta, dict) else None
        if not isinstance(cost, dict):
            return {}
        known = {name: value for name, value in cost.items() if isinstance(value, int | float) and 0 <= value < 2**62}
        memory = known.get("peak_memory_bytes", known.get("memory_growth_bytes"))
        self._measured |= {
            "cpu_seconds": known.get("cpu_seconds"),
            "egress_bytes": None if "egress_bytes" not in known else int(known["egress_bytes"]),
            "peak_memory_bytes": None if memory is None else int(memory),
            "server_ms": None if "server_seconds" not in known else known["server_seconds"] * 1000,
            "cost_shared": cost.get("shared") is True,
        }
        return known

    def deadline(self) -> datetime:
        """When a call that begins now has ended, whatever becomes of this process."""
        return datetime.now(UTC) + timedelta(seconds=settings.TOOL_CALL_TIMEOUT_SECONDS) + GRACE

    def encoded(self, deadline: datetime | None = None) -> bytes:
        """The row as JSON."""
        until = deadline or self.deadline()
        rest = {
            "status": self.status,
            "error_code": self._error_code,
            "error_message": self._error_message,
            "deadline": until.isoformat(),
            **self._measured,
        }
        tail = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))[1:-1]
        return f'{{{self._fixed},{tail},"arguments":{self.arguments},"result":{self._result or "null"}}}'.encode()


def _server_of(call: Call) -> OfferedServer | None:
    """Where no tool of the name is offered, the server at which it was asked for."""
    return call.server or (call.toolset.servers.get(call.server_name) if call.toolset else None)


def _secrets_of(call: Call) -> tuple[str, ...]:
    """Of that server; of all that the agent has, where it is not known at which the call was aimed."""
    if (server := _server_of(call)) is not None:
        return server.secrets
    servers = call.toolset.servers.values() if call.toolset else ()
    return tuple(secret for server in servers for secret in server.secrets)
