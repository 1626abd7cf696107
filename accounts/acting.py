"""Who acts now: what is recorded in the audit is recorded as done by them.

It is a context variable, so it follows a request into its thread, through asgiref's bridges between synchronous code and asynchronous,
and a WebSocket into its tasks. Middleware sets it for requests (`accounts.middleware`) and WebSockets (`accounts.sockets`), `manage.py` for
commands. Where nothing set it (Celery's workers, the intake), Agentopia itself acts. Nothing here needs loaded apps.
"""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE, API, ADMIN, COMMAND, SYSTEM = "page", "api", "admin", "command", "system"


@dataclass(frozen=True)
class Acting:
    """Who acts, by which way (`AuditEvent.Via`) and from which network address; without a user it is Agentopia itself.

    ``request`` stands for the user who is signed in, or whose token it is: that is known only later than the request begins. ``name`` is
    for those who are no user, as who runs a command.
    """

    user: Any = None
    via: str = SYSTEM
    address: str | None = None
    name: str = ""
    request: Any = field(default=None, repr=False, compare=False)

    @property
    def person(self) -> Any:
        """The ``accounts.User`` who acts, or None."""
        user = self.user if self.request is None else getattr(self.request, "user", None)
        return user if user is not None and user.is_authenticated else None


NOBODY = Acting()
_acting: ContextVar[Acting] = ContextVar("acting", default=NOBODY)


@contextmanager
def acting(who: Acting) -> Iterator[None]:
    """What is recorded inside was done by this one."""
    token = begin_acting(who)
    try:
        yield
    finally:
        _acting.reset(token)


def begin_acting(who: Acting) -> Token[Acting]:
    """From now on, in this context, this one acts: for a process or task that does nothing else."""
    return _acting.set(who)


def acting_now() -> Acting:
    """Who acts now."""
    return _acting.get()


def who_commands() -> Acting:
    """Who runs a command: known by the name that the system gives them, else by their number."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container, say, whose system knows no names
        name = f"uid {os.getuid()}"
    return Acting(via=COMMAND, name=name)
