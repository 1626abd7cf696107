"""The data of a deleted server that was kept: it comes back with it, or goes for good."""

from __future__ import annotations

import json

import pytest
from docker import DockerClient

from dtma_client import DtmaClient, StaleGeneration
from dtma_wire import Phase, Volume
from tests.dtma.agent import ready, say, spec_of

DATA = Volume(name="data", path="/data")


def volumes(engine: DockerClient, server_id: str) -> int:
    return len(engine.volumes.list(filters={"label": f"io.agentopia.server={server_id}"}))


async def test_it_is_there_when_the_server_comes_back(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    await ready(client, server_id, spec_of(image, "probe", volumes=(DATA,)))
    await say(client, server_id, "write", path="/data/note", text="kept")
    await client.delete(server_id, volumes="keep", generation=2)
    await ready(client, server_id, spec_of(image, "probe", volumes=(DATA,), generation=3))
    assert json.loads(await say(client, server_id, "look", path="/data/note"))["content"] == "kept"
    await client.delete(server_id, volumes="remove", generation=4)
    assert volumes(engine, server_id) == 0


async def test_it_goes_though_the_server_is_not_known_any_more(
    client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, spec_of(image, "probe", volumes=(DATA,)))
    await client.delete(server_id, volumes="keep", generation=5)
    assert volumes(engine, server_id) == 1
    with pytest.raises(StaleGeneration) as refused:
        await client.delete(server_id, volumes="remove", generation=4)
    assert refused.value.generation == 5
    assert (await client.delete(server_id, volumes="keep", generation=6)).phase is Phase.ABSENT
    assert volumes(engine, server_id) == 1
    for _ in range(2):
        assert (await client.delete(server_id, volumes="remove", generation=6)).phase is Phase.ABSENT
        assert volumes(engine, server_id) == 0
    # What comes back under this id is newer than that, and finds nothing.
    with pytest.raises(StaleGeneration):
        await ready(client, server_id, spec_of(image, "probe", volumes=(DATA,), generation=5))
    await ready(client, server_id, spec_of(image, "probe", volumes=(DATA,), generation=7))
    assert json.loads(await say(client, server_id, "look", path="/data"))["content"] == []


async def test_that_of_others_stays(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    other = f"{server_id}-other"
    await ready(client, other, spec_of(image, "probe", volumes=(DATA,)))
    for unknown in (server_id, "*"):
        await client.delete(unknown, volumes="remove")
    assert volumes(engine, other) == 1
    await client.delete(other, volumes="remove")
