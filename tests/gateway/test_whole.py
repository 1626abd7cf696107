"""``/mcp/{agent}``: all servers of an agent as one, in both eras."""

from __future__ import annotations

import json

import aiohttp

from agents.models import Agent, Grant
from agents.services.agents import change_agent
from agents.services.grants import grant, set_tool_rules
from tests.dtma.agent import eventually
from tests.dtma.mcp_raw import REPLY, Raw, Visitor, text_of
from tests.gateway.conftest import Place, receipts

WHOLE = "/mcp/helper"


async def connect(place: Place, name: str, script: str, *arguments: str) -> None:
    """One more server for the agent."""

    def do() -> None:
        server = place.deploy(name, script, *arguments)
        grant(owner=place.owner, agent_id=place.agent.pk, server_id=server.pk, approval=Grant.Approval.NEVER)

    await place.do(do)


async def libraries(place: Place) -> None:
    await connect(place, "one", "library", "one")
    await connect(place, "two", "library", "two")


async def test_tools_of_all_servers(http: aiohttp.ClientSession, place: Place) -> None:
    raw = await Raw(http, WHOLE).begin()
    names = [tool["name"] for tool in (await raw.request("tools/list"))["result"]["tools"]]
    assert {"older__length", "newer__quiz", "older__hold", "newer__hold"} <= set(names)
    assert await raw.call("older__length", text="four") == "4"
    assert await raw.call("newer__release", gate="x") == "ok"
    visitor = Visitor(http, WHOLE)
    assert [tool["name"] for tool in (await visitor.request("tools/list"))["result"]["tools"]] == names
    assert text_of(await visitor.call("older__length", {"text": "four"})) == "4"
    assert {(call.server_name, call.tool_name) for call in await receipts(at_least=3)} == {("older", "length"), ("newer", "release")}


