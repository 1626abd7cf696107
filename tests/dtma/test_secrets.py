"""A secret reaches the server it is for, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from docker import DockerClient
from pydantic import SecretStr

from dtma_client import DtmaClient
from tests.dtma.agent import Agent, deploy, ready, say, spec_of

CANARY = "canary-5e1f0c7a"


async def test_a_secret_stays_where_it_belongs(make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient) -> None:
    agent = make_agent().start()
    spec = spec_of(image, "workshop", secrets={"API_KEY": SecretStr(CANARY)})
    async with DtmaClient(agent.endpoint) as client:
        steps, settled = await deploy(client, server_id, spec)
        assert settled.ready
        assert await say(client, server_id, "environ", name="API_KEY") == CANARY
        await say(client, server_id, "shout", text=f"my key is {CANARY}!")
        await say(client, server_id, "shout", text=f"my key is {CANARY}!", stream="stdout")
        logged = [line.text async for batch in client.logs(server_id) for line in batch]
        state = await client.server(server_id)
        info = await client.info()
    assert logged.count("my key is [API_KEY]! 0") == 2
    container = engine.containers.get(state.container)
    told = [*(step.model_dump_json() for step in steps), settled.model_dump_json(), state.model_dump_json(), info.model_dump_json()]
    told += [*logged, json.dumps(container.labels), agent.output, repr(spec)]
    assert not [text for text in told if CANARY in text]
    assert spec.fingerprint not in json.dumps(container.labels)
    files = [path for path in agent.home.rglob("*") if path.is_file()]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    ours = [path for path in files if path.name not in ("config.json", "output")]
    assert {path.stat().st_mode & 0o777 for path in ours} == {0o600}
    assert Path(agent.home / "servers" / f"{server_id}.json") in ours


async def test_secrets_survive_a_restart_of_dtma(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        await ready(client, server_id, spec_of(image, "workshop", secrets={"API_KEY": SecretStr(CANARY)}))
    agent.kill()
    agent.start()
    async with DtmaClient(agent.endpoint) as client:
        await client.restart(server_id)
        assert await say(client, server_id, "environ", name="API_KEY") == CANARY
