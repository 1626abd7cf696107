"""What DTMA's routes and its reconciler raise.

Refusal                 answers a request with an ``ErrorBody``
├── Invalid             400
├── UnknownServer       404
├── UnknownOrphan       404
├── UnknownPackage      404
├── NotAdoptable        409
├── Stale               409
├── NotReady            503, retryable
├── DiskFull            507, retryable; nothing was changed
├── NotDone             503, retryable; DTMA goes on trying
└── EngineUnavailable   503, retryable; the reconciler waits for the engine and goes on
Failure                 a server cannot be brought up, or has ended: becomes its phase and reason
"""

from __future__ import annotations

from dtma_wire import ErrorBody, ErrorCode, Phase


class Refusal(Exception):
    """A request that is not carried out; the message is one sentence for a person."""

    status = 400
    code = ErrorCode.INVALID
    retryable = False

    @property
    def body(self) -> ErrorBody:
        """What the client is told."""
        return ErrorBody(code=self.code, message=str(self), retryable=self.retryable)


class Invalid(Refusal):
    """The request itself is wrong."""


class UnknownServer(Refusal):
    """There is no server of this id."""

    status = 404
    code = ErrorCode.SERVER_NOT_FOUND

    def __init__(self, server_id: str) -> None:
        super().__init__(f"This toolbox has no server {server_id}.")


class UnknownOrphan(Refusal):
    """There is no such container, or it is a server's."""

    status = 404
    code = ErrorCode.SERVER_NOT_FOUND

    def __init__(self, container: str) -> None:
        super().__init__(f"This toolbox has no container {container[:12]} that belongs to no server.")


class UnknownPackage(Refusal):
    """The package registry has no such package."""

    status = 404
    code = ErrorCode.PACKAGE_NOT_FOUND

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no package “{name}” on {kind}, or none that can be installed: check its name.")


class NotAdoptable(Refusal):
    """The container cannot be taken up; the message says why."""

    status = 409


class Stale(Refusal):
    """A newer generation is known already."""

    status = 409
    code = ErrorCode.STALE_GENERATION

    def __init__(self, message: str, generation: int) -> None:
        super().__init__(message)
        self.generation = generation

    @property
    def body(self) -> ErrorBody:
        """What the client is told, with the generation that is known."""
        return super().body.model_copy(update={"generation": self.generation})


DISK_FULL = "The disk of this toolbox is full: make room and try again."


class DiskFull(Refusal):
    """What was to be accepted cannot be stored, so it is not accepted."""

    status = 507
    code = ErrorCode.DISK_FULL
    retryable = True

    def __init__(self) -> None:
        super().__init__(DISK_FULL)


class NotReady(Refusal):
    """The server cannot take calls now."""

    status = 503
    code = ErrorCode.SERVER_NOT_READY
    retryable = True


class NotDone(Refusal):
    """What was accepted has not happened yet; the message says why."""

    status = 503
    code = ErrorCode.ENGINE_UNAVAILABLE
    retryable = True


class EngineUnavailable(Refusal):
    """The container engine does not answer."""

    status = 503
    code = ErrorCode.ENGINE_UNAVAILABLE
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(f"The Docker engine of this toolbox does not answer: {detail.rstrip('.')}.")


class Failure(Exception):
    """Why a server is not running: a sentence a person can act on, and the phase that this puts it in."""

    def __init__(self, reason: str, *, phase: Phase = Phase.CRASHED, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.phase = phase
        self.exit_code = exit_code
