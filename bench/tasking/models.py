"""The model that does the tasks: the scripted one, or the real one that ``AGENTOPIA_MODEL`` names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.measured import Api
from bench.scripted.serving import Served, serving
from bench.tasking.suite import Task

KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GEMINI_API_KEY"}


@dataclass(frozen=True)
class Thinking:
    """A model: what a provider of it is made from, and the scripted one itself where it is that."""

    name: str
    provider: dict[str, Any]
    scripted: Served | None = None


@contextlib.contextmanager
def model(tasks: Sequence[Task]) -> Iterator[Thinking]:
    """The one that is configured: ``AGENTOPIA_MODEL`` is ``kind:model``, such as ``anthropic:claude-sonnet-5`` (openai, anthropic, google).

    ``AGENTOPIA_MODEL_KEY`` or the kind's usual variable holds its key, ``AGENTOPIA_MODEL_URL`` the address of one that is compatible
    with OpenAI. Exits where the kind is unknown.
    """
    wanted = os.environ.get("AGENTOPIA_MODEL", "")
    if not wanted:
        with serving([task.document for task in tasks]) as served:
            yield Thinking(served.model, _provider("openai", served.model, served.url, "scripted"), served)
        return
    kind, _, name = wanted.partition(":")
    if kind not in KEYS or not name:
        raise SystemExit(f"AGENTOPIA_MODEL is {wanted!r}: give a kind and a model, such as anthropic:NAME ({', '.join(KEYS)}).")
    key = os.environ.get("AGENTOPIA_MODEL_KEY") or os.environ.get(KEYS[kind], "")
    yield Thinking(name, _provider(kind, name, os.environ.get("AGENTOPIA_MODEL_URL", ""), key))


def _provider(kind: str, name: str, url: str, key: str) -> dict[str, Any]:
    return {"kind": kind, "name": "Tasks", "base_url": url, "api_key": key, "default_model": name}


async def offer(api: Api, thinking: Thinking, agent_id: str) -> None:
    """Add its provider, and let the agent think with it."""
    made = await api.ask("POST", "model-providers/", thinking.provider)
    await api.ask("PUT", f"agents/{agent_id}/models/", [{"provider": made["id"], "model": thinking.name}])
