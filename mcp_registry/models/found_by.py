"""What the database writes into columns of an entry by itself, so that 20,000 are searched, counted and sorted in milliseconds."""

from __future__ import annotations

from django.db.models import BigIntegerField, Case, F, FloatField, TextField, Value, When
from django.db.models.functions import Cast, Concat, Least, Ln, Lower, Replace

FACETS_SEPARATOR = "|"

# Most names of the official registry begin with "io.github."; whoever types "github" does not mean them all.
HANDLE = Lower(
    Concat(
        *(Replace("name", Value("io.github."), Value("")), Value(" "), "category", Value(" "), Cast("tags", TextField())),
        output_field=TextField(),
    )
)
"""Name, category and tags, to be found by parts of a word and with slips of typing."""

AUDIENCE = Case(When(published_at__isnull=True, then=Cast(F("owner"), BigIntegerField())), default=None, output_field=BigIntegerField())
"""The one user who sees it; nothing: all do."""


def _mark(column: str, mark: str) -> Case:
    return Case(When(**{column: True}, then=Value(mark)), default=Value(""), output_field=TextField())


FACETS = Concat(
    *("runtime", Value("|"), "transport", Value("|"), "origin", Value("|"), Cast("owner", TextField()), Value("|")),
    *(Case(When(verified_at__isnull=False, then=Value("v")), default=Value(""), output_field=TextField()), Value("|")),
    *(_mark("one_click", "o"), Value("|"), _mark("needs_secret", "s"), Value("|")),
    *(Cast("memory_mb", TextField()), Value("|"), Cast("cpus", TextField()), Value("|"), "category"),
    output_field=TextField(),
)
"""All that the catalogue is filtered by, as one text: entries that no filter tells apart have the same."""

STANDING = (
    Case(When(verified_at__isnull=False, then=Value(0.15)), default=Value(0.0), output_field=FloatField())
    + Case(When(origin="shipped", then=Value(0.15)), default=Value(0.0), output_field=FloatField())
    + Least(Ln(Cast("deployed_count", FloatField()) + Value(1.0)) * Value(0.05), Value(0.3), output_field=FloatField())
    - Case(When(deprecated=True, then=Value(1.0)), default=Value(0.0), output_field=FloatField())
)
"""A little more for what is verified, ships with Agentopia or is deployed often; less for what is deprecated."""
