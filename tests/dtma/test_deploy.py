"""PUT: from a spec to a server that answers, for packages and images, and what bad input gets."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import pytest
from docker import DockerClient

from dtma_client import DtmaClient, DtmaFault, EngineUnavailable, ServerNotFound, StaleGeneration
from dtma_wire import HttpTransport, NpmPackage, OciImage, Phase, PypiPackage, ServerSpec, Step, StepState, Volume
from tests.dtma.agent import Agent, deploy, eventually, ready, say, spec_of

EVERYTHING = NpmPackage(name="@modelcontextprotocol/server-everything", version="2026.8.31")


def everything(**changes: Any) -> ServerSpec:
    return ServerSpec(**{"generation": 1, "name": "everything", "source": EVERYTHING, "arguments": ("stdio",), **changes})


async def test_an_npm_package_over_stdio(client: DtmaClient, server_id: str) -> None:
    steps, settled = await deploy(client, server_id, everything())
    assert settled.ready, settled.server.reason
    assert [step.step for step in steps if step.state is StepState.DONE] == [Step.IMAGE, Step.CONTAINER, Step.HANDSHAKE, Step.TOOLS]
    state = await client.server(server_id)
    assert state.phase is Phase.RUNNING
    assert state.server_info["name"] == "mcp-servers/everything"
    assert state.tools is not None
    assert "echo" in {tool["name"] for tool in state.tools}
    assert await say(client, server_id, "echo", message="Grüße") == "Echo: Grüße"


async def test_an_npm_package_over_http(client: DtmaClient, server_id: str) -> None:
    state = await ready(client, server_id, everything(arguments=("streamableHttp",), transport=HttpTransport(port=3001)))
    assert state.tools is not None
    assert await say(client, server_id, "echo", message="hi") == "Echo: hi"
    lines = [line.text async for batch in client.logs(server_id) for line in batch]
    assert any("3001" in line for line in lines)


async def test_a_pypi_package(client: DtmaClient, server_id: str) -> None:
    spec = ServerSpec(generation=1, name="time", source=PypiPackage(name="mcp-server-time", version="2026.10.19"))
    await ready(client, server_id, spec)
    answer = json.loads(await say(client, server_id, "get_current_time", timezone="Europe/Berlin"))
    assert answer["timezone"] == "Europe/Berlin"


async def test_a_second_put_joins_the_first_and_sees_all_its_steps(client: DtmaClient, image: str, server_id: str) -> None:
    spec = spec_of(image, "workshop")
    (steps, settled), (same_steps, same) = await asyncio.gather(deploy(client, server_id, spec), deploy(client, server_id, spec))
    assert settled.ready
    assert same.ready
    assert steps == same_steps
    assert settled.server.container == same.server.container
    _, again = await deploy(client, server_id, spec_of(image, "workshop", generation=2))
    assert (again.ready, again.server.generation, again.server.container) == (True, 2, settled.server.container)


async def test_leaving_early_does_not_stop_the_work(client: DtmaClient, image: str, server_id: str) -> None:
    stream = client.put_server(server_id, spec_of(image, "workshop"))
    await anext(stream)
    await stream.aclose()

    async def running() -> bool:
        return (await client.server(server_id)).phase is Phase.RUNNING

    await eventually(running)


async def test_an_older_generation_is_refused(client: DtmaClient, image: str, server_id: str) -> None:
    state = await ready(client, server_id, spec_of(image, "workshop", generation=5))
    with pytest.raises(StaleGeneration, match="older than 5") as refusal:
        await deploy(client, server_id, spec_of(image, "workshop", "other", generation=4))
    assert refusal.value.generation == 5, "so that whoever must can go beyond it"
    with pytest.raises(StaleGeneration, match="other content"):
        await deploy(client, server_id, spec_of(image, "workshop", "other", generation=5))
    with pytest.raises(StaleGeneration):
        await client.stop(server_id, generation=4)
    assert (await client.server(server_id)).container == state.container


async def test_a_changed_spec_replaces_the_container(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    before = await ready(client, server_id, spec_of(image, "workshop"))
    after = await ready(client, server_id, spec_of(image, "workshop", "--literal", "$HOME;`id`", generation=2))
    assert before.container != after.container
    assert json.loads(await say(client, server_id, "argv")) == ["--literal", "$HOME;`id`"]
    found = engine.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"})
    assert [container.id for container in found] == [after.container]


async def test_stop_start_restart(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    first = await ready(client, server_id, spec_of(image, "workshop"))
    stopped = await client.stop(server_id, generation=2)
    assert (stopped.phase, stopped.generation, stopped.container) == (Phase.STOPPED, 2, "")
    assert engine.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"}) == []
    assert (await client.stop(server_id)).phase is Phase.STOPPED
    started = await client.start(server_id, generation=3)
    assert started.phase is Phase.RUNNING
    assert (await client.start(server_id)).container == started.container
    restarted = await client.restart(server_id)
    assert restarted.phase is Phase.RUNNING
    assert len({first.container, started.container, restarted.container}) == 3
    with pytest.raises(ServerNotFound):
        await client.stop("nobody")


async def test_data_outlives_the_container_and_is_removed_only_if_told(
    client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    spec = spec_of(image, "workshop", volumes=(Volume(name="data", path="/data"),))
    await ready(client, server_id, spec)
    assert await say(client, server_id, "keep", text="precious") == "precious"
    await client.restart(server_id)
    assert await say(client, server_id, "keep") == "precious"
    assert (await client.delete(server_id)).phase is Phase.ABSENT
    with pytest.raises(ServerNotFound):
        await client.server(server_id)
    assert [volume.name for volume in engine.volumes.list(filters={"label": f"io.agentopia.server={server_id}"})] == [
        f"agentopia-{server_id}.data"
    ]
    await ready(client, server_id, spec.model_copy(update={"generation": 2}))
    assert await say(client, server_id, "keep") == "precious"
    await client.delete(server_id, "remove")
    assert engine.volumes.list(filters={"label": f"io.agentopia.server={server_id}"}) == []
    assert (await client.delete(server_id)).phase is Phase.ABSENT


async def test_a_volume_may_be_anywhere(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop", volumes=(Volume(name="deep", path="/somewhere/deep"),)))
    assert await say(client, server_id, "touch", path="/somewhere/deep/file") == "allowed"


async def test_an_old_put_does_not_bring_a_deleted_server_back(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    await client.delete(server_id, generation=2)
    with pytest.raises(StaleGeneration) as refusal:
        await deploy(client, server_id, spec_of(image, "workshop"))
    assert refusal.value.generation == 2


async def test_an_image_that_does_not_exist(client: DtmaClient, server_id: str) -> None:
    spec = ServerSpec(generation=1, name="x", source=OciImage(reference="localhost:9/agentopia-test/absent:1"))
    steps, settled = await deploy(client, server_id, spec)
    assert not settled.ready
    assert settled.server.phase is Phase.ABSENT
    assert "is not on this toolbox and cannot be pulled" in settled.server.reason
    assert (steps[-1].step, steps[-1].state) == (Step.IMAGE, StepState.FAILED)


@pytest.mark.parametrize(
    "source",
    [NpmPackage(name="@modelcontextprotocol/server-everything", version="0.0.999"), PypiPackage(name="mcp-server-time", version="0.0.999")],
    ids=["npm", "pypi"],
)
async def test_a_version_that_does_not_exist(client: DtmaClient, server_id: str, source: NpmPackage | PypiPackage) -> None:
    _, settled = await deploy(client, server_id, ServerSpec(generation=1, name="x", source=source))
    assert not settled.ready
    assert settled.server.phase is Phase.ABSENT
    assert settled.server.reason.startswith(
        f"The image of {source.name} 0.0.999 did not build. This version does not exist: choose one that does."
    )
    assert "0.0.999" in settled.server.reason.split("\n", 1)[1]
    _, again = await deploy(client, server_id, ServerSpec(generation=1, name="x", source=source))
    assert again.server.reason.startswith("The image of")


async def test_a_delete_during_a_build_cancels_it(client: DtmaClient, server_id: str) -> None:
    spec = ServerSpec(
        generation=1,
        name="x",
        source=PypiPackage(name="mcp-server-time", version="2026.10.19", requires=("boto3", f"six!=0.{time.time_ns()}")),
    )
    stream = client.put_server(server_id, spec)
    async for event in stream:
        if "step" in getattr(event, "detail", ""):
            break
    assert (await client.delete(server_id)).phase is Phase.ABSENT
    last = [event async for event in stream][-1]
    assert last.type == "settled"
    assert not last.ready


async def test_a_spec_that_is_wrong_names_the_field_and_not_the_value(agent: Agent) -> None:
    wrong = {"generation": 1, "name": "x", "source": {"kind": "oci", "reference": "a b"}, "secrets": {"KEY": ["canary"]}, "nonsense": 1}
    async with (
        agent.http() as session,
        session.put("/v1/servers/x", json=wrong) as response,
    ):
        body = await response.json()
    assert response.status == 400
    assert body["code"] == "invalid"
    assert {"source.oci.reference", "secrets.KEY", "nonsense"} <= {part.split(":")[0] for part in body["message"].split("; ")}
    assert "canary" not in body["message"]


async def test_an_id_that_could_be_anything_else_is_refused(client: DtmaClient, image: str) -> None:
    with pytest.raises(DtmaFault, match="letters, digits"):
        await deploy(client, "a.b", spec_of(image, "workshop"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (NpmPackage(name="@modelcontextprotocol/no-such-package", version="1.0.0"), "There is no such package: check its name."),
        (NpmPackage(name="is-number", version="7.0.0"), "The package is-number has no command to run: it declares no bin."),
        (PypiPackage(name="six", version="1.17.0"), "The package six has no command to run: it declares no console script."),
    ],
    ids=["unknown", "npm library", "pypi library"],
)
async def test_a_package_that_is_no_server(client: DtmaClient, server_id: str, source: NpmPackage | PypiPackage, reason: str) -> None:
    _, settled = await deploy(client, server_id, ServerSpec(generation=1, name="x", source=source))
    assert settled.server.reason.startswith(f"The image of {source.name} {source.version} did not build. {reason}")


async def test_a_command_that_is_not_in_the_image(client: DtmaClient, image: str, server_id: str) -> None:
    _, settled = await deploy(client, server_id, spec_of(image, "workshop", arguments=("no-such-command",)))
    assert (settled.server.phase, settled.server.exit_code) == (Phase.CRASHED, 127)
    assert "Its command is not in the image" in settled.server.reason


async def test_a_deletion_that_the_engine_refuses_succeeds_when_tried_again(
    client: DtmaClient, image: str, server_id: str, engine: DockerClient
) -> None:
    await ready(client, server_id, spec_of(image, "workshop", volumes=(Volume(name="data", path="/data"),)))
    user = engine.containers.create(image, "true", volumes={f"agentopia-{server_id}.data": {"bind": "/x"}})
    try:
        with pytest.raises(EngineUnavailable, match="volume is in use"):
            await client.delete(server_id, "remove")
        with pytest.raises(StaleGeneration, match="being deleted"):
            await client.start(server_id)
    finally:
        user.remove()
    assert (await client.delete(server_id, "remove")).phase is Phase.ABSENT


async def test_of_twenty_changes_at_once_the_newest_stays(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    await ready(client, server_id, spec_of(image, "workshop"))
    changes = [spec_of(image, "workshop", str(number), generation=number) for number in range(2, 22)]
    random.Random(server_id).shuffle(changes)  # noqa: S311
    outcomes = await asyncio.gather(*(deploy(client, server_id, change) for change in changes), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {StaleGeneration, tuple}
    newest = next(outcome for change, outcome in zip(changes, outcomes, strict=True) if change.generation == 21)
    assert not isinstance(newest, BaseException)
    assert newest[1].ready
    assert json.loads(await say(client, server_id, "argv")) == ["21"]
    state = await client.server(server_id)
    assert (state.generation, containers_of(engine, server_id)) == (21, [state.container])


async def test_the_same_put_twenty_times_at_once(client: DtmaClient, image: str, server_id: str, engine: DockerClient) -> None:
    spec = spec_of(image, "workshop")
    outcomes = await asyncio.gather(*(deploy(client, server_id, spec) for _ in range(20)))
    steps, settled = outcomes[0]
    assert settled.ready
    assert all(outcome == (steps, settled) for outcome in outcomes)
    assert containers_of(engine, server_id) == [settled.server.container]


def containers_of(engine: DockerClient, server_id: str) -> list[str]:
    found = engine.containers.list(all=True, filters={"label": f"io.agentopia.server={server_id}"})
    return [str(container.id) for container in found]
