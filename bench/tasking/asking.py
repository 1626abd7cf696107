"""A task asked in a conversation of its own through the REST API, its events followed to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.measured import Api
from bench.tasking.verifying import Call

type Event = dict[str, Any]
"""``{"seq", "kind", "data", "at"}``"""
AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Answered:
    """How a run ended: `run` is the API's, with its steps."""

    run: dict[str, Any]
    kinds: list[str]

    @property
    def answer(self) -> str:
        return str(self.run["answer"])

    @property
    def calls(self) -> list[Call]:
        """Every call of a server's tool, failed ones too; Agentopia's own tools are none."""
        return [Call(step["tool_name"], step["arguments"], not _failed(step)) for step in self.run["steps"] if step["tool_name"]]

    @property
    def trouble(self) -> str:
        """What went wrong in it, for the report: its end where that is none of success, and the errors of its steps."""
        told = [f"{step['name']}: {step['error_code'] or _text(step['result'])}"[:160] for step in self.run["steps"] if _failed(step)]
        end = "" if self.run["status"] == "succeeded" else f"{self.run['status']} ({self.run['error_code']}: {self.run['error_message']})"
        return "; ".join(filter(None, [end, *told]))


def _is_error(result: dict[str, Any] | None) -> bool:
    return bool(result and result.get("isError"))


def _failed(step: dict[str, Any]) -> bool:
    return step["status"] != "succeeded" or _is_error(step["result"])


def _text(result: dict[str, Any] | None) -> str:
    return " ".join(block.get("text", "") for block in (result or {}).get("content", ()))


async def ask(api: Api, agent_id: str, text: str, heard: Callable[[Event], None], seconds: float) -> Answered:
    """Ask and follow. A run that takes longer than `seconds` is cancelled, and told as it is then."""
    conversation = await api.ask("POST", "conversations/", {"agent": agent_id})
    run = await api.ask("POST", f"conversations/{conversation['id']}/messages/", {"text": text})
    kinds: list[str] = []
    try:
        async with asyncio.timeout(seconds), aclosing(events(api, run["id"])) as told:
            async for event in told:
                kinds.append(event["kind"])
                heard(event)
    except TimeoutError:
        await api.ask("POST", f"runs/{run['id']}/cancel/")
    return Answered(await api.ask("GET", f"runs/{run['id']}/"), kinds)


async def events(api: Api, run_id: str) -> AsyncIterator[Event]:
    """A run's events up to its end, over as many connections as that takes."""
    last = 0
    while True:
        try:
            async with aclosing(_stream(api, run_id, last)) as stream:
                async for event in stream:
                    last = event["seq"]
                    yield event
                    if event["kind"] == "run.ended":
                        return
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            await asyncio.sleep(AGAIN_SECONDS)


async def _stream(api: Api, run_id: str, after: int) -> AsyncIterator[Event]:
    no_limit = aiohttp.ClientTimeout(total=None, sock_read=60)  # the server sends a comment every 15 s
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    async with api.session.get(f"/api/v1/runs/{run_id}/events/", headers=headers, timeout=no_limit) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
