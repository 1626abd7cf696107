"""Toolsets kept in memory: as new as what was committed, in whatever process that was, loaded once for all who ask."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
import redis
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import Agent
from agents.services.agents import change_agent, create_agent, delete_agent
from agents.services.grants import change_grant, grant, revoke_grant
from agents.toolsets import cache, following, loading, news
from agents.toolsets.cache import agent_of, changes, reloaded, toolset_of
from agents.toolsets.types import Toolset
from mcp_registry.models import McpServer
from tests.agents.granting import agent_with, grant_of, tell_tools, tool
from tests.dtma.agent import eventually, free_port

pytestmark = pytest.mark.django_db(transaction=True)
type MakeServer = Callable[..., McpServer]


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.forget()


@pytest_asyncio.fixture
async def followed() -> AsyncIterator[None]:
    """This process hears of changes."""
    async with following.following():
        await eventually(is_followed)
        yield


async def is_followed() -> bool:
    return bool(cache._followers)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The agents whose toolsets were loaded, one after the other."""
    seen: list[Any] = []
    load = loading.load

    def noted(agent_id: Any, known: Toolset | None = None) -> Toolset:
        seen.append(agent_id)
        return load(agent_id, known)

    monkeypatch.setattr(loading, "load", noted)
    return seen


@database_sync_to_async
def agent_of_server(user: User, server: McpServer, **fields: Any) -> Agent:
    return agent_with(user, server, **fields)


async def names(agent: Agent) -> list[str]:
    return list((await toolset_of(agent.pk)).tools)


async def next_of(news_of_agent: AsyncIterator[Toolset], seconds: float = 5) -> Toolset:
    async with asyncio.timeout(seconds):
        return await anext(news_of_agent)


async def test_many_who_ask_at_once_share_one_loading(user: User, make_server: MakeServer, followed: None, loads: list[Any]) -> None:
    agent = await agent_of_server(user, await database_sync_to_async(make_server)())
    found = await asyncio.gather(*(toolset_of(agent.pk) for _ in range(50)))
    assert all(each is found[0] for each in found)
    assert await toolset_of(agent.pk) is found[0]
    assert loads == [agent.pk]


async def test_who_stops_waiting_takes_nobody_along(user: User, make_server: MakeServer, followed: None) -> None:
    agent = await agent_of_server(user, await database_sync_to_async(make_server)())
    impatient, patient = asyncio.create_task(toolset_of(agent.pk)), asyncio.create_task(toolset_of(agent.pk))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).agent_id == agent.pk
    assert impatient.cancelled()


async def test_it_lasts_until_something_changes(user: User, make_server: MakeServer, followed: None, loads: list[Any]) -> None:
    server = await database_sync_to_async(make_server)(name="files")
    agent = await agent_of_server(user, server)
    assert await names(agent) == ["files__echo"]
    await database_sync_to_async(tell_tools)(server, [tool("echo"), tool("more")])

    async def is_there() -> bool:
        return "files__more" in await names(agent)

    await eventually(is_there)
    assert len(loads) == 2
    await database_sync_to_async(revoke_grant)(owner=user, grant_id=(await database_sync_to_async(grant_of)(agent)).pk)

    async def is_gone() -> bool:
        return not await names(agent)

    await eventually(is_gone)


async def test_without_redis_the_database_is_asked(
    user: User, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, loads: list[Any]
) -> None:
    agent = await agent_of_server(user, await database_sync_to_async(make_server)(name="files"))
    dead = settings.ENVIRONMENT.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    monkeypatch.setattr(settings, "ENVIRONMENT", dead)
    news._redis.cache_clear()
    try:
        async with following.following():
            assert await names(agent) == await names(agent) == ["files__echo"]
            assert len(loads) == 1
            await database_sync_to_async(revoke_grant)(owner=user, grant_id=(await database_sync_to_async(grant_of)(agent)).pk)
            assert await names(agent) == []
            await database_sync_to_async(change_agent)(owner=user, agent_id=agent.pk, enabled=False)
            with pytest.raises(NotFound):
                await toolset_of(agent.pk)
    finally:
        news._redis.cache_clear()