async def test_two_servers_with_one_tool_name(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    raw = await Raw(http, WHOLE).begin()
    assert await raw.call("one__who") == "one"
    assert await raw.call("two__who") == "two"
    assert (await raw.request("tools/call", {"name": "who"}))["error"]["code"] == -32602


async def test_marked_arguments_are_repeated_in_headers(http: aiohttp.ClientSession, place: Place) -> None:
    visitor = Visitor(http, WHOLE)
    params = {"name": "newer__request", "arguments": {"region": "west"}}
    asked = await visitor.request("tools/call", params, {"Mcp-Param-Region": "west"})
    assert json.loads(text_of(asked))["params"]["name"] == "request"
    refused = await visitor.request("tools/call", params, {"Mcp-Param-Region": "east"})
    assert refused["error"]["code"] == -32020
    assert (await visitor.request("tools/call", params))["error"]["code"] == -32020


async def test_questions_of_two_servers_find_their_way_back(http: aiohttp.ClientSession, place: Place) -> None:
    await connect(place, "other", "older")
    raw = await Raw(http, WHOLE).begin({"sampling": {}})
    async with raw.calling("older__consult", text="a") as first, raw.calling("other__consult", text="b") as second:
        asked = [await first.next(), await second.next()]
        assert asked[0]["id"] != asked[1]["id"]
        for question in reversed(asked):
            reply = {**REPLY, "content": {"type": "text", "text": question["params"]["messages"][0]["content"]["text"] + "!"}}
            assert await raw.post({"id": question["id"], "result": reply}) == 202
        assert "a!" in text_of(await first.response())
        assert "b!" in text_of(await second.response())


async def test_questions_as_results(http: aiohttp.ClientSession, place: Place) -> None:
    visitor = Visitor(http, WHOLE, {"elicitation": {}, "sampling": {}})
    first = (await visitor.call("newer__quiz"))["result"]
    assert set(first["inputRequests"]) == {"word", "and"}
    answers = {"word": {"action": "accept", "content": {"word": "x"}}, "and": REPLY}
    second = (await visitor.call("newer__quiz", inputResponses=answers, requestState=first["requestState"]))["result"]
    assert set(second["inputRequests"]) == {"last"}
    last = {"last": {"action": "accept", "content": {}}}
    third = await visitor.call("newer__quiz", inputResponses=last, requestState=second["requestState"])
    assert json.loads(text_of(third)) == [answers, last]


async def test_prompts(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    for client in (await Raw(http, WHOLE).begin(), Visitor(http, WHOLE)):
        names = [prompt["name"] for prompt in (await client.request("prompts/list"))["result"]["prompts"]]
        assert names[:2] == ["one__greet", "one__part"]
        assert len(set(names)) == 6
        said = (await client.request("prompts/get", {"name": "two__greet"}))["result"]["messages"]
        assert said[0]["content"]["text"] == "two: greet"
        said = (await client.request("prompts/get", {"name": names[5]}))["result"]["messages"]
        assert said[0]["content"]["text"] == "two: of course!"
        assert (await client.request("prompts/get", {"name": "none__greet"}))["error"]["code"] == -32602


async def test_resources(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    alias = "agentopia://two/test%3A%2F%2Fshared"
    for client in (await Raw(http, WHOLE).begin(), Visitor(http, WHOLE)):
        uris = [resource["uri"] for resource in (await client.request("resources/list"))["result"]["resources"]]
        assert uris == ["test://shared", "test://one/a", "test://one/b", alias, "test://two/a", "test://two/b"]
        templates = (await client.request("resources/templates/list"))["result"]["resourceTemplates"]
        assert {"item://one/{word}", "item://two/{word}", "shared://{word}"} < {template["uriTemplate"] for template in templates}
        for uri, text in (("test://shared", "one"), (alias, "two"), ("test://two/b", "two"), ("item://two/x", "two")):
            contents = (await client.request("resources/read", {"uri": uri}))["result"]["contents"]
            assert contents == [{"uri": uri, "text": text}]
        assert (await client.request("resources/read", {"uri": "test://nowhere"}))["error"]["code"] in (-32002, -32602)
        assert (await client.request("resources/read", {"uri": "item://two/missing"}))["error"]["code"] in (-32002, -32602)


async def test_completions(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    argument = {"name": "word", "value": "al"}
    for client in (await Raw(http, WHOLE).begin(), Visitor(http, WHOLE)):
        for ref, values in (
            ({"type": "ref/prompt", "name": "two__greet"}, ["two", "greet", "alpha"]),
            ({"type": "ref/resource", "uri": "item://one/{word}"}, ["one", "item://one/{word}", "alpha"]),
        ):
            asked = await client.request("completion/complete", {"ref": ref, "argument": argument})
            assert asked["result"]["completion"]["values"] == values


async def test_watched_resources_and_lists_in_a_session(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    raw = await Raw(http, WHOLE).begin()
    async with raw.listen() as stream:
        assert "result" in await raw.request("resources/subscribe", {"uri": "test://two/a"})
        await raw.call("two__touch", uri="test://two/a")
        updated = await stream.next()
        assert (updated["method"], updated["params"]) == ("notifications/resources/updated", {"uri": "test://two/a"})
        await raw.call("two__grow")
        assert (await stream.next())["method"] == "notifications/resources/list_changed"
        await place.revoke("one")
        changed = {(await stream.next())["method"] for _ in range(3)}
        assert changed == {f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")}
    assert "result" in await raw.request("resources/unsubscribe", {"uri": "test://two/a"})
    assert json.loads(await raw.call("two__seen"))["watched"] == []


async def test_watched_resources_and_lists_of_a_subscription(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    visitor = Visitor(http, WHOLE)
    wanted = {"toolsListChanged": True, "resourcesListChanged": True, "resourceSubscriptions": ["test://two/a", "test://one/b"]}
    async with visitor.open("subscriptions/listen", {"notifications": wanted}) as stream:
        granted = (await stream.next())["params"]["notifications"]
        assert {**granted, "resourceSubscriptions": sorted(granted["resourceSubscriptions"], reverse=True)} == wanted
        await visitor.call("two__touch", {"uri": "test://two/a"})
        assert (await stream.next())["params"]["uri"] == "test://two/a"
        await visitor.call("one__grow")
        assert (await stream.next())["method"] == "notifications/resources/list_changed"
        await place.revoke("older")
        assert (await stream.next())["method"] == "notifications/tools/list_changed"


async def test_log_levels(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    raw = await Raw(http, WHOLE).begin()
    await raw.call("one__who")
    assert "result" in await raw.request("logging/setLevel", {"level": "error"})
    for server in ("one", "two"):  # one was told, the other will be when the session reaches it
        assert json.loads(await raw.call(f"{server}__seen"))["level"] == "error"
    assert (await raw.request("logging/setLevel", {"level": "loud"}))["error"]["code"] == -32602


async def test_tools_are_found_by_words(http: aiohttp.ClientSession, place: Place) -> None:
    def search() -> None:
        change_agent(owner=place.owner, agent_id=place.agent.pk, tool_mode=Agent.ToolMode.SEARCH)
        set_tool_rules(owner=place.owner, grant_id=place.grant("older").pk, name="length", pinned=True)

    await place.do(search)
    for client in (await Raw(http, WHOLE).begin(), Visitor(http, WHOLE)):
        listed = (await client.request("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in listed] == ["find_tools", "call_tool", "older__length"]
        wanted = {"query": "a quiz of the newer server", "limit": 3}
        found = (await client.request("tools/call", {"name": "find_tools", "arguments": wanted}))["result"]
        best = found["structuredContent"]["tools"][0]
        assert (best["name"], best["server"], best["score"]) == ("newer__quiz", "newer", 1)
        assert best["why"]
        assert json.loads(found["content"][0]["text"]) == found["structuredContent"]
        wanted = {"name": "older__length", "arguments": {"text": "four"}}
        assert text_of(await client.request("tools/call", {"name": "call_tool", "arguments": wanted})) == "4"
        unknown = {"name": "call_tool", "arguments": {"name": "call_tool"}}
        assert (await client.request("tools/call", unknown))["error"]["code"] == -32602
    kept = await receipts(at_least=4)
    assert {(call.tool_name, call.status) for call in kept} == {("length", "succeeded"), ("call_tool", "refused")}


async def test_a_server_that_is_away_is_left_out_of_lists(http: aiohttp.ClientSession, place: Place) -> None:
    await libraries(place)
    raw = await Raw(http, WHOLE).begin()
    assert len((await raw.request("prompts/list"))["result"]["prompts"]) == 6
    place.host.kill()
    try:
        assert (await raw.request("prompts/list"))["result"]["prompts"] == []
    finally:
        place.host.start()

    async def back() -> bool:
        return len((await raw.request("prompts/list"))["result"]["prompts"]) == 6

    await eventually(back, 20)
