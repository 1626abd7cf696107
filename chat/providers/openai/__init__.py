"""OpenAI, and everything that speaks as it does: OpenRouter, Ollama, vLLM, llama.cpp and many others."""

from __future__ import annotations

from chat.providers.openai.kind import OPENAI, OpenAI

__all__ = ["OPENAI", "OpenAI"]
