"""The Redis of machines that have none: in the machine's own network where that can be, else behind a published port."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError
from redis.exceptions import ConnectionError as Disconnected
from redis.retry import Retry

from deploy.local import redis_container
from deploy.local.held import remove_container
from deploy.local.home import open_home
from deploy.local.redis import RedisServer, ensure_redis
from deploy.local.redis_container import container_name, shares_loopback, start_container
from tests.stack import temporary_home

ORDINARY = {"OSType": "linux", "Name": "here", "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"]}
UNTIL_IT_ANSWERS = Retry(ConstantBackoff(0.1), 100, (Disconnected, BusyLoadingError))


@pytest.mark.parametrize(
    ("engine", "shared"),
    [
        (ORDINARY, True),
        ({**ORDINARY, "SecurityOptions": None}, True),
        ({**ORDINARY, "SecurityOptions": [*ORDINARY["SecurityOptions"], "name=rootless"]}, False),
        ({**ORDINARY, "SecurityOptions": ["name=userns"]}, False),
        ({**ORDINARY, "Name": "docker-desktop", "OperatingSystem": "Docker Desktop"}, False),
        ({**ORDINARY, "OSType": "windows"}, False),
        ({}, False),
    ],
)
def test_only_an_engine_of_this_machine_shares_its_loopback(engine: dict[str, Any], shared: bool) -> None:
    assert shares_loopback(engine, "here") == shared


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a Redis that is not started yet; its container is removed afterwards."""
    with temporary_home() as path:
        home = open_home(path)
        yield home.path / "redis"
        client = docker.from_env()
        remove_container(client, container_name(home.path / "redis"))
        client.close()


def prepared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """Its configuration, as where no program of the machine's own is found."""
    monkeypatch.setattr("deploy.local.redis.SERVERS", ())
    return ensure_redis(open_home(folder.parent), None, None)


@pytest.mark.parametrize("shared", [True, False])
def test_it_answers_on_loopback_alone_and_keeps_its_isolation(folder: Path, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    server = prepared(folder, monkeypatch)
    if not shared:
        monkeypatch.setattr(redis_container, "shares_loopback", lambda engine, machine: False)
    client = docker.from_env()
    container = start_container(client, folder, server.port)
    with Redis.from_url(server.url, retry=UNTIL_IT_ANSWERS) as redis:
        assert redis.ping()
    with Redis(port=server.port) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()

    container.reload()
    kept = container.attrs["HostConfig"]
    assert (kept["NetworkMode"] == "host") == shared
    assert (kept["CapDrop"], kept["ReadonlyRootfs"], kept["SecurityOpt"]) == (["ALL"], True, ["no-new-privileges"])
    assert (kept["PidsLimit"], kept["Memory"]) == (64, 2**30)
    assert not container.attrs["Config"]["User"].startswith("0")
    sockets = [found for found in psutil.net_connections("tcp") if found.status == psutil.CONN_LISTEN and found.laddr]
    listening = {found.laddr.ip for found in sockets if found.laddr.port == server.port}
    assert listening == {"127.0.0.1"}
    client.close()
