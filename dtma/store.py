"""DTMA's home on disk: all that must survive it.

    config.json         written by the launcher, only read here
    lock                held while a DTMA runs
    epoch               counts DTMA's starts
    key                 encrypts secrets at rest, and keys the hashes in container labels
    servers/ID.json     the spec of a server, its secrets encrypted
    sessions/ID.json    the MCP session that its running container is in
    images.json         which images are whose, see ``builds.ledger``
    volumes/NAME        volumes that were made ready for a server
    eras/PROGRAM.json   which eras of MCP a program in an image was found to speak
    deleted/ID          the smallest generation with which a deleted server may come back
    logs/               see ``logs``
    reserve             room for what must be written on a full disk too: starting, ready sessions, deletions

Everything is readable by the owner alone. A file is replaced as a whole or not at all, and is on the disk before DTMA acts on it.
What does not fit raises ``DiskFull`` and changes nothing.
"""

from __future__ import annotations

import errno
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

from pydantic import BaseModel, ValidationError

from dtma.config import ConfigError
from dtma.errors import DiskFull
from dtma.seal import Seal, each_secret, make_key
from dtma_wire import ServerSpec

logger = logging.getLogger(__name__)

Volumes = Literal["keep", "remove"]

RESERVE_BYTES = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Record:
    """What is desired of one server. ``deleting`` is set from the moment a deletion is accepted until it is complete."""

    id: str
    spec: ServerSpec
    deleting: Volumes | None = None


class Session(BaseModel):
    """The MCP session with a running container, as far as a new DTMA must know it to carry on.

    ``initialize_result`` is empty for a container that nobody has spoken to yet since it was adopted.
    """

    container: str
    image: str
    started_at: datetime
    initialize_result: dict[str, Any]
    tools: tuple[dict[str, Any], ...]
    adopted_as: str = ""
    """What ``Home.label`` says of the spec of a container that carries the label of another home."""


class Home:
    """Opening it takes the lock and begins a new epoch; raises ``ConfigError`` when another DTMA holds it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("servers", "sessions", "volumes", "eras", "deleted", "logs"):
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"Another DTMA is already running with the home {root}. Stop it first.") from None
        try:
            key = self._read_or_make_key()
            self.epoch = self._next_epoch()
        except DiskFull as full:
            raise ConfigError(str(full)) from None
        self._seal = Seal(key)
        self._label_key = hashlib.sha256(b"container labels" + key).digest()

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
                each_secret(content["spec"], self._seal.open)
                records.append(Record(path.stem, ServerSpec.model_validate(content["spec"]), content.get("deleting")))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                logger.error("the stored spec %s cannot be read (%s); the server is left alone", path, type(error).__name__)
        return records

    def save(self, record: Record, *, essential: bool = False) -> None:
        """Put a record on the disk."""
        spec = record.spec.model_dump(mode="json")
        each_secret(spec, self._seal.close)
        content = json.dumps({"spec": spec, "deleting": record.deleting}).encode()
        self._replace(self.root / "servers" / f"{record.id}.json", content, essential=essential)

    def forget(self, server_id: str, minimum_generation: int) -> None:
        """Remove all traces of a server but the generation from which on it may come back."""
        self._replace(self.root / "deleted" / server_id, str(minimum_generation).encode(), essential=True)
        self.forget_session(server_id)
        (self.root / "servers" / f"{server_id}.json").unlink(missing_ok=True)

    def server_ids(self) -> set[str]:
        """The servers on disk, those among them that cannot be read as well."""
        return {path.stem for path in (self.root / "servers").glob("*.json")}

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
        self._replace(self.root / "sessions" / f"{server_id}.json", session.model_dump_json().encode(), essential=True)

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
        self._replace(self.root / "volumes" / name, b"")

    def has_volume(self, name: str) -> bool:
        """Whether ``add_volume`` was told of it."""
        return (self.root / "volumes" / name).exists()

    def forget_volume(self, name: str) -> None:
        """A volume is gone."""
        (self.root / "volumes" / name).unlink(missing_ok=True)

    def speaks(self, program: str, era: str) -> bool | None:
        """Whether a program was found to speak an era of MCP; None if nobody has tried. ``program`` is a hash."""
        return self._eras(program).get(era)

    def remember_era(self, program: str, era: str, speaks: bool) -> None:
        """Let nobody have to try that again."""
        eras = self._eras(program)
        if eras.get(era) is not speaks:
            try:
                self._replace(self.root / "eras" / f"{program}.json", json.dumps({**eras, era: speaks}).encode())
            except DiskFull:
                return  # it is tried again instead

    def _eras(self, program: str) -> dict[str, bool]:
        try:
            return dict(json.loads((self.root / "eras" / f"{program}.json").read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def _read_or_make_key(self) -> bytes:
        path = self.root / "key"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            key = make_key()
            self._replace(path, key)
            return key

    def _next_epoch(self) -> int:
        path = self.root / "epoch"
        try:
            last = int(path.read_text())
        except (FileNotFoundError, ValueError):
            last = 0
        self._replace(path, str(last + 1).encode(), essential=True)
        return last + 1

    def _replace(self, path: Path, content: bytes, *, essential: bool = False) -> None:
        """Replace a file; what is ``essential`` may use up the reserve. Raises ``DiskFull``."""
        reserve = self.root / "reserve"
        try:
            try:
                _replace(path, content)
            except OSError as error:
                if not essential or error.errno not in _FULL or not reserve.exists():
                    raise
                logger.warning("the disk is full: %s is written with what was kept in reserve", path.name)
                reserve.unlink()
                _replace(path, content)
        except OSError as error:
            if error.errno in _FULL:
                logger.error("the disk is full: %s was not written", path)
                raise DiskFull from error
            raise
        if not reserve.exists():
            _reserve(reserve)


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any point leaves the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a part of it would take up what little room there is
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _reserve(path: Path) -> None:
    """Take up some room, to be given back when it is needed; without it, nothing is lost but that."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    except OSError:
        path.unlink()
    finally:
        os.close(descriptor)
