"""The gold calls of a task, made through the REST API without any model: shows that the task can be done with these servers."""

from __future__ import annotations

from typing import Any

import aiohttp

from bench.measured import Api
from bench.scripted.language import compute
from bench.tasking.suite import ROOT, Task
from bench.tasking.verifying import Call


async def play(api: Api, servers: dict[str, str], task: Task) -> tuple[str, list[Call]]:
    """The answer, and what was called. Raises what `compute` does where a result is not as it should be."""
    results: dict[str, str] = {}
    calls: list[Call] = []
    names: dict[str, Any] = {"r": results, "root": ROOT}
    for gold in task.gold:
        arguments = compute(gold.get("args", {}), names)
        results[gold["id"]], ok = await _result(api, servers[gold["server"]], gold["tool"], arguments)
        calls.append(Call(gold["tool"], arguments, ok))
    return str(compute(task.document.get("answer", "Done."), names)), calls


async def _result(api: Api, server: str, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    try:
        answer = await api.ask("POST", f"servers/{server}/tools/{tool}/call/", {"arguments": arguments})
    except aiohttp.ClientResponseError as error:
        return f"Error: {error.message}", False
    result = answer["result"]
    return "\n".join(block.get("text", "") for block in result["content"]), not result.get("isError")
