"""Anthropic's own API."""

from __future__ import annotations

from chat.providers.anthropic.kind import ANTHROPIC

__all__ = ["ANTHROPIC"]
