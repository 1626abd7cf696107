"""``identity/`` in DTMA's home."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class Unidentified(Exception):
    """There is no usable identity; the message says what to do."""


@dataclass(frozen=True)
class IdentityFiles:
    """Where its parts are. All of them are PEM, the key is the owner's alone, and each is replaced as a whole or not at all."""

    home: Path

    @property
    def folder(self) -> Path:
        """``HOME/identity``."""
        return self.home / "identity"

    @property
    def key(self) -> Path:
        """The private key, made here; it never leaves."""
        return self.folder / "key.pem"

    @property
    def request(self) -> Path:
        """The certificate signing request of that key: what a certificate is renewed with."""
        return self.folder / "request.pem"

    @property
    def certificate(self) -> Path:
        """The present certificate, which names this toolbox."""
        return self.folder / "certificate.pem"

    @property
    def authority(self) -> Path:
        """The certificate of the control plane's own authority."""
        return self.folder / "ca.pem"

    @property
    def complete(self) -> bool:
        """Whether this DTMA was enrolled."""
        return all(path.is_file() for path in (self.key, self.request, self.certificate, self.authority))

    def write(self, path: Path, content: bytes) -> None:
        """Put a file there, on the disk before this returns."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
