"""AGENTOPIA_HOME: the folder that holds all state."""

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import LaunchError

# sockaddr_un holds 108 bytes, 104 on macOS; the longest socket name is PostgreSQL's lock file beside its socket.
LONGEST_SOCKET_FOLDER = 104 - len("/.s.PGSQL.5432.lock") - 1


@dataclass(frozen=True)
class Home:
    """An AGENTOPIA_HOME that exists and may be written."""

    path: Path

    @property
    def state_file(self) -> Path:
        return self.path / "services.json"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that tell this folder from any other on this machine."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]

    @property
    def dtma(self) -> Path:
        return self.path / "dtma"

    def read_state(self) -> dict[str, Any]:
        """What the last start remembered. Raises LaunchError for a file that is not ours to overwrite."""
        try:
            state = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise LaunchError(f"{self.state_file} cannot be read ({error}): it holds the secret key, so restore it from a copy.") from error
        if not isinstance(state, dict):
            raise LaunchError(f"{self.state_file} does not hold a JSON object: it holds the secret key, so restore it from a copy.")
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the state file as a whole; only its owner may read it."""
        draft = self.state_file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(state, indent=2) + "\n")
        draft.replace(self.state_file)

    def socket_folder(self) -> Path:
        """A folder of ours alone whose name is short enough for a Unix socket. Raises LaunchError."""
        folder = self.path / "run"
        if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
            folder = Path(tempfile.gettempdir()) / f"agentopia-{os.geteuid()}-{self.key}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise LaunchError(f"{folder} is not a private folder of this user: remove it and start again.")
        return folder

    @contextlib.contextmanager
    def locked(self, url: str) -> Iterator[None]:
        """Hold this folder for one launcher. Raises LaunchError where another one runs."""
        with (self.path / "launcher.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                raise LaunchError(
                    f"{self.path} is already in use by {holder}: stop it first, or name another folder with AGENTOPIA_HOME."
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()} ({url})")
            lock.flush()
            yield


def open_home(path: Path) -> Home:
    """Make the folder where it is missing. Raises LaunchError where it cannot be used."""
    # Root may hand it on to PostgreSQL's own user, who then has to pass through; what lies inside is private file by file.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        home = Home(path.resolve(strict=True))
        home.log.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=home.path):
            pass
    except OSError as error:
        raise LaunchError(f"AGENTOPIA_HOME {path} cannot be used ({error.strerror}): name a folder that you may write to.") from error
    return home
