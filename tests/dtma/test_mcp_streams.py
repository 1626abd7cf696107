"""Event streams that break and go on, and the limits of what passes (handshake era)."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from docker import DockerClient

from dtma_client import DtmaClient
from tests.dtma.agent import eventually
from tests.dtma.mcp_raw import REPLY, Raw, Visitor, path_of, text_of

ASKED = {"sampling": {}}
MEGABYTE = 1024 * 1024


async def test_a_stream_that_broke_goes_on_where_it_was(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    async with raw.calling("hold", gate="g") as answer:
        assert (await answer.next())["method"] == "notifications/progress"
        primed, progress = answer.event_ids
    await raw.request("x-release", {"gate": "g"})
    async with raw.listen(progress) as rest:
        assert text_of(await rest.response()) == "released"
    # What is known to have arrived is told again to who asks for it again.
    async with raw.listen(primed) as rest:
        assert (await rest.next())["method"] == "notifications/progress"
        assert text_of(await rest.response()) == "released"


async def test_a_question_is_asked_again_on_the_stream_that_goes_on(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin(ASKED)
    async with raw.calling("consult", text="a") as answer:
        question = await answer.next()
        primed = answer.event_ids[0]
    async with raw.listen(primed) as rest:
        assert await rest.next() == question
        await raw.post({"id": question["id"], "result": REPLY})
        assert "indeed" in text_of(await rest.response())


async def test_a_stream_that_nobody_comes_back_for_cancels_its_call(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    async with raw.calling("hold", gate="g") as answer:
        await answer.next()

    async def told() -> bool:
        said = json.loads(await raw.call("seen"))["notifications"]
        return [message["params"]["reason"] for message in said if "params" in message] == ["The client disconnected."]

    await eventually(told, 30)
    async with raw.listen(answer.last_event_id) as rest:
        assert rest.status == 400


async def test_the_sessions_own_stream_tells_what_was_missed(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    async with raw.listen() as stream:
        await raw.call("grow")
        await stream.next()
    await raw.request("resources/subscribe", {"uri": "test://a"})

    async def away() -> bool:
        """Whether DTMA noticed that the stream broke: then a change is kept."""
        await raw.call("touch", uri="test://a")
        async with raw.listen(stream.last_event_id) as again:
            try:
                async with asyncio.timeout(0.5):
                    return (await again.next())["params"]["uri"] == "test://a"
            except TimeoutError:
                return False

    await eventually(away)


async def test_streams_are_primed_for_clients_that_know_it(http: aiohttp.ClientSession, older: str) -> None:
    for version, primed in (("2025-11-25", True), ("2025-06-18", False)):
        raw = await Raw(http, path_of(older)).begin(version=version)
        async with raw.calling("narrate", text="it") as answer:
            await answer.next()
            assert len(answer.event_ids) == 1 + primed


async def test_streams_and_calls_of_another_session_are_out_of_reach(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin() for _ in range(2)]
    async with one.calling("hold", gate="g") as answer:
        await answer.next()
        async with two.listen(answer.last_event_id) as stolen:
            assert stolen.status == 400
        async with two.listen("nonsense") as stolen:
            assert stolen.status == 400
        # The same id, but not the same client.
        assert await two.post({"method": "notifications/cancelled", "params": {"requestId": 2}}) == 202
        assert await two.post({"id": "nobody asked", "result": {}}) == 202
        await two.request("x-release", {"gate": "g"})
        assert text_of(await answer.response()) == "released"


@pytest.mark.parametrize("size", [5 * MEGABYTE])
async def test_large_messages_pass_in_both_eras_and_both_ways(http: aiohttp.ClientSession, older: str, size: int) -> None:
    raw = await Raw(http, path_of(older)).begin()
    assert await raw.call("length", text="x" * size) == str(size)
    assert len(await raw.call("big", size=size)) == size
    visitor = Visitor(http, path_of(older))
    assert text_of(await visitor.call("length", {"text": "x" * size})) == str(size)
    assert len(text_of(await visitor.call("big", {"size": size}))) == size


async def test_too_large_a_message_is_refused(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    async with raw.calling("length", text="x" * (33 * MEGABYTE)) as answer:
        assert answer.status == 413


async def test_what_is_nested_too_deeply_passes_neither_way(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    fine = json.loads("[" * 100 + "]" * 100)
    assert (await raw.request("tools/call", {"name": "request", "arguments": {"value": fine}}))["result"]
    deep = json.loads("[" * 200 + "]" * 200)
    async with raw.open("tools/call", {"name": "request", "arguments": {"value": deep}}) as answer:
        assert (answer.status, (await answer.response())["error"]["code"]) == (400, -32700)
    for depth in (200, 100_000):
        response = await raw.request("tools/call", {"name": "deep", "arguments": {"depth": depth}})
        assert "nested too deeply" in response["error"]["message"]
    assert (await raw.request("tools/call", {"name": "deep", "arguments": {"depth": 100}}))["result"]["value"]


async def test_an_answer_that_breaks_off_fails_its_call_alone(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    response = await raw.request("tools/call", {"name": "broken", "arguments": {}})
    assert "cannot be read" in response["error"]["message"]
    assert await raw.call("length", text="abc") == "3"


async def test_a_client_that_does_not_read_holds_up_nobody(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    other = await Raw(http, path_of(older)).begin()
    async with raw.calling("flood", size=20_000, count=3000) as answer:  # 60 MB
        await answer.next()

        async def flooded() -> bool:
            return await other.call("length", text="abc") == "3"

        for _ in range(20):
            await flooded()
        numbers = [message["params"]["progress"] async for message in answer.messages() if "method" in message]
    # Some were dropped, in favour of newer ones; the order is right, and the response came.
    assert numbers == sorted(numbers)
    assert numbers[-1] == 2999


async def test_a_server_that_does_not_read_is_not_sent_without_end(
    client: DtmaClient, engine: DockerClient, http: aiohttp.ClientSession, older: str
) -> None:
    raw = await Raw(http, path_of(older)).begin()
    container = engine.containers.get((await client.server(older)).container)
    async with raw.calling("deaf") as answer:
        await answer.next()
        large = {"name": "length", "arguments": {"text": "x" * (8 * MEGABYTE)}}
        calls = [asyncio.create_task(raw.request("tools/call", large)) for _ in range(12)]

        async def refused() -> bool:
            return any(call.done() and "does not read" in call.result()["error"]["message"] for call in calls)

        await eventually(refused, 60)
        assert container.exec_run(["touch", "/tmp/go"]).exit_code == 0
        assert text_of(await answer.response()) == "reads again"
    responses = await asyncio.gather(*calls)
    passed = [text_of(response) for response in responses if "result" in response]
    assert passed
    assert set(passed) == {str(8 * MEGABYTE)}
    assert len(passed) < len(calls)


async def test_there_are_only_so_many_sessions(http: aiohttp.ClientSession, older: str) -> None:
    first = await Raw(http, path_of(older)).begin()
    busy = await Raw(http, path_of(older)).begin()
    async with busy.calling("hold", gate="g") as answer:
        await answer.next()
        for _ in range(1000):
            last = await Raw(http, path_of(older)).begin()
        assert await first.post({"method": "notifications/initialized"}) == 404
        assert await last.post({"method": "notifications/initialized"}) == 202
        # One that is in use stays.
        await busy.request("x-release", {"gate": "g"})
        assert text_of(await answer.response()) == "released"


async def test_a_batch_is_answered_by_one_array_in_the_version_that_has_batches(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin({"sampling": {}}, "2025-03-26")
    told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    asks = [
        {"jsonrpc": "2.0", "id": "a", "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "quiz", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}},
    ]
    async with http.post(raw.path, json=[told, *asks], headers=raw.session) as answer:
        listed, quiz, again = await answer.json()
    assert (listed["id"], quiz["id"], again["id"]) == ("a", 2, 3)
    assert listed["result"]["tools"]
    assert "cannot be asked" in str(quiz)
    assert "not part of a batch" in again["error"]["message"]
    async with http.post(raw.path, json=[told], headers=raw.session) as answer:
        assert answer.status == 202
    for wrong in ([], [told] * 101, [7]):
        async with http.post(raw.path, json=wrong, headers=raw.session) as answer:
            assert answer.status == 400


async def test_newer_versions_have_no_batches(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    async with http.post(raw.path, json=[{"jsonrpc": "2.0", "id": 1, "method": "ping"}], headers=raw.session) as answer:
        assert answer.status == 400
        assert "one message per request" in (await answer.json())["error"]["message"]
