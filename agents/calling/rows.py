"""Receipts into PostgreSQL, many at once: it takes them apart itself, so that this costs next to nothing here.

Any receipt may be written any number of times, by any process, in any order: what has ended is not changed by what comes late.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from agentopia.lib.errors import Unavailable

logger = logging.getLogger(__name__)

_TYPES = {
    "id": "uuid", "user_id": "bigint", "via": "text", "agent_id": "uuid", "agent_name": "text", "token_id": "bigint", "token_name": "text",
    "client": "text", "run": "uuid", "server_id": "uuid", "server_name": "text", "tool_name": "text", "definition_digest": "text",
    "arguments": "jsonb", "result": "jsonb", "status": "text", "error_code": "text", "error_message": "text", "created_at": "timestamptz",
    "ended_at": "timestamptz", "deadline": "timestamptz", "queue_ms": "float8", "approval_ms": "float8", "duration_ms": "float8",
    "server_ms": "float8", "cpu_seconds": "float8", "peak_memory_bytes": "bigint", "egress_bytes": "bigint", "cost_shared": "boolean",
}  # fmt: skip
_SPECIAL = {
    "agent_id": "a.id",  # what was deleted meanwhile
    "server_id": "s.id",
    "cost_shared": "coalesce(r.cost_shared, false)",
    "arguments": "coalesce(r.arguments, '{}'::jsonb)",
}
_KEPT = ("id", "user_id", "created_at")

_INSERT = f"""
INSERT INTO agents_toolcall ({", ".join(_TYPES)})
SELECT {", ".join(_SPECIAL.get(name, f"r.{name}") for name in _TYPES)}
FROM jsonb_to_recordset(%s::jsonb) AS r({", ".join(f"{name} {kind}" for name, kind in _TYPES.items())})
JOIN accounts_user u ON u.id = r.user_id
LEFT JOIN agents_agent a ON a.id = r.agent_id
LEFT JOIN mcp_registry_mcpserver s ON s.id = r.server_id
ORDER BY r.id
ON CONFLICT (id) DO """  # noqa: S608 (names of our own columns)
BEGIN = _INSERT + "NOTHING"
FINISH = (
    _INSERT
    + f"""UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _TYPES if name not in _KEPT)}
WHERE agents_toolcall.ended_at IS NULL OR agents_toolcall.error_code = 'interrupted'"""
)
RECEIPTS_UNAVAILABLE = "receipts_unavailable"
TOO_DEEP = "54001"
"""PostgreSQL's code for JSON that is nested deeper than it can follow."""
TRIES = 3
"""A thing that a receipt names may be deleted in the very moment; the next try finds that out."""


async def asked[**P, R](ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Ask something of PostgreSQL on the way of a call; raises `Unavailable` where it does not answer."""
    try:
        return await sync_to_async(_with_connection)(ask, *args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        logger.warning("PostgreSQL does not answer: %s", error)
        raise Unavailable(
            "The call's receipt cannot be written, so nothing can be called. Try again later.", code=RECEIPTS_UNAVAILABLE
        ) from error


def _with_connection[**P, R](ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    if connection.in_atomic_block:  # of the synchronous code that waits for this
        return ask(*args, **kwargs)
    close_old_connections()
    try:
        return ask(*args, **kwargs)
    finally:
        close_old_connections()


def store(begun: Sequence[bytes], finished: Sequence[bytes]) -> None:
    """Write these receipts, those that began and those that ended.

    A receipt that PostgreSQL cannot take is written without its arguments and its result. Raises Django's ``OperationalError`` and
    ``InterfaceError`` where there is no database: nothing counts as written then.
    """
    for statement, receipts in ((BEGIN, begun), (FINISH, finished)):
        if receipts:
            _write(statement, receipts)


def _write(statement: str, receipts: Sequence[bytes]) -> None:
    problem = _tried(statement, receipts)
    if problem is None:
        return
    if len(receipts) > 1:
        for receipt in receipts:
            _write(statement, [receipt])
        return
    receipt = json.loads(receipts[0])
    # What the database says of it may quote it.
    logger.error("The receipt %s is kept without its content: PostgreSQL does not take it (%s).", receipt["id"], type(problem.__cause__))
    bare = json.dumps({**receipt, "arguments": {"unstorable": True}, "result": None})
    if _tried(statement, [bare.encode()]) is not None:
        logger.error("The receipt %s is lost: PostgreSQL does not take it without its content either.", receipt["id"])


def _tried(statement: str, receipts: Sequence[bytes]) -> Exception | None:
    """None where they are written, else what is wrong with them."""
    problem: Exception | None = None
    for _ in range(TRIES):
        try:
            _execute(statement, b"[" + b",".join(receipts) + b"]")
        except IntegrityError as error:
            problem = error
        except DataError as error:
            return error
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != TOO_DEEP:
                raise
            return error
        else:
            return None
    return problem


def _execute(statement: str, content: bytes) -> None:
    parameter: Any = content.decode()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [parameter])
