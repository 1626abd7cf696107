"""C# servers: out of npm and PyPI with everything in them, out of NuGet on a .NET runtime image."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest
from docker import DockerClient

from dtma_client import DtmaClient
from dtma_wire import NpmPackage, PypiPackage, Resources, ServerSpec
from tests.dtma.agent import ROOT, Agent, deploy, ready

ENTRY = json.loads((ROOT / "mcp_registry" / "catalogue" / "azure.json").read_text())
PACKAGE = ENTRY["packages"][0]


@pytest.fixture
async def client(make_agent: Callable[..., Agent]) -> AsyncIterator[DtmaClient]:
    """Of a DTMA that waits long: on a busy machine a .NET program takes its time to start."""
    async with DtmaClient(make_agent(handshake_seconds=60).start().endpoint) as client:
        yield client


async def test_the_azure_server_of_the_catalogue(client: DtmaClient, engine: DockerClient, server_id: str) -> None:
    """Out of the package that chooses among platforms, with little memory and without a network."""
    profile = ENTRY["_meta"]["io.modelcontextprotocol.registry/publisher-provided"]["agentopia"]
    spec = ServerSpec(
        generation=1,
        name="azure",
        source=NpmPackage(name=PACKAGE["identifier"], version=PACKAGE["version"], runtime=profile["runtime"]),
        arguments=tuple(argument["value"] for argument in PACKAGE["packageArguments"]),
        environment={variable["name"]: variable["value"] for variable in PACKAGE["environmentVariables"] if "value" in variable},
        resources=Resources(memory_mb=192),
    )
    events, settled = await deploy(client, server_id, spec)
    assert settled.ready, settled.server.reason
    state = settled.server
    assert state.server_info["name"] == "Azure MCP Server"
    assert state.tools is not None
    assert len(state.tools) == 61
    assert events[-1].step == "tools"

    container = engine.containers.get(state.container)
    host = container.attrs["HostConfig"]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["NetworkMode"]) == (["ALL"], True, "none")
    assert container.exec_run(["sh", "-c", "tr '\\0' ' ' </proc/1/cmdline"]).output.startswith(
        b"/usr/bin/tini -- /opt/mcp/run server start"
    )
    assert container.exec_run(["id", "-u"]).output.strip() == b"10001"
    # It brings its own runtime: neither Node.js nor npm came along.
    assert container.exec_run(["sh", "-c", "command -v node npm dotnet"]).exit_code != 0
    labels = container.labels
    assert labels["org.opencontainers.image.title"] == PACKAGE["identifier"]
    assert labels["org.opencontainers.image.version"] == PACKAGE["version"]


async def test_a_program_in_a_package_of_pypi(client: DtmaClient, server_id: str) -> None:
    source = PypiPackage(name="officeagent-mcp", version="1.2.0", runtime="dotnet")
    state = await ready(client, server_id, ServerSpec(generation=1, name="office", source=source, arguments=("--stdio",)))
    assert state.server_info["name"] == "officeagent"
    assert "list_connections" in {tool["name"] for tool in state.tools or ()}


async def test_a_package_without_a_program_says_so(client: DtmaClient, server_id: str) -> None:
    source = NpmPackage(name="@modelcontextprotocol/server-memory", version="2026.8.31", runtime="dotnet")
    _, settled = await deploy(client, server_id, ServerSpec(generation=1, name="none", source=source))
    assert not settled.ready
    assert "brings no program for Linux on this processor" in settled.server.reason
