"""The identity of the running DTMA, as TLS uses it."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from dtma.identity.contexts import client_context, server_context
from dtma.identity.files import IdentityFiles, Unidentified
from dtma.identity.trial import try_out
from dtma_wire import toolbox_name


class Identity:
    """Loaded once; ``replace`` puts a renewed certificate in place under everything that is open. Raises ``Unidentified``."""

    def __init__(self, home: Path, toolbox: str) -> None:
        self.files = IdentityFiles(home)
        self._name = toolbox_name(toolbox)
        if not self.files.complete:
            raise Unidentified(f"{self.files.folder} does not hold this toolbox's identity. Run the install command of its page again.")
        try:
            arrived = self.files.certificate.stat().st_mtime
            self._life = _life(*self._try(self.files.certificate), arrived)
            # A clock that went back meanwhile cannot tell for how long it has been here: as if its life were over.
            age = time.time() - arrived
            self._obtained_at = _now() - (age if age >= 0 else self._life)
            self.server = server_context(self.files.authority, self.files.certificate, self.files.key)
            self.client = self._client()
        except (OSError, ssl.SSLError) as error:
            raise Unidentified(f"The identity in {self.files.folder} cannot be used ({error}). Run the install command again.") from error

    @property
    def used_up(self) -> float:
        """How much of the certificate's life with us is over: 0 for a new one, 1 at its end. Only the time since it came is measured: what
        time it is, the control plane's clock may tell otherwise, and this one may be set.
        """
        return (_now() - self._obtained_at) / self._life

    def left_until(self, part: float) -> float:
        """Seconds until this part of its life is used up; negative afterwards."""
        return (part - self.used_up) * self._life

    @property
    def request(self) -> str:
        """What the control plane is sent to get the next certificate, of the same key."""
        return self.files.request.read_text()

    def replace(self, certificate: str) -> None:
        """Use a new certificate from now on. Connections that are open go on under the old one; raises ``ssl.SSLError`` for one that
        is not ours.
        """
        offered = self.files.certificate.with_name("offered.pem")
        self.files.write(offered, certificate.encode())
        begins, ends = self._try(offered)
        offered.replace(self.files.certificate)
        self._life, self._obtained_at = _life(begins, ends, time.time()), _now()
        self.server.load_cert_chain(self.files.certificate, self.files.key)
        self.client = self._client()  # a new one: a connection that is kept would go on with the certificate that it began with

    def _client(self) -> ssl.SSLContext:
        return client_context(self.files.authority, self.files.certificate, self.files.key)

    def _try(self, certificate: Path) -> tuple[float, float]:
        return try_out(self.files.authority, certificate, self.files.key, self._name)


def _life(begins: float, ends: float, arrived: float) -> float:
    """Seconds from a certificate's arrival to its end. It is older than that: it begins in the past, for the sake of slow clocks. A clock
    that is quite wrong must neither let it run out nor have it renewed all the time, so at least a quarter of its whole life counts.
    """
    return min(max(ends - arrived, (ends - begins) / 4), ends - begins)


def _now() -> float:
    """Seconds that pass while the host sleeps, too, and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
