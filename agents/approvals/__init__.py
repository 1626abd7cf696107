"""Calls that wait for a person: asked for when a call needs it, decided once by the owner, used once by the call."""

from agents.approvals.deciding import Verdict, check_edited, decide, expire_due, forget, withdraw
from agents.approvals.waking import wait

__all__ = ["Verdict", "check_edited", "decide", "expire_due", "forget", "wait", "withdraw"]
