"""One call on its way."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from agents.models import ToolCall
from agents.toolsets.types import OfferedServer, OfferedTool, Toolset


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, through what. ``run`` joins calls that belong together (a session of the gateway, a run of the chat)."""

    user_id: int
    via: ToolCall.Via
    token_id: int | None = None
    token_name: str = ""
    token_per_minute: int | None = None
    client: str = ""
    run: UUID | None = None


class Waits(StrEnum):
    """What happens to a call that needs a person."""

    HERE = "here"
    """It waits until there is a decision, or none in time."""
    ELSEWHERE = "elsewhere"
    """`ApprovalPending` is raised; whoever asked comes again with ``Call.approval``."""


@dataclass(slots=True)
class Call:
    """One attempt. ``tool`` is None where none of that name is offered: it is refused then, with a receipt.

    ``toolset`` is None where the user asks without an agent. ``arguments`` are replaced where a person edits them.
    """

    caller: Caller
    toolset: Toolset | None
    tool: OfferedTool | None
    asked_for: str
    """The name that was asked for, whether there is such a tool or not."""
    arguments: dict[str, Any]
    server_name: str = ""
    """Where the name was asked for at one server."""
    server: OfferedServer | None = None
    """That server, where it is known though the tool is not."""
    approval: UUID | None = None
    """The approval that an earlier attempt of the same call was told to wait for."""
    leave_for: str = ""
    """The digest of the definition for which the owner gave leave in an earlier round of this call, where who asks can vouch for that (a
    server may want input before it answers); it is set once leave is used."""
    id: UUID = field(default_factory=uuid.uuid4)
    created_at: datetime = field(default_factory=partial(datetime.now, UTC))


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What came of the request to the toolbox: the JSON of an MCP `CallToolResult`, or a JSON-RPC error.

    ``rest`` is handed back to whoever forwarded it, who sends it on only after the receipt is safe.
    """

    result: bytes | None = None
    error_code: int | None = None
    error_message: str = ""
    rest: Any = None


type Forward = Callable[[Call], Awaitable[Forwarded]]
"""Makes the request of an admitted call; raises ``DtmaError`` where there is no answer."""

type OnWaiting = Callable[[UUID, datetime], Awaitable[None]]
"""Told the approval's id, and until when a decision is waited for, when a call begins to wait."""
