"""The record of every change that anybody makes: appended, never changed, and chained by hashes (docs/13-audit.md)."""

from __future__ import annotations

from accounts.acting import NOBODY, Acting, acting, acting_now
from accounts.audit.recording import SECRET, Target, record

__all__ = ["NOBODY", "SECRET", "Acting", "Target", "acting", "acting_now", "record"]
