"""Why there is no answer, or not all of it.

HttpError
├── Unreachable     there is no connection, so nothing was sent; why is its ``__cause__``
│   └── TooSlow     not within the limit
├── HungUp          the connection ended before the answer did; ``__cause__`` if it is known why
└── Malformed       what came is not HTTP
    └── TooLarge    a head or a body larger than it may be
"""

from __future__ import annotations


class HttpError(Exception):
    """A request that was not answered, or not wholly."""


class Unreachable(HttpError):
    """There is no connection."""


class TooSlow(Unreachable):
    """The peer did not take a connection in time."""


class HungUp(HttpError):
    """The connection ended."""


class Malformed(HttpError):
    """What came is not HTTP."""


class TooLarge(Malformed):
    """What came is larger than it may be."""
