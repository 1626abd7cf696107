"""Batches, which MCP 2025-03-26 alone has."""

from __future__ import annotations

import aiohttp
import pytest

from tests.dtma.mcp_raw import Raw
from tests.gateway.conftest import Place, receipts

SINGLE, WHOLE = "/mcp/helper/older", "/mcp/helper"
TOLD = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.mark.parametrize(("path", "prefix"), [(SINGLE, ""), (WHOLE, "older__")])
async def test_all_requests_are_answered_together(http: aiohttp.ClientSession, place: Place, path: str, prefix: str) -> None:
    raw = await Raw(http, path).begin({"elicitation": {}, "sampling": {}}, "2025-03-26")
    asks = [
        {"jsonrpc": "2.0", "id": "a", "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": f"{prefix}quiz", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "none"}},
    ]
    async with http.post(path, json=[TOLD, *asks], headers=raw.session) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        listed, quiz, again, none = await answer.json()
    assert [each["id"] for each in (listed, quiz, again, none)] == ["a", 2, 3, 4]
    assert f"{prefix}quiz" in [tool["name"] for tool in listed["result"]["tools"]]
    assert "cannot be asked" in str(quiz)
    assert "not part of a batch" in again["error"]["message"]
    assert none["error"]["code"] == -32602
    calls = [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": f"{prefix}length", "arguments": {"text": "x" * number}}}
        for number in range(5)
    ]
    async with http.post(path, json=calls, headers=raw.session) as answer:
        assert [each["result"]["content"][0]["text"] for each in await answer.json()] == ["0", "1", "2", "3", "4"]
    assert [call.tool_name for call in await receipts(at_least=7)].count("length") == 5


async def test_what_needs_no_answer_gets_none(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, SINGLE).begin(version="2025-03-26")
    async with http.post(SINGLE, json=[TOLD], headers=raw.session) as answer:
        assert answer.status == 202
    for wrong in ([], [TOLD] * 101, [7]):
        async with http.post(SINGLE, json=wrong, headers=raw.session) as answer:
            assert answer.status == 400


async def test_other_versions_have_none(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, SINGLE).begin()
    async with http.post(SINGLE, json=[{"jsonrpc": "2.0", "id": 1, "method": "ping"}], headers=raw.session) as answer:
        assert answer.status == 400
        assert "one message per request" in (await answer.json())["error"]["message"]
