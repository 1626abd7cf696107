"""Many clients on one server of the handshake era: who is asked, who hears what, and what is freed when one leaves."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from dtma_client import DtmaClient
from tests.dtma.agent import eventually
from tests.dtma.mcp_raw import REPLY, Answer, Message, Raw, path_of

ASKED = {"elicitation": {}, "sampling": {}, "roots": {}}


async def seen(raw: Raw) -> Message:
    """What the server saw of its clients."""
    found: Message = json.loads(await raw.call("seen"))
    return found


async def test_the_server_is_told_that_it_may_ask(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin()
    declared = (await seen(raw))["initialize"]["capabilities"]
    assert declared == {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": True}}


async def test_a_question_and_its_answer_keep_what_they_do_not_know(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin(ASKED)
    async with raw.calling("consult", text="why?") as answer:
        question = await answer.next()
        assert question["method"] == "sampling/createMessage"
        assert question["params"]["x-unknown"] == [1]
        assert await raw.post({"id": question["id"], "result": REPLY | {"x-unknown": 2}}) == 202
        answered = json.loads((await answer.response())["result"]["content"][0]["text"])
    assert answered["result"] == REPLY | {"x-unknown": 2}


async def test_once_a_server_asked_calls_that_it_may_ask_in_run_alone(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin(ASKED) for _ in range(2)]
    async with one.calling("consult", text="first") as answer:
        question = await answer.next()
        # A second client's call is open to the same server; it must wait for its turn, and neither sees the other's question.
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_consult(two, "second"))
            listed = await two.request("tools/list")  # what cannot be asked about does not wait
            assert listed["result"]["tools"]
            await one.post({"id": question["id"], "result": REPLY})
            assert question["params"]["messages"][0]["content"]["text"] == "first"
            assert "indeed" in (await answer.response())["result"]["content"][0]["text"]
        assert waiting.result() == "second"


async def _consult(raw: Raw, text: str) -> str:
    """The text of the question that a client is asked in its call."""
    async with raw.calling("consult", text=text) as answer:
        question = await answer.next()
        await raw.post({"id": question["id"], "result": REPLY})
        await answer.response()
    return str(question["params"]["messages"][0]["content"]["text"])


async def test_a_question_that_may_be_anybodys_is_put_to_nobody(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin(ASKED) for _ in range(2)]
    async with (
        one.calling("patient", gate="one", method="roots/list") as to_one,
        two.calling("patient", gate="two", method="roots/list") as to_two,
    ):
        for stream in (to_one, to_two):
            assert (await stream.next())["method"] == "notifications/progress"
        helper = await Raw(http, path_of(older)).begin()
        await helper.request("x-release", {"gate": "one"})
        refused = json.loads((await to_one.next())["result"]["content"][0]["text"])
        assert "which one asks cannot be told" in refused["error"]["message"]
        # The other is the only one now.
        await helper.request("x-release", {"gate": "two"})
        question = await to_two.next()
        assert question["method"] == "roots/list"
        # Who was not asked cannot answer.
        assert await one.post({"id": question["id"], "result": {"roots": [{"uri": "file:///wrong"}]}}) == 202
        assert await two.post({"id": question["id"], "result": {"roots": []}}) == 202
        assert json.loads((await to_two.response())["result"]["content"][0]["text"])["result"] == {"roots": []}


async def test_a_question_outside_of_any_call_is_refused(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin(ASKED)
    async with raw.listen() as stream:
        await raw.call("later", gate="g")
        await raw.request("x-release", {"gate": "g"})

        async def refused() -> bool:
            # Not by a tool: what the server asks while a call is open belongs to that.
            answers = (await raw.request("x-seen"))["result"]["seen"]["later"]
            return bool(answers) and answers[0]["error"]["code"] == -32601

        await eventually(refused)
        await raw.call("grow")
        # Neither the question nor the log message nor the unknown notification was shown to anybody.
        assert (await stream.next())["method"] == "notifications/tools/list_changed"


@pytest.mark.parametrize(
    ("capabilities", "method", "params"),
    [
        ({}, "roots/list", {}),
        ({"sampling": {}}, "roots/list", {}),
        ({"sampling": {}}, "sampling/createMessage", {"tools": []}),
        ({"elicitation": {"form": {}}}, "elicitation/create", {"mode": "url"}),
        ({"elicitation": {"url": {}}}, "elicitation/create", {"mode": "form"}),
        (ASKED, "x-unknown/method", {}),
    ],
)
async def test_a_client_is_asked_only_for_what_it_offers(
    http: aiohttp.ClientSession, older: str, capabilities: Message, method: str, params: Message
) -> None:
    raw = await Raw(http, path_of(older)).begin(capabilities)
    async with raw.calling("patient", gate="g", method=method, params=params) as answer:
        await answer.next()
        await raw.request("x-release", {"gate": "g"})
        messages = [message async for message in answer.messages()]
    assert len(messages) == 1
    refused = json.loads(messages[0]["result"]["content"][0]["text"])
    assert refused["error"]["code"] == -32601


async def test_a_client_that_takes_no_events_is_not_asked(http: aiohttp.ClientSession, older: str) -> None:
    raw = await Raw(http, path_of(older)).begin(ASKED)
    raw.session["Accept"] = "application/json"
    assert "takes no event stream" in await raw.call("consult", text="a")


async def test_logs_go_to_the_only_client_with_an_open_call(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin() for _ in range(2)]
    async with one.listen() as to_one, two.listen() as to_two:
        async with one.calling("narrate", text="mine") as answer:
            texts = [message["params"]["data"] async for message in answer.messages() if "method" in message]
        assert texts == ["mine debug", "mine info", "mine error"]
        await one.call("grow")
        for stream in (to_one, to_two):
            assert (await stream.next())["method"] == "notifications/tools/list_changed"


async def _rest(answer: Answer) -> list[str]:
    return [message["params"]["data"] async for message in answer.messages() if "method" in message]


async def test_a_log_message_while_two_clients_have_calls_open_goes_to_the_log_alone(
    client: DtmaClient, http: aiohttp.ClientSession, older: str
) -> None:
    one, two, helper = [await Raw(http, path_of(older)).begin() for _ in range(3)]
    async with one.calling("hold", gate="a", log="secret of one") as to_one, two.calling("hold", gate="b") as to_two:
        await to_one.next()
        await to_two.next()
        await helper.request("x-release", {"gate": "a"})
        assert await _rest(to_one) == []
        await helper.request("x-release", {"gate": "b"})
        assert await _rest(to_two) == []

    async def logged() -> bool:
        return any(["secret of one" in line.text async for batch in client.logs(older) for line in batch])

    await eventually(logged)


async def test_each_client_hears_the_level_that_it_asked_for(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin() for _ in range(2)]

    async def heard(raw: Raw) -> list[str]:
        async with raw.calling("narrate", text="it") as answer:
            return [message["params"]["data"] async for message in answer.messages() if "method" in message]

    await one.request("logging/setLevel", {"level": "error"})
    await two.request("logging/setLevel", {"level": "info"})
    assert (await seen(one))["level"] == "info"  # the most verbose one that anybody wants
    assert await heard(one) == ["it error"]
    assert await heard(two) == ["it info", "it error"]
    async with http.delete(two.path, headers=two.session) as response:
        assert response.status == 200

    async def louder() -> bool:
        return bool((await seen(one))["level"] == "error")

    await eventually(louder)


async def test_resources_are_watched_once_and_told_to_each_who_watches(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin() for _ in range(2)]
    async with one.listen() as to_one, two.listen() as to_two:
        for raw in (one, two):
            assert (await raw.request("resources/subscribe", {"uri": "test://a"}))["result"] == {}
        assert (await one.request("resources/subscribe", {"uri": "test://forbidden"}))["error"]["message"] == "Not that one"
        assert (await seen(one))["watched"] == ["test://a"]
        await one.call("touch", uri="test://a/part")
        for stream in (to_one, to_two):
            assert (await stream.next())["params"] == {"uri": "test://a/part", "x-unknown": 1}
        await one.request("resources/unsubscribe", {"uri": "test://a"})
        assert (await seen(one))["watched"] == ["test://a"]
        await one.call("touch", uri="test://ab")
        await one.call("touch", uri="test://a")
        await one.call("grow")
        assert (await to_one.next())["method"] == "notifications/tools/list_changed"
        assert (await to_two.next())["params"]["uri"] == "test://a"
    async with http.delete(two.path, headers=two.session):
        pass

    async def forgotten() -> bool:
        return bool((await seen(one))["watched"] == [])

    await eventually(forgotten)


async def test_an_elicitation_by_url_is_completed_to_whom_it_was_put(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin({"elicitation": {"url": {}}}) for _ in range(2)]
    async with one.listen() as to_one, two.listen() as to_two:
        async with one.calling("page", name="e1") as answer:
            question = await answer.next()
            assert question["params"]["url"] == "https://example.org/"
            await one.post({"id": question["id"], "result": {"action": "accept"}})
            await answer.response()
        await two.request("x-release", {"gate": "e1"})
        assert (await to_one.next())["params"] == {"elicitationId": "e1"}
        await two.call("grow")
        assert (await to_two.next())["method"] == "notifications/tools/list_changed"


async def test_a_call_that_waits_for_its_turn_can_be_cancelled(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin(ASKED) for _ in range(2)]
    async with one.calling("consult", text="a") as answer:
        question = await answer.next()
        waiting = asyncio.create_task(two.request("tools/call", {"name": "length", "arguments": {"text": "abc"}}))

        async def gone() -> bool:
            # Its id is 2, after initialize: cancelled as soon as DTMA knows it, and never seen by the server.
            await two.post({"method": "notifications/cancelled", "params": {"requestId": 2}})
            return waiting.done()

        await eventually(gone)
        assert "cancelled" in (await waiting)["error"]["message"]
        await one.post({"id": question["id"], "result": REPLY})
        await answer.response()
    assert (await seen(one))["notifications"] == [{"jsonrpc": "2.0", "method": "notifications/initialized"}]


async def test_a_client_that_leaves_while_it_is_asked_holds_nobody_up(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin(ASKED) for _ in range(2)]
    async with one.calling("consult", text="a") as answer:
        await answer.next()
        async with http.delete(one.path, headers=one.session) as response:
            assert response.status == 200
        assert "cancelled" in (await answer.response())["error"]["message"]
    assert await two.call("length", text="abc") == "3"
    said = await seen(two)
    assert said["notifications"][-1]["method"] == "notifications/cancelled"


async def test_tasks_are_seen_by_whose_they_are(http: aiohttp.ClientSession, older: str) -> None:
    one, two = [await Raw(http, path_of(older)).begin() for _ in range(2)]
    async with one.listen() as to_one, two.listen() as to_two:
        names = []
        for raw in (one, two):
            begun = await raw.request("tools/call", {"name": "task", "arguments": {}, "task": {"ttl": 1000}})
            names.append(begun["result"]["task"]["taskId"])
        for stream, name in ((to_one, names[0]), (to_two, names[1])):
            assert (await stream.next())["params"]["taskId"] == name
        for raw, name, other in ((one, names[0], names[1]), (two, names[1], names[0])):
            assert (await raw.request("tasks/list"))["result"]["tasks"] == [{"taskId": name}]
            assert (await raw.request("tasks/get", {"taskId": name}))["result"]["taskId"] == name
            for method in ("tasks/get", "tasks/result", "tasks/cancel"):
                assert (await raw.request(method, {"taskId": other}))["error"]["code"] == -32602
