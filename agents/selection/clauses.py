"""The needs that a request speaks of, one clause each."""

from __future__ import annotations

import re

VERBS = (
    "add|analy[sz]e|calculate|check|compare|compute|convert|create|delete|download|draw|fetch|find|generate|get|give|list|look|make|plot|play|read"
    "|record|run|save|scan|search|send|show|summari[sz]e|tell|translate|update|upload|write"
)
LINKS = "and then|then|and also|also|after that|finally|additionally|furthermore|moreover"
ENDS = re.compile(
    rf"(?<=[.!?;。；？])\s+|(?<=[。；？])|\n+|,?\s+(?:{LINKS})\s+|,\s+(?=(?:and\s+)?(?:{VERBS})\b)|\s+and\s+(?=(?:{VERBS})\b)",
    re.IGNORECASE,
)
MOST_CLAUSES = 24
LONGEST_REQUEST = 8_000


def clauses_of(request: str) -> list[str]:
    """At least one, in their order; those of a single word are left out where there are others."""
    text = request[:LONGEST_REQUEST].strip()
    parts = [part.strip() for part in ENDS.split(text) if part and (len(part.split()) > 1 or not part.isascii())]
    return parts[:MOST_CLAUSES] if len(parts) > 1 else [text]
