"""Servers that speak HTTP ask our own client: on the stream of the call, on the one that belongs to no call, and in the newer era."""

from __future__ import annotations

from typing import Any

import pytest

from dtma_client import DtmaClient
from tests.dtma.agent import ready
from tests.dtma.http.calls import http_spec


async def ada(method: str, params: dict[str, Any]) -> dict[str, Any]:
    assert params["message"] == "Your name?"
    return {"action": "accept", "content": {"name": "Ada"}}


@pytest.mark.parametrize(("era", "text"), [("handshake", ""), ("handshake", "aside"), ("stateless", "")])
async def test_the_question_is_answered(client: DtmaClient, http_image: str, server_id: str, era: str, text: str) -> None:
    await ready(client, server_id, http_spec(http_image, "sdk", era))
    result = await client.answering(server_id, "a").call_tool("ask", {"text": text}, 30, on_question=ada)
    assert result["content"][0]["text"] == "accept Ada"
