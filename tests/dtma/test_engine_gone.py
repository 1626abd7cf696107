"""The engine goes away and comes back. It is an engine of the tests' own: the shared one is never stopped."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dtma_client import DtmaClient, EngineUnavailable, ServerNotReady
from dtma_wire import Phase, ServerState
from tests.dtma.agent import ENGINE_URL, Agent, deploy, eventually, ready, say, spec_of, until


class OwnEngine:
    """A dockerd with its own data, without networks."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.url = f"unix://{root}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def load(self, image: str) -> None:
        """Take an image from the shared engine."""
        with subprocess.Popen(["docker", "--host", ENGINE_URL, "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "--host", self.url, "load"], stdin=saving.stdout, check=True, capture_output=True)

    def start(self) -> None:
        root = self._root
        with (root / "dockerd.log").open("ab") as log:
            own = ["--data-root", f"{root}/data", "--exec-root", f"{root}/exec", "--pidfile", f"{root}/pid"]
            # In a network namespace of its own: an engine without a bridge removes the docker0 that it finds, which is the shared one's.
            command = ["unshare", "--net", "dockerd", "--host", self.url, *own, "--bridge", "none", "--iptables=false"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._answers, 30)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._root / "dockerd.log").read_text()
        return subprocess.run(["docker", "--host", self.url, "version"], capture_output=True, check=False).returncode == 0

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def remove(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self.stop()
        # dockerd mounts its data directory on itself.
        subprocess.run(["umount", "--lazy", "--quiet", "--recursive", str(self._root / "data")], check=False)
        shutil.rmtree(self._root)


@pytest.fixture(scope="module")
def own_engine(image: str) -> Iterator[OwnEngine]:
    # Not under tmp_path: the paths of Unix sockets may have about a hundred characters.
    own = OwnEngine(Path(tempfile.mkdtemp(prefix="agentopia-")))
    try:
        own.start()
        own.load(image)
        yield own
    finally:
        own.remove()


async def in_phase(client: DtmaClient, server_id: str, phase: Phase) -> ServerState:
    async def reached() -> ServerState | None:
        state = await client.server(server_id)
        return state if state.phase is phase else None

    state = await eventually(reached, 30)
    assert state is not None
    return state


async def test_the_engine_goes_and_comes_back(own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    agent = make_agent(docker_url=own_engine.url).start()
    running, stopped, failed, late = (f"{server_id}-{name}" for name in ("running", "stopped", "failed", "late"))
    async with DtmaClient(agent.endpoint) as client:
        before = await ready(client, running, spec_of(image, "workshop"))
        await ready(client, stopped, spec_of(image, "workshop"))
        await client.stop(stopped)
        await deploy(client, failed, spec_of(image, "exits"))

        own_engine.stop()
        for server in (running, stopped, failed):
            state = await in_phase(client, server, Phase.UNKNOWN)
            assert state.reason.startswith("The Docker engine of this toolbox does not answer:")
        with pytest.raises(ServerNotReady, match="does not answer"):
            await say(client, running, "echo", text="x")
        assert (await client.info()).engine_problem.startswith("The Docker engine of this toolbox does not answer:")
        _, settled = await deploy(client, late, spec_of(image, "workshop"))
        assert (settled.ready, settled.server.phase) == (False, Phase.UNKNOWN)
        with pytest.raises(EngineUnavailable):
            await client.delete(stopped)

        own_engine.start()
        state = await in_phase(client, running, Phase.RUNNING)
        assert state.container != before.container
        assert await say(client, running, "echo", text="back") == "back"
        await in_phase(client, late, Phase.RUNNING)
        assert (await in_phase(client, failed, Phase.CRASHED)).reason == "The server exited with code 3 right after it started."

        async def deleted() -> bool:
            return (await client.delete(stopped)).phase is Phase.ABSENT

        await eventually(deleted)
        assert stopped not in {state.id for state in await client.servers()}
        assert (await client.info()).engine_problem == ""
    agent.stop()
    assert "Traceback" not in agent.output


async def test_dtma_starts_without_an_engine(own_engine: OwnEngine, make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    own_engine.stop()
    agent = make_agent(docker_url=own_engine.url).start()
    async with DtmaClient(agent.endpoint) as client:
        _, settled = await deploy(client, server_id, spec_of(image, "workshop"))
        assert not settled.ready
        own_engine.start()
        await in_phase(client, server_id, Phase.RUNNING)
        _, settled = await deploy(client, server_id, spec_of(image, "workshop"))
        assert settled.ready
