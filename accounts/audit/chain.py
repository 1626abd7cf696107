"""The chain of the audit: whether every record is there as it was written, and where not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.db import connection, transaction
from django.db.models import Q

from accounts.models import AuditCheck, AuditEvent

FIRST = "0" * 64
PAGE = 2000
"""Rows that are read at a time, which bounds the memory."""
CHECKS_KEPT = 100

ROWS = """
SELECT position, id, coalesce(previous, ''), coalesce(hash, ''), body, accounts_audit_content(e)::text FROM accounts_auditevent e
WHERE position > %s ORDER BY position LIMIT %s
"""

How = Literal["changed", "removed", "inserted"]


@dataclass(frozen=True)
class Break:
    """Where the chain breaks first: the place, the record there (0: none), how, and a sentence for a person."""

    position: int
    record: int
    how: How
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """How far the chain is sound, the hash of the last record that is (64 zeros: none), and where it breaks."""

    position: int
    hash: str
    broken: Break | None


@dataclass(frozen=True)
class Link:
    """A record's place in the chain."""

    position: int
    id: int
    previous: str
    hash: str
    body: str
    columns: str
    """What its columns say now, as JSON."""

    @property
    def sound(self) -> bool:
        """Whether its hash is that of its body, and its columns still say the same."""
        return self.hash == hash_of(self.previous, self.position, self.body) and _same(self.body, self.columns)


def hash_of(previous: str, position: int, body: str) -> str:
    """The hash of a record, as the database computes it."""
    return hashlib.sha256(f"{previous}\n{position}\n{body}".encode()).hexdigest()


def head() -> tuple[int, str]:
    """The place and the hash of the last record; (0, 64 zeros) where there is none. To be kept elsewhere: see `verify`."""
    last = AuditEvent.objects.filter(position__isnull=False).order_by("-position").values_list("position", "hash").first()
    return (last[0] or 0, last[1] or FIRST) if last else (0, FIRST)


def verify(noted: str = "") -> Verdict:
    """Walk the whole chain, reading bounded pieces. With the hash of a head that was noted earlier, see that it is still in the chain: what
    was cut off at the end, or written anew as a whole, shows by that alone.
    """
    position, before = 0, FIRST
    seen = noted in ("", FIRST)
    for link in _links():
        broken = _break(link, position, before)
        if broken is not None:
            return Verdict(position, before, broken)
        position, before = link.position, link.hash
        seen = seen or before == noted
    unchained = AuditEvent.objects.filter(Q(position=None) | Q(hash=None)).order_by("pk").first()
    if unchained is not None:
        sentence = f"Record {unchained.pk} has no place in the chain: it was inserted past the database's triggers."
        return Verdict(position, before, Break(position + 1, unchained.pk, "inserted", sentence))
    if not seen:
        sentence = "The head that you noted is not in the chain: records at its end were removed, or all were written anew."
        return Verdict(position, before, Break(position + 1, 0, "removed", sentence))
    return Verdict(position, before, None)


def _links() -> Iterator[Link]:
    position = 0
    while True:
        # A transaction of its own for each piece: nothing is held meanwhile, and records are only ever appended.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ROWS, (position, PAGE))
            rows = cursor.fetchall()
        yield from (Link(*row) for row in rows)
        if len(rows) < PAGE:
            return
        position = rows[-1][0]


def _same(body: str, columns: str) -> bool:
    """The database may spell JSON in another way one day: then it is the values that count."""
    if body == columns:
        return True
    try:
        return bool(json.loads(body) == json.loads(columns))
    except ValueError:
        return False


def _break(link: Link, position: int, before: str) -> Break | None:
    """What is wrong with a record that follows the one at ``position`` with the hash ``before``."""
    here = f"Record {link.id}, at place {link.position},"
    if not link.sound:
        return Break(link.position, link.id, "changed", f"{here} was changed: what it says is not what was recorded.")
    if link.position != position + 1:
        missing = f"{position + 1}" if link.position == position + 2 else f"{position + 1} to {link.position - 1}"
        return Break(position + 1, 0, "removed", f"What was at place {missing} of the chain, before record {link.id}, was removed.")
    if link.previous == before:
        return None
    if link.previous == FIRST or AuditEvent.objects.filter(hash=link.previous, position__lt=link.position).exists():
        return Break(
            position, link.id, "inserted", f"{here} does not follow the record before it: that one was inserted, or took its place."
        )
    return Break(
        link.position, link.id, "removed", f"{here} follows a record that is not there: it was removed, or another took its place."
    )


def check(noted: str = "") -> tuple[Verdict, AuditCheck]:
    """`verify`, and keep what came of it, so that pages can say how far the audit is known to be sound."""
    began = time.monotonic()
    verdict = verify(noted)
    problem = verdict.broken.sentence if verdict.broken else ""
    kept = AuditCheck.objects.create(position=verdict.position, hash=verdict.hash, problem=problem, seconds=time.monotonic() - began)
    AuditCheck.objects.exclude(pk__in=AuditCheck.objects.values("pk")[:CHECKS_KEPT]).delete()
    return verdict, kept
