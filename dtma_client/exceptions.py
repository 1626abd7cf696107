"""What can go wrong between the control plane and a toolbox.

DtmaError                   code, message (a sentence for a person), retryable
├── DtmaUnreachable         no connection, or it broke                              retryable
├── DtmaTimeout             connected, but no answer within the limit               retryable
├── DtmaRefused             DTMA does not accept who asks (401, 403)
├── ServerNotFound          DTMA does not know this server
├── PackageNotFound         the package registry that it installs from has no such package
├── StaleGeneration         DTMA already knows a newer generation
├── ServerNotReady          the server exists, but cannot take calls now            retryable
├── EngineUnavailable       the toolbox's container engine does not answer          retryable
├── DiskFull            the toolbox has no room to store what it was told          retryable
├── DtmaFault               DTMA answered with anything else that is wrong
└── McpError                the MCP server itself answered with a JSON-RPC error:
                            rpc_code, data
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from dtma_wire import ErrorBody, ErrorCode


class DtmaError(Exception):
    """The root: ``code`` for programs, ``message`` for a person, ``retryable`` for both."""

    code = "dtma_error"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable


class DtmaUnreachable(DtmaError):
    """The toolbox cannot be reached, or the connection broke before the answer was complete."""

    code = "toolbox_unreachable"
    retryable = True


class DtmaTimeout(DtmaError):
    """The toolbox, or a server on it, did not answer within the limit."""

    code = "toolbox_timeout"
    retryable = True


class DtmaRefused(DtmaError):
    """DTMA answered 401 or 403."""

    code = "toolbox_refused"


class ServerNotFound(DtmaError):
    """DTMA does not know a server of this id."""

    code = "server_not_found"


class PackageNotFound(DtmaError):
    """The package registry that the toolbox installs from has no such package."""

    code = "package_not_found"


class StaleGeneration(DtmaError):
    """DTMA already knows a newer generation of this server: ``generation``, where it told (None: an older DTMA)."""

    code = "stale_generation"
    generation: int | None = None


class ServerNotReady(DtmaError):
    """The server cannot take calls in its present phase."""

    code = "server_not_ready"
    retryable = True


class EngineUnavailable(DtmaError):
    """The toolbox's container engine does not answer."""

    code = "engine_unavailable"
    retryable = True


class DiskFull(DtmaError):
    """The disk of the toolbox is full; nothing was changed."""

    code = "disk_full"
    retryable = True


class DtmaFault(DtmaError):
    """DTMA answered something that is wrong, or refused the request as invalid."""

    code = "toolbox_fault"


class McpError(DtmaError):
    """The MCP server answered with a JSON-RPC error object (``rpc_code``, ``message``, ``data``)."""

    code = "mcp_error"

    def __init__(self, rpc_code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.data = data


_BY_CODE: dict[ErrorCode, type[DtmaError]] = {
    ErrorCode.UNAUTHENTICATED: DtmaRefused,
    ErrorCode.FORBIDDEN: DtmaRefused,
    ErrorCode.CERTIFICATE_EXPIRED: DtmaRefused,
    ErrorCode.SERVER_NOT_FOUND: ServerNotFound,
    ErrorCode.STALE_GENERATION: StaleGeneration,
    ErrorCode.SERVER_NOT_READY: ServerNotReady,
    ErrorCode.ENGINE_UNAVAILABLE: EngineUnavailable,
    ErrorCode.DISK_FULL: DiskFull,
    ErrorCode.PACKAGE_NOT_FOUND: PackageNotFound,
}


def error_from(status: int, body: bytes) -> DtmaError:
    """The exception for an answer with this HTTP status; ``body`` should be an ``ErrorBody``, but may be anything."""
    try:
        error = ErrorBody.model_validate_json(body)
    except ValidationError:
        if status in (401, 403):
            return DtmaRefused(f"The toolbox refused the request (HTTP {status}).")
        return DtmaFault(f"The toolbox answered HTTP {status} without a reason that can be read.", retryable=status >= 500)
    if status in (401, 403):
        return DtmaRefused(error.message)
    kind = _BY_CODE.get(error.code)
    if kind is None:
        return DtmaFault(error.message, retryable=error.retryable)
    found = kind(error.message, retryable=error.retryable)
    if isinstance(found, StaleGeneration):
        found.generation = error.generation
    return found
