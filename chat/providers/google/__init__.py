"""Google's API of the Gemini models (not Google Cloud's)."""

from __future__ import annotations

from chat.providers.google.kind import GOOGLE

__all__ = ["GOOGLE"]
