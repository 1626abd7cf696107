"""The comparison of what a toolbox reports of a server with what is desired: pure functions over its row.

| desired | the toolbox has it as | found | put right by |
|---|---|---|---|
| running | nothing | missing | pushing it |
| running, stopped | an older generation | older | pushing it |
| running, stopped, absent | a newer generation | newer | pushing it as one that is newer still |
| running | this generation, stopped | stopped | pushing it as a new generation |
| running | this generation, stopped, with an exit code | (nothing) | nobody: it ended by itself, and its restart policy lets it |
| stopped | this generation, running | running | pushing it as a new generation |
| absent | any | present | deleting it |
| absent | nothing | (nothing) | deleting it: the toolbox is to confirm that |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dtma_wire import Heartbeat, Phase, ServerState
from mcp_registry.models import Deployment, Drift, McpServer

REPEATED = frozenset(
    {
        "toolbox_unreachable",
        "toolbox_timeout",
        "toolbox_refused",
        "toolbox_not_enrolled",
        "engine_unavailable",
        "disk_full",
        "stale_generation",
    }
)
"""Failures that may have ended when the toolbox reports; whatever else it said would only be said again, and is left to the user."""
PAUSES = (0, 60, 300, 900, 3600)
"""Seconds between a failure and its repetition, the last one again and again: nothing is given up, and nothing hammered."""
RUNS = (Phase.STARTING, Phase.RUNNING, Phase.UNHEALTHY)


@dataclass(frozen=True)
class Seen:
    """What a heartbeat says of a server; ``generation`` 0: that the toolbox does not know it.

    ``ended``: it ended by itself, with an exit code, which a stop that was asked for does not have.
    """

    generation: int
    phase: Phase
    ended: bool = False

    @property
    def is_there(self) -> bool:
        return self.generation > 0


NOWHERE = Seen(0, Phase.ABSENT)
EPOCH_SHIFT = 32  # a revision is DTMA's epoch, shifted, plus a counter


@dataclass(frozen=True)
class Found:
    """A difference. ``what`` is None where it is none that a person needs to be told of; ``beyond`` asks for a newer generation."""

    what: Drift.What | None
    sentence: str = ""
    beyond: bool = False


def seen_in(heartbeat: Heartbeat, server: McpServer, state: ServerState | None, *, is_named: bool) -> Seen | None:
    """What a heartbeat says of a server, by the ``state`` that it tells or by naming it; None where something newer is known already."""
    if state is None and is_named:
        return Seen(server.observed_generation, Phase(server.phase), server.exit_code is not None)
    told = heartbeat.revision if state is None else state.revision
    # A lower epoch means that DTMA began anew, not that it took the server on after it had composed this heartbeat.
    if told < server.observed_revision and told >> EPOCH_SHIFT == server.observed_revision >> EPOCH_SHIFT:
        return None
    return NOWHERE if state is None else Seen(state.generation, state.phase, state.exit_code is not None)


def found(server: McpServer, seen: Seen, now: datetime) -> Found | None:
    """What is to be put right, now; reads the row and its ``deployment``. None while work on it goes on, or would only fail again."""
    difference = _difference(server, seen)
    return difference if difference is not None and _may_begin(server, seen, now) else None


def _difference(server: McpServer, seen: Seen) -> Found | None:
    if server.desired == McpServer.Desired.ABSENT:
        return _of_a_deleted_one(server, seen)
    if not seen.is_there:
        if server.desired == McpServer.Desired.STOPPED:
            return None  # what is not there does not run
        return Found(Drift.What.MISSING, "The toolbox did not have it any more.")
    if seen.generation > server.generation:
        return Found(Drift.What.NEWER, newer(seen.generation, server.generation), beyond=True)
    if seen.generation < server.generation:
        return Found(Drift.What.OLDER, "The toolbox still had it as it was before the last change.")
    if server.desired == McpServer.Desired.RUNNING and seen.phase is Phase.STOPPED and not seen.ended:
        return Found(Drift.What.STOPPED, "It was stopped on the toolbox, though it should run.", beyond=True)
    if server.desired == McpServer.Desired.STOPPED and seen.phase in RUNS:
        return Found(Drift.What.RUNNING, "It ran on the toolbox, though it should be stopped.", beyond=True)
    return None


def newer(theirs: int, ours: int) -> str:
    """The sentence for a toolbox that is ahead of the database."""
    return f"The toolbox knew a newer generation of it ({theirs}) than we do ({ours}), as after a database was set back."


def _of_a_deleted_one(server: McpServer, seen: Seen) -> Found:
    if not seen.is_there:
        return Found(None)
    return Found(Drift.What.PRESENT, "The toolbox still had it, though it was deleted.", beyond=seen.generation > server.generation)


def _may_begin(server: McpServer, seen: Seen, now: datetime) -> bool:
    last = server.deployment
    if last is None:
        return True
    if last.is_active:
        return False
    if last.status != Deployment.Status.FAILED or seen.generation > server.generation:
        return True
    if seen.generation == server.generation and server.desired != McpServer.Desired.ABSENT:
        return False  # it took the change on and has said why it did not get there
    if last.code not in REPEATED and server.desired != McpServer.Desired.ABSENT:
        return False
    pause = PAUSES[min(last.failures_before, len(PAUSES) - 1)]
    return last.finished_at is None or now >= last.finished_at + timedelta(seconds=pause)
