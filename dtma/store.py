"""DTMA's home on disk: all that must survive it.

    config.json         written by the launcher, only read here
    lock                held while a DTMA runs
    epoch               counts DTMA's starts
    key                 encrypts secrets at rest, and keys the hashes in container labels
    servers/ID.json     the spec of a server, its secrets encrypted
    sessions/ID.json    the MCP session that its running container is in
    volumes/NAME        volumes that were made ready for a server
    deleted/ID          the smallest generation with which a deleted server may come back
    logs/               see ``logs``

Everything is readable by the owner alone. A file is replaced as a whole or not at all, and is on the disk before DTMA acts on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel, ValidationError

from dtma.config import ConfigError
from dtma_wire import ServerSpec

logger = logging.getLogger(__name__)

Volumes = Literal["keep", "remove"]


@dataclass(frozen=True)
class Record:
    """What is desired of one server. ``deleting`` is set from the moment a deletion is accepted until it is complete."""

    id: str
    spec: ServerSpec
    deleting: Volumes | None = None


class Session(BaseModel):
    """The MCP session with a running container, as far as a new DTMA must know it to carry on."""

    container: str
    image: str
    started_at: datetime
    initialize_result: dict[str, Any]
    tools: tuple[dict[str, Any], ...]


class Home:
    """Opening it takes the lock and begins a new epoch; raises ``ConfigError`` when another DTMA holds it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("servers", "sessions", "volumes", "deleted", "logs"):
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"Another DTMA is already running with the home {root}. Stop it first.") from None
        key = self._read_or_make_key()
        self._fernet = Fernet(key)
        self._label_key = hashlib.sha256(b"container labels" + key).digest()
        self.epoch = self._next_epoch()

    @property
    def logs(self) -> Path:
        """The directory of the servers' logs."""
        return self.root / "logs"

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._lock)

    def label(self, spec: ServerSpec) -> str:
        """What a container's label says of the spec it was made from.

        Keyed, since a plain hash would let whoever reads labels test guesses of a short secret.
        """
        return hmac.new(self._label_key, spec.fingerprint.encode(), hashlib.sha256).hexdigest()

    def records(self) -> list[Record]:
        """All servers on disk. One that cannot be read is reported and left where it is."""
        records = []
        for path in sorted((self.root / "servers").glob("*.json")):
            try:
                content = json.loads(path.read_bytes())
                secrets = content["spec"]["secrets"]
                content["spec"]["secrets"] = {name: self._fernet.decrypt(value).decode() for name, value in secrets.items()}
                records.append(Record(path.stem, ServerSpec.model_validate(content["spec"]), content.get("deleting")))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidToken, ValidationError) as error:
                logger.error("the stored spec %s cannot be read (%s); the server is left alone", path, type(error).__name__)
        return records

    def save(self, record: Record) -> None:
        """Put a record on the disk."""
        spec = record.spec.model_dump(mode="json")
        spec["secrets"] = {name: self._fernet.encrypt(value.encode()).decode() for name, value in spec["secrets"].items()}
        _replace(self.root / "servers" / f"{record.id}.json", json.dumps({"spec": spec, "deleting": record.deleting}).encode())

    def forget(self, server_id: str, minimum_generation: int) -> None:
        """Remove all traces of a server but the generation from which on it may come back."""
        _replace(self.root / "deleted" / server_id, str(minimum_generation).encode())
        self.forget_session(server_id)
        (self.root / "servers" / f"{server_id}.json").unlink(missing_ok=True)

    def minimum_generation(self, server_id: str) -> int:
        """The smallest generation that a PUT may carry: more than 0 only for deleted servers."""
        try:
            return int((self.root / "deleted" / server_id).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def was_deleted(self, server_id: str) -> bool:
        """Whether a server of this id was deleted here."""
        return (self.root / "deleted" / server_id).exists()

    def save_session(self, server_id: str, session: Session) -> None:
        """Remember the session of a server that became ready."""
        _replace(self.root / "sessions" / f"{server_id}.json", session.model_dump_json().encode())

    def session(self, server_id: str) -> Session | None:
        """The last session of a server, if one is known."""
        try:
            return Session.model_validate_json((self.root / "sessions" / f"{server_id}.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def forget_session(self, server_id: str) -> None:
        """The container of that session is gone."""
        (self.root / "sessions" / f"{server_id}.json").unlink(missing_ok=True)

    def add_volume(self, name: str) -> None:
        """A volume can be written to by its server."""
        _replace(self.root / "volumes" / name, b"")

    def has_volume(self, name: str) -> bool:
        """Whether ``add_volume`` was told of it."""
        return (self.root / "volumes" / name).exists()

    def _read_or_make_key(self) -> bytes:
        path = self.root / "key"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            key = Fernet.generate_key()
            _replace(path, key)
            return key

    def _next_epoch(self) -> int:
        path = self.root / "epoch"
        try:
            last = int(path.read_text())
        except (FileNotFoundError, ValueError):
            last = 0
        _replace(path, str(last + 1).encode())
        return last + 1


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any point leaves the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
