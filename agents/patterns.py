"""Regular expressions that somebody else wrote: RE2, whose time grows with the text alone, so that none can keep a process busy."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import re2  # type: ignore[import-untyped]


class Pattern(Protocol):
    def search(self, text: str) -> object | None:
        """Whether, and where, it is found in a text."""


class UnusablePattern(ValueError):
    """What RE2 does not take: no regular expression, or one that looks around or back (``(?=…)``, ``\\1``), or is too large."""


@lru_cache(maxsize=1024)
def pattern_of(text: str) -> Pattern:
    """The pattern; raises `UnusablePattern`."""
    options = re2.Options()
    options.log_errors = False
    try:
        pattern: Pattern = re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise UnusablePattern(str(error)) from None
    return pattern
