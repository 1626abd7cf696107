"""How DTMA says that a request failed."""

from __future__ import annotations

from enum import StrEnum

from tests.wire.v3.base import Event


class ErrorCode(StrEnum):
    """What went wrong, as a word a program can branch on."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    CERTIFICATE_EXPIRED = "certificate_expired"
    SERVER_NOT_FOUND = "server_not_found"
    STALE_GENERATION = "stale_generation"
    SERVER_NOT_READY = "server_not_ready"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    DISK_FULL = "disk_full"
    INTERNAL = "internal"

    @classmethod
    def _missing_(cls, value: object) -> ErrorCode:
        return cls.INTERNAL


class ErrorBody(Event):
    """The JSON body of every answer with a 4xx or 5xx status.

    ``message`` is one sentence for a person; ``retryable`` says whether the same request can succeed later. ``generation`` comes with
    ``stale_generation``: the one that is known, so that whoever must can go beyond it.
    """

    code: ErrorCode
    message: str
    retryable: bool = False
    generation: int | None = None
