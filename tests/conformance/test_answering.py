"""Our own client answers the conformance suite's server, on the official SDK, through DTMA: every kind of question that it knows."""

from __future__ import annotations

from typing import Any

import pytest

from agents.calling.questions import SAMPLING
from dtma_client import DtmaClient
from tests.conformance.test_conformance import agent, client, engine, everything, over, server_id, toolbox
from tests.dtma.agent import ready
from tests.dtma.mcp_raw import REPLY

__all__ = ["agent", "client", "engine", "everything", "server_id", "toolbox"]

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("conformance")]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_its_questions_are_answered(client: DtmaClient, everything: str, server_id: str, transport: str) -> None:
    await ready(client, server_id, over(transport, everything))
    asked: list[dict[str, Any]] = []

    async def user(method: str, params: dict[str, Any]) -> dict[str, Any]:
        asked.append(params)
        if method == SAMPLING:
            return REPLY
        return {"action": "accept", "content": dict.fromkeys(params["requestedSchema"].get("required", ()), "Ada")}

    async def call(tool: str, **arguments: Any) -> str:
        result = await client.answering(server_id, "a").call_tool(tool, arguments, 60, on_question=user)
        assert not result.get("isError"), result
        return str(result["content"][0]["text"])

    assert "indeed" in await call("test_sampling", prompt="Is it?")
    assert "accept" in await call("test_elicitation", message="Who are you?")
    assert "accept" in await call("test_elicitation_sep1034_defaults")
    assert "accept" in await call("test_elicitation_sep1330_enums")
    assert asked[0]["messages"][0]["content"]["text"] == "Is it?"
    assert asked[1]["message"] == "Who are you?"
    await client.delete(server_id)
