"""C# tools out of NuGet: on a .NET runtime image where they need it, else on our own base."""

from __future__ import annotations

import asyncio
import io
import json
import os
import ssl
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient

from dtma.builds import Builder
from dtma.builds.client import BuildClient
from dtma.engine import Engine
from dtma_client import DtmaClient
from dtma_wire import NugetPackage, PypiPackage, ServerSpec
from tests.dtma.agent import ENGINE_URL, Agent, deploy, ready, say
from tests.dtma.authority import authority
from tests.dtma.cleaning import remove_bases, remove_servers
from tests.dtma.nuget_feed import Feed, pointer, serving, settings, tool_package

SOURCES = Path(__file__).parent / "csharp"
CA_BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
NEEDED = {"runtimeOptions": {"tfm": "netcoreapp3.1", "framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"}}}


@dataclass(frozen=True)
class Dotnet:
    """A .NET runtime image, and a program that needs it."""

    image: str
    program: bytes


@pytest.fixture(scope="module")
def dotnet(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dotnet]:
    """Neither the usual runtime image nor a compiler can be counted on, so both are made of what PyPI and Debian have."""
    home, tag = tmp_path_factory.mktemp("dotnet"), f"agentopia-test/dotnet-runtime:{uuid.uuid4().hex[:12]}"

    async def tools() -> tuple[str, str, dict[str, str]]:
        own = Engine(ENGINE_URL)
        try:
            client = BuildClient(ENGINE_URL, home)
            python = await Builder(own, home).base("python", lambda detail, fraction: None)
            return python.reference, await client.path(), client.environment
        finally:
            await own.close()

    python, docker, environment = asyncio.run(tools())
    secret = ["--secret", f"id=ca_bundle,src={CA_BUNDLE}"] if CA_BUNDLE.is_file() else []
    build = [docker, "build", "--quiet", "--build-arg", f"PYTHON={python}", *secret]
    subprocess.run([*build, "--tag", tag, str(SOURCES)], check=True, env=environment)
    subprocess.run([*build, "--target", "program", "--output", str(home / "out"), str(SOURCES)], check=True, env=environment)
    yield Dotnet(tag, (home / "out" / "Greeter.dll").read_bytes())
    remove_bases(engine, str(engine.images.get(tag).id))
    engine.images.remove(tag, force=True)


@pytest.fixture(autouse=True)
def _nothing_stays(engine: DockerClient, server_id: str) -> Iterator[None]:
    """What is built here is of no use to others: its packages exist nowhere else."""
    yield
    remove_servers(engine, server_id)


@pytest.fixture
def feed() -> Iterator[Feed]:
    with serving() as feed:
        yield feed


def spec(name: str, generation: int = 1, version: str = "1.0.0", **changes: object) -> ServerSpec:
    values = {"generation": generation, "name": "greeter", "source": NugetPackage(name=name, version=version), **changes}
    return ServerSpec.model_validate(values)


def greeter(program: bytes) -> bytes:
    """For two frameworks: the newer one is not for the runtime that is there."""
    config = json.dumps(NEEDED).encode()
    files = {"Greeter.dll": program, "Greeter.runtimeconfig.json": config, "DotnetToolSettings.xml": settings("Greeter.dll")}
    newer = {"Greeter.dll": b"of .NET 10", "Greeter.runtimeconfig.json": b"{}", "DotnetToolSettings.xml": settings("Greeter.dll")}
    return tool_package({"tools/netcoreapp3.1/any": files, "tools/net10.0/any": newer})


async def test_a_tool_that_needs_the_runtime(
    make_agent: Callable[..., Agent], dotnet: Dotnet, feed: Feed, engine: DockerClient, server_id: str
) -> None:
    name = f"Greeter.{server_id}"
    feed.add(name, "1.0.0", greeter(dotnet.program))
    agent = make_agent(nuget_feed=f"{feed.url}/index.json", dotnet_runtime_image=dotnet.image, handshake_seconds=60).start()
    async with DtmaClient(agent.endpoint) as client:
        state = await ready(client, server_id, spec(name, version="1.0.0.0+build"))
        assert await say(client, server_id, "greet", name="Ada") == "Hello Ada from .NET 3.1.23"

        container = engine.containers.get(state.container)
        assert container.exec_run(["sh", "-c", "tr '\\0' ' ' </proc/1/cmdline"]).output.startswith(b"/usr/bin/tini -- /opt/mcp/run")
        assert container.exec_run(["id", "-u"]).output.strip() == b"10001"
        assert container.labels["org.opencontainers.image.title"] == name
        assert not list((agent.home / "nuget").iterdir())

        # What is built is there: the feed is not asked again.
        feed.asked.clear()
        assert (await ready(client, server_id, spec(name, 2, version="1.0.0.0+build", arguments=("again",)))).image == state.image
        assert feed.asked == []


