"""What is asked for of a long list that is paged by a place in it: the filters, and the place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

PLACE = ("before", "after")


@dataclass(frozen=True)
class ListQuery:
    """The base of such a query. Its fields are texts, empty where nothing is given; ``before`` and ``after`` name the entry at an end of
    the page.
    """

    before: str = ""
    after: str = ""

    @property
    def filters(self) -> Self:
        """The same, without the place in the list."""
        return replace(self, before="", after="")

    @property
    def encoded(self) -> str:
        """As a query string with the place last, without what is not given."""
        return urlencode({name: value for name, value in sorted(vars(self).items(), key=lambda field: field[0] in PLACE) if value})

    @property
    def narrows(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.filters.encoded)
