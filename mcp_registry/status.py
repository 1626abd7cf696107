"""What a page shows of a server: derived from its desired and observed sides, here and nowhere else.

`status_of` derives the word and the sentence of one server; `with_state` lets the database find the same words, so that long lists can be
filtered, counted and sorted by them. `tests/registry/test_status.py` holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from agentopia.lib import leases
from dtma_wire import Phase
from mcp_registry.models import Deployment, McpServer
from toolboxes.models import silence_after

NOT_TAKEN_AFTER = timedelta(seconds=15)


class Status(StrEnum):
    """A server's state in one word."""

    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    CRASHED = "crashed"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    DELETING = "deleting"
    FAILED = "failed"


@dataclass(frozen=True)
class ServerStatus:
    """The word, and the sentence that explains it (empty while all is well)."""

    state: Status
    reason: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether something goes on that will change it without the user's doing."""
        return self.state in (Status.PREPARING, Status.STARTING, Status.DELETING)


def status_of(server: McpServer, now: datetime | None = None) -> ServerStatus:
    """Derive the status; reads only the server with its ``toolbox`` and ``deployment`` (both select_related)."""
    deployment = server.deployment
    active = deployment is not None and deployment.is_active
    failed = deployment is not None and deployment.status == Deployment.Status.FAILED
    waiting = _waits_for(deployment, now or timezone.now()) if deployment and active else ""

    if server.desired == McpServer.Desired.ABSENT:
        return ServerStatus(Status.DELETING, waiting or (deployment.detail if deployment and failed else ""))
    if server.toolbox.is_silent(now):
        return ServerStatus(Status.UNKNOWN, f"The toolbox “{server.toolbox.name}” does not report. What its servers do is not known.")
    if server.toolbox.engine_problem:
        return ServerStatus(Status.UNKNOWN, server.toolbox.engine_problem)

    phase, current = Phase(server.phase), server.observed_generation == server.generation
    if active and server.desired == McpServer.Desired.RUNNING and not (current and phase is Phase.RUNNING and server.tools_hash):
        return ServerStatus(Status.STARTING if current and phase is Phase.STARTING else Status.PREPARING, waiting)
    if failed and not (current and phase in (Phase.RUNNING, Phase.STARTING)):
        return ServerStatus(Status.FAILED, deployment.detail if deployment else "")
    if phase is Phase.ABSENT:
        if server.desired == McpServer.Desired.STOPPED:
            return ServerStatus(Status.STOPPED)
        if current and server.reason:
            return ServerStatus(Status.FAILED, server.reason)
        return ServerStatus(Status.UNKNOWN, "The toolbox does not have this server any more; it is being brought back.")
    return ServerStatus(Status(phase), server.reason)


def _waits_for(deployment: Deployment, now: datetime) -> str:
    if deployment.status == Deployment.Status.QUEUED and now - deployment.not_before > NOT_TAKEN_AFTER:
        return "No worker has taken this on yet. Check that the Celery worker and Redis run; it begins as soon as they do."
    return deployment.detail


def with_state(servers: QuerySet[McpServer], now: datetime | None = None) -> QuerySet[Any]:
    """Annotate ``state``: the word that `status_of` finds."""
    return servers.annotate(state=_state(now or timezone.now()))


def _state(now: datetime) -> Case:
    reports = Q(toolbox__enrolled_at__isnull=False, toolbox__last_seen_at__gte=now - silence_after())
    engine_ill = GreaterThan(KeyTextTransform("engine_problem", "toolbox__info"), Value(""))
    current = Q(observed_generation=F("generation"))
    there = current & Q(phase=Phase.RUNNING) & ~Q(tools_hash="")
    coming = Q(desired=McpServer.Desired.RUNNING, deployment__status__in=(leases.QUEUED, leases.RUNNING)) & ~there
    failed = Q(deployment__status=Deployment.Status.FAILED) & ~(current & Q(phase__in=(Phase.RUNNING, Phase.STARTING)))
    absent = Q(phase=Phase.ABSENT)
    return Case(
        When(desired=McpServer.Desired.ABSENT, then=_word(Status.DELETING)),
        When(~reports | Q(engine_ill), then=_word(Status.UNKNOWN)),
        When(coming & current & Q(phase=Phase.STARTING), then=_word(Status.STARTING)),
        When(coming, then=_word(Status.PREPARING)),
        When(failed, then=_word(Status.FAILED)),
        When(absent & Q(desired=McpServer.Desired.STOPPED), then=_word(Status.STOPPED)),
        When(absent & current & ~Q(reason=""), then=_word(Status.FAILED)),
        When(absent, then=_word(Status.UNKNOWN)),
        default=F("phase"),
        output_field=CharField(),
    )


def _word(status: Status) -> Value:
    return Value(status.value)
