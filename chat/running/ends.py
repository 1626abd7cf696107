"""The ways in which the work on a run leaves off, before its model has answered.

Ends        the run is over, with a code and a sentence for its user
Parks       it waits for a person, and nobody holds it meanwhile
LostLease   another worker has it (chat/running/events.py)
"""

from __future__ import annotations

from agentopia.lib.errors import AgentopiaError


class Ends(Exception):
    """The run cannot go on; ``code`` is for programs, ``message`` a sentence for its user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def as_error(self) -> AgentopiaError:
        """The same for somebody else than the run's user, who goes on."""
        return AgentopiaError(self.message, code=self.code)


class Parks(Exception):
    """All that can be done now is done; the rest waits for approval."""
