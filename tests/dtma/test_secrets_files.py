"""Secrets as files: where the server finds them, and that they are nowhere else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from docker import DockerClient
from pydantic import SecretStr

from dtma_client import DtmaClient
from dtma_wire import Phase, SecretFile, ServerSpec, ServerState
from tests.dtma.agent import Agent, deploy, eventually, ready, say, spec_of

IN_A_FILE, IN_THE_ENVIRONMENT = "canary-file-7d20b1c9", "canary-variable-55e0a8f3"
CANARIES = (IN_A_FILE, IN_THE_ENVIRONMENT)


def with_secrets(image: str, in_a_file: str = "some secret", in_the_environment: str = "another secret") -> ServerSpec:
    content = SecretStr(f"-----BEGIN-----\n{in_a_file}\n-----END-----\n")
    files = (SecretFile(name="key.pem", content=content, variable="KEY_FILE"), SecretFile(name="plain", content=SecretStr("x")))
    return spec_of(image, "probe", secret_files=files, secrets={"API_KEY": SecretStr(in_the_environment)})


def directories(server_id: str) -> list[Path]:
    """Where the host has the server's files."""
    return [path for place in ("/run", "/dev/shm") for path in Path(place).glob(f"agentopia-*/{server_id}")]


def on_disk(canary: str, root: Path, since: Path) -> list[str]:
    """The files below a folder, on its own disk, that have the canary in them and were touched since another was."""
    look = ["grep", "--binary-files=text", "--files-with-matches", "--no-messages", canary]
    command = ["find", str(root), "-xdev", "-type", "f", "-cnewer", str(since), "-exec", *look, "{}", "+"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def processes() -> str:
    """All command lines of this machine."""
    return subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout


async def test_a_server_reads_its_secrets_from_memory(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, with_secrets(image))
    assert await say(client, server_id, "environ", name="KEY_FILE") == "/run/secrets/key.pem"
    folder = json.loads(await say(client, server_id, "look", path="/run/secrets"))
    assert (folder["uid"], folder["mode"], folder["content"]) == (10001, "0o500", ["key.pem", "plain"])
    [[kind, options]] = folder["mounted"]
    assert kind == "tmpfs"
    assert "ro" in options
    file = json.loads(await say(client, server_id, "look", path="/run/secrets/key.pem"))
    assert (file["uid"], file["mode"]) == (10001, "0o400")
    assert "some secret" in file["content"]
    for path in ("/run/secrets/key.pem", "/run/secrets/new"):
        assert await say(client, server_id, "write", path=path) in ("EROFS", "EACCES")
    [directory] = directories(server_id)
    parent = directory.parent.stat()
    assert (parent.st_uid, parent.st_mode & 0o777) == (0, 0o700)


async def test_no_secret_is_anywhere_else(make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient) -> None:
    agent = make_agent().start()
    spec = with_secrets(image, *CANARIES)
    async with DtmaClient(agent.endpoint) as client:
        steps, settled = await deploy(client, server_id, spec)
        assert settled.ready, settled.server.reason
        check_the_engines_disk(engine, settled.server.container, agent.home / "config.json")
        for canary in CANARIES:
            await say(client, server_id, "shout", text=f"my key is {canary}!")
        logged = [line.text async for batch in client.logs(server_id) for line in batch]
        state = await client.server(server_id)
        events = [event.model_dump_json() async for event in _first(client)]
        info, egress = await client.info(), await client.egress(server_id)
        inside = json.loads(await say(client, server_id, "processes"))
    assert {"my key is [key.pem]!", "my key is [API_KEY]!"} <= set(logged)
    container = engine.containers.get(state.container)
    assert container.image is not None
    told = [*(step.model_dump_json() for step in steps), settled.model_dump_json(), state.model_dump_json(), info.model_dump_json()]
    told += [*events, *logged, *inside, egress.model_dump_json(), json.dumps(container.labels), agent.output, repr(spec), str(spec)]
    told += [json.dumps(container.image.history()), json.dumps(container.image.attrs), json.dumps(container.attrs["Mounts"])]
    told += [json.dumps(volume.attrs) for volume in engine.volumes.list(filters={"label": f"io.agentopia.server={server_id}"})]
    told += [processes()]
    for canary in CANARIES:
        assert [text for text in told if canary in text] == []
        assert on_disk(canary, agent.home, agent.home / "config.json") == []


def check_the_engines_disk(engine: DockerClient, container: str, began: Path) -> None:
    """A secret file is not on it; the environment is in what the engine and containerd start the container by, which only root reads.

    What a server prints itself is in the engine's log of it too, until its container goes: so this comes before it prints.
    """
    root = Path(engine.info()["DockerRootDir"])
    assert on_disk(IN_A_FILE, root, began) == []
    kept = {Path(path) for path in on_disk(IN_THE_ENVIRONMENT, root, began)}
    own = root / "containers" / container / "config.v2.json"
    assert own in kept
    assert own.stat().st_mode & 0o077 == 0
    assert {path.name for path in kept - {own}} <= {"meta.db"}, kept  # containerd's own record of it
    assert root.stat().st_mode & 0o007 == 0


async def _first(client: DtmaClient) -> AsyncIterator[ServerState]:
    events = client.events()
    yield await anext(events)
    await events.aclose()


async def test_secret_files_live_as_long_as_their_container(
    make_agent: Callable[..., Agent], image: str, server_id: str, engine: DockerClient
) -> None:
    agent = make_agent().start()
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, server_id, with_secrets(image))
    agent.kill()
    agent.start()
    async with DtmaClient(agent.endpoint) as client:

        async def running() -> bool:
            return (await client.server(server_id)).phase is Phase.RUNNING

        await eventually(running, 30)
        assert (await client.server(server_id)).container == before.container
        content = SecretStr("another")
        changed = SecretFile(name="key.pem", content=content)
        await ready(client, server_id, spec_of(image, "probe", secret_files=(changed,), generation=2))
        assert json.loads(await say(client, server_id, "look", path="/run/secrets/key.pem"))["content"] == "another"
        assert json.loads(await say(client, server_id, "look", path="/run/secrets"))["content"] == ["key.pem"]
        await client.stop(server_id)
        assert directories(server_id) == []
        await client.start(server_id)
        assert json.loads(await say(client, server_id, "look", path="/run/secrets/key.pem"))["content"] == "another"
        await client.delete(server_id)
    assert directories(server_id) == []
    assert engine.volumes.list(filters={"label": f"io.agentopia.server={server_id}"}) == []
