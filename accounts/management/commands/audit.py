"""``manage.py audit verify | head | export``: whether the audit is as it was written, its last hash, and its records as JSON Lines."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import chain
from accounts.audit.export import pieces
from accounts.audit.query import AuditQuery
from accounts.models import AuditEvent

FILTERS = {
    "search": "words in it",
    "who": "part of the address of who did it",
    "action": "`server.configured`, or `server` for all of them",
    "type": "the kind of thing, as `mcpserver`",
    "target": "the id of the thing",
    "via": "page, api, admin, command or system",
    "since": "a day, as 2026-11-01 (UTC)",
    "until": "a day, included",
}


class Command(BaseCommand):
    help = "Verify the audit's chain of hashes, print its head, or export its records."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        verify = parts.add_parser("verify", help="Walk the whole chain; exit code 1 where it breaks.")
        verify.add_argument("--head", default="", help="A hash that `audit head` printed earlier: see that it is in the chain still.")
        parts.add_parser("head", help="Print the place and the hash of the last record, to be kept elsewhere.")
        export = parts.add_parser("export", help="Print records as JSON Lines, oldest first.")
        for name, meaning in FILTERS.items():
            export.add_argument(f"--{name}", default="", help=meaning)

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['part']}")(options)

    def _verify(self, options: dict[str, Any]) -> None:
        verdict, kept = chain.check(options["head"].strip().lower())
        if verdict.broken:
            sound = f"Up to place {verdict.position} it is sound." if verdict.position else ""
            raise CommandError(f"The audit is broken ({verdict.broken.how}). {verdict.broken.sentence} {sound}".strip())
        self.stdout.write(f"The audit is sound: {verdict.position} records, read in {kept.seconds:.1f} s. Its head is {verdict.hash}.")

    def _head(self, options: dict[str, Any]) -> None:
        place, digest = chain.head()
        self.stdout.write(f"{place} {digest}")

    def _export(self, options: dict[str, Any]) -> None:
        query = AuditQuery.parse(options)
        for name, meaning in FILTERS.items():
            if options[name] and not getattr(query, name):
                raise CommandError(f"--{name} cannot be “{options[name]}”: it is {meaning}.")
        for piece in pieces(query.of(AuditEvent.objects.all()), None):
            self.stdout.write(piece, ending="")
