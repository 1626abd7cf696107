"""How a call ends without a result. Each names its receipt.

    CallFailed              got no result; ``code`` says why
    ├── Refused             it was not made, for what it asked for or what its agent may do
    │   └── LimitReached    it was one too many: again after ``retry_after`` seconds
    └── ApprovalPending     it waits for a person: again, with ``approval_id``, until ``expires_at``

Codes of `Refused`: ``tool_not_found``, ``tool_held``, ``grant_expired``, ``agent_not_found``, ``server_not_running``,
``invalid_arguments``, ``arguments_not_allowed``, ``limit_reached``, ``limits_unavailable``, ``approval_refused``, ``approval_expired``,
``approval_withdrawn``, ``approval_used``, ``approval_mismatch``, ``approval_not_found``, ``receipts_unavailable``.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from agentopia.lib.errors import AgentopiaError


class CallFailed(AgentopiaError):
    """A call that got no result; the receipt ``receipt_id`` tells of it."""

    code = "call_failed"
    http_status = 502

    def __init__(self, cause: AgentopiaError, receipt_id: UUID) -> None:
        super().__init__(cause.message, code=cause.code, fields=cause.fields)
        self.http_status, self.retryable, self.receipt_id = cause.http_status, cause.retryable, receipt_id


class Refused(CallFailed):
    """A call that was not made."""


class LimitReached(Refused):
    """A call more than may be made now."""

    def __init__(self, cause: TooMany, receipt_id: UUID) -> None:
        super().__init__(cause, receipt_id)
        self.retry_after = cause.retry_after


class ApprovalPending(CallFailed):
    """A call that waits for a person's decision, and for nobody else: its receipt stays open."""

    def __init__(self, server_name: str, tool_name: str, *, receipt_id: UUID, approval_id: UUID, expires_at: datetime) -> None:
        cause = NeedsPerson(f"Calling “{tool_name}” of “{server_name}” waits for its owner's approval.")
        super().__init__(cause, receipt_id)
        self.approval_id, self.expires_at = approval_id, expires_at


class NeedsPerson(AgentopiaError):
    """Somebody has to decide first."""

    code = "approval_pending"
    http_status = 409
    retryable = True


class NotAllowed(AgentopiaError):
    """The agent may not do that, or its owner does not want it."""

    code = "not_allowed"
    http_status = 403


class TooMany(AgentopiaError):
    """A limit is reached; ``retry_after`` is in seconds."""

    code = "limit_reached"
    http_status = 429
    retryable = True

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