async def test_what_happens_while_the_connection_is_lost(user: User, make_server: MakeServer, followed: None) -> None:
    server = await database_sync_to_async(make_server)(name="files")
    agent = await agent_of_server(user, server)
    async with aclosing(changes(agent.pk, await toolset_of(agent.pk))) as later:
        with redis.Redis.from_url(settings.ENVIRONMENT.redis_url) as client:
            client.client_kill_filter(_type="pubsub")
        await database_sync_to_async(tell_tools)(server, [tool("other")])
        assert list((await next_of(later)).tools) == ["files__other"]
    await eventually(is_followed)
    assert await names(agent) == ["files__other"]


async def test_a_message_that_never_came(user: User, make_server: MakeServer, followed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a process were killed between the commit and telling of it."""
    server = await database_sync_to_async(make_server)(name="files")
    agent = await agent_of_server(user, server)
    assert await names(agent) == ["files__echo"]
    monkeypatch.setattr(news, "_write", lambda versions, *, announce: None)
    await database_sync_to_async(tell_tools)(server, [tool("other")])

    async def is_there() -> bool:
        return await names(agent) == ["files__other"]

    await eventually(is_there, following.COMPARE_SECONDS + 5)


async def test_a_version_that_a_call_found_is_loaded(user: User, make_server: MakeServer, followed: None, loads: list[Any]) -> None:
    server = await database_sync_to_async(make_server)(name="files")
    agent = await agent_of_server(user, server)
    first = await toolset_of(agent.pk)
    assert await reloaded(agent.pk, first.version) is first
    with redis.Redis.from_url(settings.ENVIRONMENT.redis_url) as client:
        assert int(client.get(news.key_of(agent.pk)) or 0) == first.version
        await database_sync_to_async(change_agent)(owner=user, agent_id=agent.pk, name="Aide")
        assert int(client.get(news.key_of(agent.pk)) or 0) == first.version + 1
    second = await reloaded(agent.pk, first.version + 1)
    assert (second.version, second.name) == (first.version + 1, "Aide")
    assert (await reloaded(agent.pk, None)).version == second.version


def test_an_older_version_never_takes_the_place_of_a_newer_one() -> None:
    agent_id = uuid4()
    news.tell({agent_id: 7})
    news.tell({agent_id: 5})
    news.note(agent_id, 6)
    with redis.Redis.from_url(settings.ENVIRONMENT.redis_url) as client:
        assert client.get(news.key_of(agent_id)) == b"7"


async def test_a_grant_ends_by_the_clock_for_all_at_once(user: User, make_server: MakeServer, followed: None) -> None:
    end = timezone.now() + timedelta(seconds=1.5)
    agent = await agent_of_server(user, await database_sync_to_async(make_server)(name="files"), expires_at=end)
    first = await toolset_of(agent.pk)
    assert first.tools
    async with aclosing(changes(agent.pk, first)) as one, aclosing(changes(agent.pk, first)) as other:
        seen = await asyncio.gather(next_of(one), next_of(other))
    assert timezone.now() >= end
    assert timezone.now() - end < timedelta(seconds=1)
    assert [list(each.tools) for each in seen] == [[], []]
    assert {each.version for each in seen} == {first.version + 1}


async def test_changes_are_told_until_the_agent_is_gone(user: User, make_server: MakeServer, followed: None) -> None:
    server = await database_sync_to_async(make_server)(name="files")
    agent = await database_sync_to_async(create_agent)(owner=user, name="Helper")
    async with aclosing(changes(agent.pk, await toolset_of(agent.pk))) as later:
        made = await database_sync_to_async(grant)(owner=user, agent_id=agent.pk, server_id=server.pk)
        assert list((await next_of(later)).tools) == ["files__echo"]
        await database_sync_to_async(change_grant)(owner=user, grant_id=made.pk, approval="always")
        assert (await next_of(later)).tools["files__echo"].approval == "always"
        await database_sync_to_async(delete_agent)(owner=user, agent_id=agent.pk)
        with pytest.raises(StopAsyncIteration):
            await next_of(later)


async def test_who_waits_for_changes_outlives_an_absence_of_the_database(
    user: User, make_server: MakeServer, followed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await agent_of_server(user, await database_sync_to_async(make_server)(name="files"))
    monkeypatch.setattr(cache, "LOOK_SECONDS", 0.1)
    away = threading.Event()
    load = loading.load

    def absent(agent_id: UUID, known: Toolset | None = None) -> Toolset:
        if not away.is_set():
            away.set()
            raise OperationalError("the database does not answer")
        return load(agent_id, known)

    async with aclosing(changes(agent.pk, await toolset_of(agent.pk))) as later:
        monkeypatch.setattr(loading, "load", absent)
        await database_sync_to_async(change_agent)(owner=user, agent_id=agent.pk, name="Aide")
        assert (await next_of(later)).name == "Aide"
    assert away.is_set()


async def test_a_slug_leads_to_its_agent(user: User, followed: None) -> None:
    agent = await database_sync_to_async(create_agent)(owner=user, name="Helper")
    assert await agent_of(user.pk, "helper") == agent.pk
    await toolset_of(agent.pk)
    assert await agent_of(user.pk, "helper") == agent.pk
    await database_sync_to_async(change_agent)(owner=user, agent_id=agent.pk, slug="aide")

    async def is_renamed() -> bool:
        return await agent_of(user.pk, "aide") == agent.pk

    await eventually(is_renamed)
    for owner_id, slug in ((user.pk, "helper"), (user.pk + 1, "aide"), (user.pk, "")):
        with pytest.raises(NotFound):
            await agent_of(owner_id, slug)


async def test_changes_while_it_is_loaded(user: User, make_server: MakeServer, followed: None) -> None:
    """Readers never see what was taken back before they asked, however the two meet."""
    server = await database_sync_to_async(make_server)(name="files")
    agent = await agent_of_server(user, server)
    told = 0

    async def reads() -> None:
        while told < 12:
            known = told
            toolset = await toolset_of(agent.pk)
            if toolset.tools:
                newest = await reloaded(agent.pk, await database_sync_to_async(loading.version_of)(agent.pk))
                for name in newest.tools:  # none, where the change came between two reads of the loading
                    assert int(name.removeprefix("files__t")) >= known

    readers = [asyncio.create_task(reads()) for _ in range(8)]
    for number in range(1, 13):
        await database_sync_to_async(tell_tools)(server, [tool(f"t{number}")])
        told = number
    await asyncio.gather(*readers)


@pytest.mark.parametrize("message", [b"", b"[]", b"nonsense", b'{"x": 1}', b'{"6f1f9a2e-6c01-43c4-8e91-1dbf20ae138c": "y"}'])
def test_a_message_that_is_none_of_ours(message: bytes) -> None:
    assert news.versions_in(message) == {}


async def test_ten_thousand_tools(user: User, make_server: MakeServer, followed: None) -> None:
    """The event loop goes on meanwhile; a change of one of them is told of like any other."""
    server = await database_sync_to_async(make_server)(name="big")
    many = [tool(f"tool_{number}", description="Does one of many things. " * 15) for number in range(10_000)]
    await database_sync_to_async(tell_tools)(server, many)
    agent = await agent_of_server(user, server)
    turns = 0

    async def look() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    looking = asyncio.create_task(look())
    toolset = await toolset_of(agent.pk)
    looking.cancel()
    assert turns > 5
    assert len(json.loads(toolset.listed)) == 10_000
    async with aclosing(changes(agent.pk, toolset)) as later:
        await database_sync_to_async(tell_tools)(server, [*many[1:], tool("new")])
        assert "big__new" in (await next_of(later)).tools
