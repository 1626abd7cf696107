"""The runner's model of the embedded provider: as that of any other that speaks as OpenAI does."""

from __future__ import annotations

from chat.providers.openai.model import model

__all__ = ["model"]
