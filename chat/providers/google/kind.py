"""The Gemini API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from chat.providers.base import Kind, Preset, Question, named

PREFIX = "models/"
PRESETS = (
    Preset(
        "google",
        "Google",
        "The Gemini models, with a key of Google AI Studio.",
        "https://generativelanguage.googleapis.com",
        keys_url="https://aistudio.google.com/apikey",
        docs_url="https://ai.google.dev/gemini-api/docs/models",
        example="gemini-2.5-flash",
    ),
)


class Google(Kind):
    """``generateContent`` below ``/v1beta``, which the address does not contain."""

    key = "google"
    label = "Google"
    base_url = "https://generativelanguage.googleapis.com"
    presets = PRESETS

    def headers(self, api_key: str) -> dict[str, str]:
        return {"x-goog-api-key": api_key} if api_key else {}

    @property
    def listing(self) -> Question:
        return Question("/v1beta/models", {"pageSize": "1000"})

    def smallest(self, model: str) -> Question:
        body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 1}}
        return Question(f"/v1beta/models/{quote(model.removeprefix(PREFIX), safe='')}:generateContent", body=body)

    def names(self, answer: Any) -> list[str] | None:
        """Of those that answer in words: others make pictures, or numbers of texts."""
        entries = answer.get("models") if isinstance(answer, dict) else None
        if isinstance(entries, list):
            entries = [entry for entry in entries if not isinstance(entry, dict) or _answers(entry)]
        found = named(entries, "name")
        return None if found is None else [name.removeprefix(PREFIX) for name in found]


def _answers(entry: dict[str, Any]) -> bool:
    can = entry.get("supportedGenerationMethods")
    return not isinstance(can, list) or "generateContent" in can


GOOGLE = Google()
