"""Redis: a `redis-server` or `valkey-server` from the PATH, else our container; loopback only, with a password, its data kept."""

import errno
import os
import secrets
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import LaunchError
from deploy.local.home import Home

SERVERS = ("redis-server", "valkey-server")
CONTAINER_UID = 10001  # the image's user, for a launcher that is root


@dataclass(frozen=True)
class RedisServer:
    """A Redis that is ready to be started."""

    program: str | None  # None: our container
    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        if self.program:
            return [self.program, str(self.folder / "redis.conf")]
        return [sys.executable, "-m", "deploy.local.redis_container", str(self.folder), str(self.port)]


def configuration(password: str, *, port: int, folder: str) -> str:
    """The whole of redis.conf. A second of writes may be lost when the machine dies: the record of all work is in PostgreSQL."""
    return f"""bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1. Raises OSError where this user may not listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def container_user() -> tuple[int, int]:
    """Who owns the data in the container: whoever starts us, since only root can hand files to another user."""
    if os.geteuid() == 0:
        return CONTAINER_UID, CONTAINER_UID
    return os.getuid(), os.getgid()


def ensure_redis(home: Home, port: int | None, password: str | None) -> RedisServer:
    """A Redis under this home; `port` and `password` are those of the last start. Raises LaunchError."""
    program = next((path for path in map(shutil.which, SERVERS) if path), None)
    if port is None or not is_free(port):
        port = free_port()
    server = RedisServer(program, home.path / "redis", port, password or secrets.token_urlsafe(32))
    file = server.folder / "redis.conf"
    try:
        server.folder.mkdir(mode=0o700, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        owner = (os.geteuid(), os.getegid()) if program else container_user()
        file.write_text(configuration(server.password, port=port, folder=f'"{server.folder}"' if program else "/data"))
        for path in (server.folder, *server.folder.rglob("*")):
            os.chown(path, *owner)
    except OSError as error:
        raise LaunchError(f"Redis cannot keep its data in {server.folder}: {error.strerror}.") from error
    return server
