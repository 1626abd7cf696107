"""The API of Anthropic (messages)."""

from __future__ import annotations

from typing import Any

from chat.providers.base import Kind, Preset, Question, named

VERSION = "2023-06-01"
PRESETS = (
    Preset(
        "anthropic",
        "Anthropic",
        "The Claude models, with a key of Anthropic's platform.",
        "https://api.anthropic.com",
        keys_url="https://platform.claude.com/settings/keys",
        docs_url="https://platform.claude.com/docs/en/about-claude/models/overview",
        example="claude-sonnet-4-5",
    ),
)


class Anthropic(Kind):
    """Messages below ``/v1``, which the address does not contain."""

    key = "anthropic"
    label = "Anthropic"
    base_url = "https://api.anthropic.com"
    presets = PRESETS

    def headers(self, api_key: str) -> dict[str, str]:
        key = {"Authorization": f"Bearer {api_key}"} if api_key else {}  # as its own library sends it, which the runner uses
        return {**key, "anthropic-version": VERSION}

    @property
    def listing(self) -> Question:
        return Question("/v1/models", {"limit": "1000"})

    def smallest(self, model: str) -> Question:
        return Question("/v1/messages", body={"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]})

    def names(self, answer: Any) -> list[str] | None:
        return named(answer.get("data"), "id") if isinstance(answer, dict) else None


ANTHROPIC = Anthropic()
