"""The base images: what they promise, and that nothing but Docker is needed to make them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from docker import DockerClient

from dtma.builds import Builder
from dtma.builds.client import BuildClient
from dtma.engine import Engine
from tests.dtma.agent import ENGINE_URL, ROOT

CA_BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
MEGABYTE = 1_000_000


def base(family: str, home: Path) -> str:
    """The base image as DTMA makes it."""

    async def made() -> str:
        own = Engine(ENGINE_URL)
        try:
            return (await Builder(own, home).base(family, lambda detail, fraction: None)).reference
        finally:
            await own.close()

    return asyncio.run(made())


@pytest.mark.parametrize(
    ("family", "at_most_mb", "command", "says"),
    [
        ("python", 320, ["python", "--version"], "Python 3."),
        ("node", 260, ["node", "--version"], "v24."),
        ("dotnet", 150, ["sh", "-c", "ls /lib/*-linux-gnu/libicuuc.so.72"], "libicuuc"),
    ],
)
def test_a_base(engine: DockerClient, tmp_path: Path, family: str, at_most_mb: int, command: list[str], says: str) -> None:
    name = base(family, tmp_path)
    image = engine.images.get(name)
    labels = image.labels
    assert labels["org.opencontainers.image.title"].startswith("Agentopia base image for")
    assert labels["org.opencontainers.image.version"] == "1"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image.attrs["Config"]["User"] == "10001:10001"
    assert image.attrs["Config"]["Entrypoint"] == ["/usr/bin/tini", "--"]
    assert image.attrs["Size"] < at_most_mb * MEGABYTE

    isolated = {"read_only": True, "cap_drop": ["ALL"], "network_mode": "none", "tmpfs": {"/tmp": "noexec"}, "remove": True}
    assert says in engine.containers.run(name, command, **isolated).decode()
    seen = engine.containers.run(name, ["sh", "-c", "cat /proc/1/comm; id -u; stat -c %u /data"], **isolated)
    assert seen.decode().split() == ["tini", "10001", "10001"]


@pytest.mark.parametrize("family", ["python", "node", "dotnet"])
def test_docker_build_alone_makes_the_same(engine: DockerClient, tmp_path: Path, family: str) -> None:
    """As ``docs/07-images.md`` tells people to do it."""
    name, tag = base(family, tmp_path), f"agentopia-test/base-{family}:1"
    client = BuildClient(ENGINE_URL, tmp_path)
    secret = ["--secret", f"id=ca_bundle,src={CA_BUNDLE}"] if CA_BUNDLE.is_file() else []
    path = asyncio.run(client.path())
    subprocess.run([path, "build", "--quiet", "--tag", tag, *secret, str(ROOT / "images" / family)], check=True, env=client.environment)
    try:
        assert engine.images.get(tag).attrs["Config"] == engine.images.get(name).attrs["Config"]
    finally:
        engine.images.remove(tag)
