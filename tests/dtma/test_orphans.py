"""Containers that nobody owns any more: told, taken up as they run, or removed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container
from pydantic import SecretStr

from dtma.about import MAX_BYTES
from dtma_client import DtmaClient, DtmaError, DtmaFault, ServerNotFound
from dtma_wire import Destination, Egress, HttpTransport, Orphan, Phase, SecretFile, ServerSpec, ServerState, Volume
from tests.dtma.agent import Agent, eventually, ready, say, spec_of, until
from tests.dtma.conftest import own_toolbox
from tests.dtma.control import ControlPlane

CANARY = "canary-5e1f0c7a"


class Host:
    """A toolbox whose DTMA loses its home."""

    def __init__(self, root: Path, toolbox: str, control: ControlPlane) -> None:
        self.toolbox = toolbox
        self.control = control
        self._root = root
        self.agent = self._agent()

    def _agent(self) -> Agent:
        return Agent(self._root / "home", self.toolbox, control_url=self.control.url)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[DtmaClient]:
        async with DtmaClient(self.agent.endpoint) as client:
            yield client

    async def start(self) -> None:
        await asyncio.to_thread(self.agent.start)

    async def lose_home(self, *, keep: str = "") -> None:
        """All that DTMA remembers is gone, but for a folder of that name. Another DTMA starts."""
        await asyncio.to_thread(self.agent.kill)
        if keep:
            (self.agent.home / keep).rename(self._root / keep)
        shutil.rmtree(self.agent.home)
        self.agent = self._agent()
        if keep:
            shutil.copytree(self._root / keep, self.agent.home / keep)
        await self.start()


@pytest.fixture
def toolbox(engine: DockerClient) -> Iterator[str]:
    """One that no other test sees."""
    with own_toolbox(engine) as toolbox:
        yield toolbox


@pytest.fixture
async def host(tmp_path: Path, toolbox: str) -> AsyncIterator[Host]:
    control = ControlPlane(toolbox)
    control.interval = 1
    async with control.listening():
        host = Host(tmp_path, toolbox, control)
        await host.start()
        yield host
        await asyncio.to_thread(host.agent.stop)


def full(image: str) -> ServerSpec:
    return spec_of(
        image,
        "workshop",
        generation=7,
        incarnation=3,
        environment={"COLOUR": "green"},
        secrets={"API_KEY": SecretStr(CANARY)},
        volumes=(Volume(name="data", path="/data"),),
    )


async def orphan(client: DtmaClient) -> Orphan:
    """The only one."""
    (found,) = await client.orphans()
    return found


async def restarted_as(client: DtmaClient, state: ServerState) -> ServerState:
    async def running() -> ServerState | None:
        now = await client.server(state.id)
        return now if now.phase is Phase.RUNNING else None

    found = await eventually(running, 20)
    assert found is not None
    return found


async def test_an_orphan_is_taken_up_as_it_runs(host: Host, image: str, server_id: str) -> None:
    async with host.client() as client:
        before = await ready(client, server_id, full(image))
        assert await say(client, server_id, "keep", text="precious")
        assert await client.orphans() == ()
    await host.lose_home()
    async with host.client() as client:
        assert await client.servers() == ()
        found = await orphan(client)
        assert (found.container, found.server, found.server_name) == (before.container, server_id, "workshop")
        assert (found.image, found.running, found.adoptable, found.reason) == (found.image, True, True, "")
        assert CANARY not in found.model_dump_json()
        state = await client.adopt_orphan(found.container)
        assert (state.phase, state.container, state.generation, state.restarts) == (Phase.RUNNING, before.container, 7, 0)
        assert (state.tools_hash, state.name) == (before.tools_hash, "workshop")
        assert await say(client, server_id, "keep") == "precious"
        assert await say(client, server_id, "environ", name="API_KEY") == CANARY
        assert await client.orphans() == ()
        assert await client.spec(server_id) == full(image)
        lines = [line.text async for batch in client.logs(server_id) for line in batch]
        assert "This container was found running, and adopted." in lines
    # It carries the label of another home, and is known all the same by the next DTMA.
    await asyncio.to_thread(host.agent.kill)
    await host.start()
    async with host.client() as client:
        state = await restarted_as(client, before)
        assert (state.container, state.restarts) == (before.container, 0)
        spec = full(image).model_copy(update={"generation": 8, "environment": {"COLOUR": "red"}})
        changed = await ready(client, server_id, spec)
        assert changed.container != before.container
        assert await say(client, server_id, "keep") == "precious"


async def test_one_with_a_network_keeps_its_guard(host: Host, http_image: str, server_id: str) -> None:
    spec = spec_of(
        http_image,
        "sdk",
        "both",
        transport=HttpTransport(port=8000),
        egress=Egress.ALLOWLIST,
        allowed=(Destination(host="example.org"),),
    )
    async with host.client() as client:
        before = await ready(client, server_id, spec)
    await host.lose_home()
    async with host.client() as client:
        state = await client.adopt_orphan((await orphan(client)).container)
        assert (state.phase, state.container) == (Phase.RUNNING, before.container)
        assert await client.spec(server_id) == spec


async def test_one_on_the_official_sdk_answers_a_second_handshake(host: Host, http_image: str, server_id: str) -> None:
    async with host.client() as client:
        before = await ready(client, server_id, spec_of(http_image, "sdk_stdio"))
        session = await say(client, server_id, "session")
    await host.lose_home()
    async with host.client() as client:
        state = await client.adopt_orphan((await orphan(client)).container)
        assert (state.phase, state.container) == (Phase.RUNNING, before.container)
        assert await say(client, server_id, "session") == session


async def test_an_orphan_is_removed_with_its_data_only_if_told_so(host: Host, image: str, server_id: str, engine: DockerClient) -> None:
    async with host.client() as client:
        await ready(client, server_id, full(image))
    await host.lose_home()
    async with host.client() as client:
        found = await orphan(client)
        await client.remove_orphan(found.container)
        assert await client.orphans() == ()
        assert engine.volumes.get(f"agentopia-{server_id}.data")
        await client.remove_orphan(found.container)  # gone already
        await ready(client, server_id, full(image))
    await host.lose_home()
    async with host.client() as client:
        await client.remove_orphan((await orphan(client)).container, volumes="remove")
        with pytest.raises(NotFound):
            engine.volumes.get(f"agentopia-{server_id}.data")


async def test_a_servers_container_is_no_orphan(host: Host, image: str, server_id: str) -> None:
    async with host.client() as client:
        state = await ready(client, server_id, spec_of(image, "workshop"))
        for attempt in (client.remove_orphan(state.container), client.adopt_orphan(state.container), client.adopt_orphan("f" * 64)):
            with pytest.raises(ServerNotFound, match="belongs to no server"):
                await attempt
        assert await say(client, server_id, "echo", text="still there") == "still there"


async def test_what_cannot_be_adopted_says_why(host: Host, image: str, server_id: str, engine: DockerClient) -> None:
    files, long, ended, strange = (f"{server_id}{letter}" for letter in "abcd")
    async with host.client() as client:
        secret = SecretFile(name="token", content=SecretStr(CANARY))
        await ready(client, files, spec_of(image, "workshop", secret_files=(secret,)))
        wide = tuple("x" * 4000 for _ in range(MAX_BYTES // 4000 + 1))
        await ready(client, long, spec_of(image, "workshop", *wide))
        await ready(client, ended, spec_of(image, "workshop"))
    await asyncio.to_thread(host.agent.kill)
    await asyncio.to_thread(container_of(engine, ended).kill)
    label = {"io.agentopia.toolbox": host.toolbox, "io.agentopia.server": strange, "io.agentopia.generation": "1"}
    about = '{"spec":{"name":"x","source":{"kind":"oci","reference":"x"},"novelty":1},"secrets":[],"secret_files":[]}'
    engine.containers.create(image, ["true"], labels=label | {"io.agentopia.about": about}, name=f"agentopia-{strange}").start()
    await host.lose_home()
    async with host.client() as client:
        reasons = {found.server: found.reason for found in await client.orphans() if not found.adoptable}
        assert "secret files are known to nobody" in reasons[files]
        assert "does not say what it was made from" in reasons[long]
        assert "does not run" in reasons[ended]
        assert "does not run" in reasons[strange]
        for found in await client.orphans():
            with pytest.raises(DtmaFault) as raised:
                await client.adopt_orphan(found.container)
            assert found.reason in str(raised.value)
        assert await client.servers() == ()
    assert CANARY not in host.agent.output


def container_of(engine: DockerClient, server_id: str) -> Container:
    found: Container = engine.containers.get(f"agentopia-{server_id}")
    return found


async def test_a_server_that_does_not_answer_again_is_started_anew(host: Host, image: str, server_id: str) -> None:
    async with host.client() as client:
        before = await ready(client, server_id, spec_of(image, "once"))
    await host.lose_home()
    async with host.client() as client:
        state = await client.adopt_orphan((await orphan(client)).container)
        assert state.phase is Phase.RUNNING
        assert state.container != before.container
        assert await client.orphans() == ()


async def test_a_dtma_killed_while_it_adopts_carries_on(host: Host, image: str, server_id: str) -> None:
    async with host.client() as client:
        before = await ready(client, server_id, full(image))
    await host.lose_home()
    async with host.client() as client:
        adopting = asyncio.create_task(client.adopt_orphan((await orphan(client)).container))
        await asyncio.to_thread(until, (host.agent.home / "servers" / f"{server_id}.json").exists)
        await asyncio.to_thread(host.agent.kill)
        with suppress(DtmaError):  # unless it had answered before it was killed
            await adopting
    await host.start()
    async with host.client() as client:
        assert (await restarted_as(client, before)).container == before.container


async def test_heartbeats_tell_orphans_when_they_change(host: Host, image: str, server_id: str, engine: DockerClient) -> None:
    first = await host.control.hears(lambda beat: beat.orphans is not None)
    assert first.orphans == ()
    async with host.client() as client:
        state = await ready(client, server_id, spec_of(image, "workshop"))
    heard = list(host.control.heard)
    await host.lose_home()
    beat = await host.control.hears(lambda beat: bool(beat.orphans), 20)
    assert beat.orphans is not None
    assert [found.container for found in beat.orphans] == [state.container]
    assert [beat.sequence for beat in heard if beat.orphans is not None] == [first.sequence]
    # As long as nothing changes they are not repeated, and what happens to one on the engine is told at once.
    calm = await host.control.hears(lambda beat: beat.orphans is None)
    host.control.interval = 60
    await host.control.hears(lambda beat: beat.sequence > calm.sequence)
    await asyncio.to_thread(container_of(engine, server_id).kill)
    beat = await host.control.hears(lambda beat: bool(beat.orphans), 20)
    assert beat.orphans is not None
    assert not beat.orphans[0].running
    await asyncio.to_thread(container_of(engine, server_id).remove)
    await host.control.hears(lambda beat: beat.orphans == (), 20)


async def test_a_control_plane_that_asks_for_everything_hears_of_orphans_again(host: Host, image: str, server_id: str) -> None:
    async with host.client() as client:
        await ready(client, server_id, spec_of(image, "workshop"))
    await host.lose_home()
    await host.control.hears(lambda beat: bool(beat.orphans), 20)
    await host.control.hears(lambda beat: beat.orphans is None)
    host.control.resend = True
    await host.control.hears(lambda beat: beat.since == 0 and bool(beat.orphans))
