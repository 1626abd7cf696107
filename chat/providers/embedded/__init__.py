"""The small model that Agentopia can run itself: offered where one answers at EMBEDDED_MODEL_URL."""

from __future__ import annotations

from chat.providers.embedded.kind import EMBEDDED

__all__ = ["EMBEDDED"]