async def test_a_tool_that_brings_its_runtime_in_a_package_for_this_machine(
    make_agent: Callable[..., Agent], feed: Feed, engine: DockerClient, server_id: str
) -> None:
    """The program is that of a server of PyPI, wrapped as .NET 10 wraps programs that run by themselves."""
    agent = make_agent(nuget_feed=f"{feed.url}/index.json", handshake_seconds=60).start()
    async with DtmaClient(agent.endpoint) as client:
        source = PypiPackage(name="officeagent-mcp", version="1.2.0", runtime="dotnet")
        office = ServerSpec(generation=1, name="office", source=source, arguments=("--stdio",))
        container = engine.containers.get((await ready(client, server_id, office)).container)
        with tarfile.open(
            fileobj=io.BytesIO(b"".join(container.get_archive("/opt/mcp/package/officeagent_mcp/bin/officeagent-mcp")[0]))
        ) as tar:
            member = tar.extractfile("officeagent-mcp")
            assert member is not None
            program = member.read()
    name = f"Office.{server_id}"
    feed.add(
        name,
        "1.0.0",
        tool_package({"tools/any/any": {"DotnetToolSettings.xml": pointer(linux_x64=f"{name}.here", linux_arm64=f"{name}.here")}}),
    )
    files = {"office": program, "DotnetToolSettings.xml": settings("office", "executable")}
    feed.add(f"{name}.here", "1.0.0", tool_package({"tools/any/linux-x64": files, "tools/any/linux-arm64": files}))
    async with DtmaClient(agent.endpoint) as client:
        state = await ready(client, f"{server_id}-nuget", spec(name, arguments=("--stdio",)))
        assert state.server_info["name"] == "officeagent"


@pytest.mark.parametrize(
    ("package", "sha512", "expected"),
    [
        (None, None, "There is no package"),
        (b"no zip", None, "cannot be run: File is not a zip file"),
        (tool_package({"lib/net8.0": {"Some.dll": b""}}), None, "is not a .NET tool for this machine"),
        (tool_package({"tools/net8.0/any": {"DotnetToolSettings.xml": settings("../x.dll")}}), None, "names no file of it"),
        (
            tool_package({"tools/any/any": {"DotnetToolSettings.xml": pointer(win_x64="x")}}),
            None,
            "not made for this machine, only for win-x64",
        ),
        (tool_package({"tools/any/any": {"DotnetToolSettings.xml": b'<!DOCTYPE x [<!ENTITY a "b">]><x/>'}}), None, "declares entities"),
        (greeter(b""), b"\0" * 64, "is not what the NuGet feed says it is"),
        (greeter(b""), None, "Set dotnet_runtime_image in DTMA's config.json"),
    ],
    ids=["absent", "no zip", "no tool", "no file", "another machine", "entities", "other hash", "no runtime"],  # a zip tells the time
)
async def test_what_cannot_be_built_says_why(
    make_agent: Callable[..., Agent], feed: Feed, server_id: str, package: bytes | None, sha512: bytes | None, expected: str
) -> None:
    name = f"Failing.{server_id}"
    if package is not None:
        feed.add(name, "1.0.0", package, sha512=sha512)
    agent = make_agent(nuget_feed=f"{feed.url}/index.json").start()
    async with DtmaClient(agent.endpoint) as client:
        _, settled = await deploy(client, server_id, spec(name))
    assert not settled.ready
    assert expected in settled.server.reason
    assert not list((agent.home / "nuget").iterdir())


async def test_without_a_feed_it_says_what_to_set(client: DtmaClient, server_id: str) -> None:
    _, settled = await deploy(client, server_id, spec("Greeter"))
    assert not settled.ready
    assert "Set nuget_feed in DTMA's config.json" in settled.server.reason


async def test_a_feed_that_is_not_there(make_agent: Callable[..., Agent], server_id: str) -> None:
    agent = make_agent(nuget_feed="http://127.0.0.1:9/index.json").start()
    async with DtmaClient(agent.endpoint) as client:
        _, settled = await deploy(client, server_id, spec("Greeter"))
    assert not settled.ready
    assert "cannot be reached from this toolbox" in settled.server.reason


async def test_a_feed_behind_tls_is_believed_if_the_system_trusts_it(
    make_agent: Callable[..., Agent], server_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = authority().server(["localhost"])
    tls.verify_mode = ssl.CERT_NONE
    trusted = tmp_path / "authorities.pem"
    trusted.write_bytes(authority().pem)
    with serving(tls) as feed:
        agents = {"stranger": make_agent(nuget_feed=f"{feed.url}/index.json").start()}
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        agents["believer"] = make_agent(nuget_feed=f"{feed.url}/index.json").start()
        reasons = {}
        for name, agent in agents.items():
            async with DtmaClient(agent.endpoint) as client:
                _, settled = await deploy(client, f"{server_id}{name}", spec("Greeter"))
                reasons[name] = settled.server.reason
    assert "cannot be reached from this toolbox" in reasons["stranger"]
    assert "There is no package greeter 1.0.0" in reasons["believer"]
