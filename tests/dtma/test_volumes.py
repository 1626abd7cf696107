"""Volumes: a server's own, and those that several servers of a toolbox work on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from docker import DockerClient

from dtma_client import DtmaClient
from dtma_wire import Phase, Volume
from tests.dtma.agent import deploy, ready, say, spec_of


def volumes(engine: DockerClient, name: str, toolbox: str) -> list[Any]:
    label = {"filters": {"label": f"io.agentopia.toolbox={toolbox}"}}
    return [volume for volume in engine.volumes.list(**label) if volume.name.endswith(f".{name}")]


async def test_servers_of_a_toolbox_work_on_one_folder(
    client: DtmaClient, image: str, server_id: str, engine: DockerClient, toolbox: str
) -> None:
    one, two, reader = (f"{server_id}-{name}" for name in ("one", "two", "reader"))
    shared = Volume(name=f"{server_id}-work", path="/work", shared=True)
    elsewhere = shared.model_copy(update={"path": "/looks/elsewhere", "read_only": True})
    own = Volume(name="own", path="/own")
    # At the same time, so that two want to make it.
    await asyncio.gather(
        ready(client, one, spec_of(image, "probe", volumes=(shared, own))),
        ready(client, two, spec_of(image, "probe", volumes=(shared, own))),
    )
    await ready(client, reader, spec_of(image, "probe", volumes=(elsewhere,)))
    assert await say(client, one, "write", path="/work/note", text="from one") == "allowed"
    assert await say(client, two, "write", path="/work/answer", text="from two") == "allowed"
    assert await say(client, one, "write", path="/own/note", text="mine") == "allowed"
    found = json.loads(await say(client, two, "look", path="/work"))
    assert (found["uid"], found["content"]) == (10001, ["answer", "note"])
    assert json.loads(await say(client, two, "look", path="/own"))["content"] == []
    assert json.loads(await say(client, reader, "look", path="/looks/elsewhere/note"))["content"] == "from one"
    assert await say(client, reader, "write", path="/looks/elsewhere/more") == "EROFS"

    # It stays for as long as any server names it, stopped ones too.
    await client.stop(two)
    for server in (one, reader):
        assert (await client.delete(server, volumes="remove")).phase is Phase.ABSENT
        assert len(volumes(engine, f"{server_id}-work", toolbox)) == 1
    await client.start(two)
    assert json.loads(await say(client, two, "look", path="/work/note"))["content"] == "from one"
    await client.delete(two, volumes="remove")
    assert volumes(engine, f"{server_id}-work", toolbox) == []


async def test_the_last_two_go_at_the_same_time(client: DtmaClient, image: str, server_id: str, engine: DockerClient, toolbox: str) -> None:
    shared = Volume(name=f"{server_id}-work", path="/work", shared=True)
    servers = [f"{server_id}-{number}" for number in range(2)]
    await asyncio.gather(*(ready(client, server, spec_of(image, "probe", volumes=(shared,))) for server in servers))
    await asyncio.gather(*(client.delete(server, volumes="remove") for server in servers))
    assert volumes(engine, f"{server_id}-work", toolbox) == []
    # And it can be made anew, empty and writable.
    await ready(client, f"{server_id}-again", spec_of(image, "probe", volumes=(shared,)))
    assert await say(client, f"{server_id}-again", "write", path="/work/note") == "allowed"
    await client.delete(f"{server_id}-again", volumes="remove")


async def test_what_is_kept_is_kept(client: DtmaClient, image: str, server_id: str, engine: DockerClient, toolbox: str) -> None:
    shared = Volume(name=f"{server_id}-work", path="/work", shared=True)
    spec = spec_of(image, "probe", volumes=(shared,))
    await ready(client, server_id, spec)
    await say(client, server_id, "write", path="/work/note", text="kept")
    await client.delete(server_id)
    assert len(volumes(engine, f"{server_id}-work", toolbox)) == 1
    await ready(client, f"{server_id}-next", spec)
    assert json.loads(await say(client, f"{server_id}-next", "look", path="/work/note"))["content"] == "kept"
    await client.delete(f"{server_id}-next", volumes="remove")
    assert volumes(engine, f"{server_id}-work", toolbox) == []


async def test_no_volume_hides_the_secrets(client: DtmaClient, image: str, server_id: str) -> None:
    """Two things at one path are refused with a reason, not mounted over each other."""
    twice = (Volume(name="a", path="/data"), Volume(name="b", path="/data"))
    _, settled = await deploy(client, server_id, spec_of(image, "probe", volumes=twice))
    assert not settled.ready
    assert "Duplicate mount point" in settled.server.reason
