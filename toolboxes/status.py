"""What pages and programs are told of a toolbox: derived from its rows, here and nowhere else.

The word is found by the database, so that lists can be filtered, counted and sorted by it; the sentence, and what else deserves a word, is
added in Python. `with_facts` annotates what that needs; `selectors.described_for` and the like give toolboxes that have it.

| state        | when |
|--------------|------|
| removed      | it was removed; only its history is left |
| removing     | it is being removed |
| pending      | no host has become it yet, or one has just enrolled and its first heartbeat is to come |
| revoked      | its certificates were revoked: no host speaks for it |
| unresponsive | three heartbeats were missed |
| no_engine    | it reports, but its container engine does not answer |
| online       | it reports |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import JSONObject
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from agentopia.lib import leases
from dtma_wire import OLDEST_WIRE_VERSION
from toolboxes.models import Certificate, Job, JobStep, Toolbox, silence_after
from toolboxes.versions import current_version, is_old, version_of

CERTIFICATE_LEFT = 0.2
"""A certificate with less than this part of its life left should have been renewed: DTMA does so after two thirds."""
DISK_LEFT = 0.1
CLOCK_OFF_SECONDS = 60


class State(StrEnum):
    """A toolbox's state in one word."""

    PENDING = "pending"
    ONLINE = "online"
    UNRESPONSIVE = "unresponsive"
    NO_ENGINE = "no_engine"
    REVOKED = "revoked"
    REMOVING = "removing"
    REMOVED = "removed"


REPORTING = (State.ONLINE, State.NO_ENGINE)
"""What a toolbox in one of these last reported is what is the case now."""


@dataclass(frozen=True)
class Note:
    """Something about a toolbox that deserves attention though it works. ``kind`` is a word, ``short`` a badge, ``text`` a sentence."""

    kind: str
    short: str
    text: str
    tone: str = "warning"


@dataclass(frozen=True)
class ToolboxStatus:
    """The word, the sentence that explains it (empty while all is well), since when it is so (where that is known), and notes."""

    state: State
    reason: str = ""
    since: datetime | None = None
    notes: tuple[Note, ...] = ()

    @property
    def reports(self) -> bool:
        """Whether its figures are of now."""
        return self.state in REPORTING


def with_facts(toolboxes: QuerySet[Toolbox], now: datetime | None = None) -> QuerySet[Any]:
    """Annotate ``state``, and what else `status_of` reads: these toolboxes have more than the model has."""
    of_it = {"toolbox": OuterRef("pk")}
    job = JSONObject(kind="kind", status="status", detail="detail")
    under_way = JobStep.objects.filter(job__toolbox=OuterRef("pk"), state=JobStep.State.RUNNING)
    valid = Certificate.objects.filter(revoked_at=None, **of_it).order_by("-not_after")
    return toolboxes.annotate(
        state=_state(now or timezone.now()),
        job=Subquery(Job.objects.filter(**of_it).order_by("-created_at").values(it=job)[:1]),
        step=Subquery(under_way.order_by("-job__created_at").values(it=JSONObject(label="label", detail="detail"))[:1]),
        certificate_from=Subquery(valid.values("not_before")[:1]),
        certificate_until=Subquery(valid.values("not_after")[:1]),
        machine_gone=F("machine__missing_since"),
    )


def _state(now: datetime) -> Case:
    silent_since = now - silence_after()
    being_removed = Exists(Job.objects.filter(leases.UNFINISHED, toolbox=OuterRef("pk"), kind=Job.Kind.REMOVE))
    was_enrolled = Exists(Certificate.objects.filter(toolbox=OuterRef("pk")))
    heard = Q(last_seen_at__gt=silent_since)
    awaited = Q(enrolled_at__gt=silent_since) & (Q(last_seen_at=None) | Q(last_seen_at__lt=F("enrolled_at")))
    engine_ill = GreaterThan(KeyTextTransform("engine_problem", "info"), Value(""))
    return Case(
        When(deleted_at__isnull=False, then=Value(State.REMOVED.value)),
        When(being_removed, then=Value(State.REMOVING.value)),
        When(Q(enrolled_at=None) & was_enrolled, then=Value(State.REVOKED.value)),
        When(enrolled_at=None, then=Value(State.PENDING.value)),
        When(heard & Q(engine_ill), then=Value(State.NO_ENGINE.value)),
        When(heard, then=Value(State.ONLINE.value)),
        When(awaited, then=Value(State.PENDING.value)),
        default=Value(State.UNRESPONSIVE.value),
        output_field=CharField(),
    )


def status_of(toolbox: Any, now: datetime | None = None) -> ToolboxStatus:
    """The status of a toolbox that a selector found (`with_facts`)."""
    state = State(toolbox.state)
    notes = [_removal_failed(toolbox), _machine_gone(toolbox)]
    if state in REPORTING:
        notes += [_certificate_ends(toolbox, now or timezone.now()), _disk_full(toolbox), _clock_off(toolbox), _other_version(toolbox)]
    since = {State.UNRESPONSIVE: toolbox.last_seen_at or toolbox.enrolled_at, State.REMOVED: toolbox.deleted_at}.get(state)
    return ToolboxStatus(state, _reason(toolbox, state), since, tuple(note for note in notes if note is not None))


def _reason(toolbox: Any, state: State) -> str:
    match state:
        case State.REMOVING:
            return _under_way(toolbox) or "It is being removed."
        case State.REVOKED:
            return "Its certificates were revoked: it is neither heard nor called. To use it again, make a new install command."
        case State.UNRESPONSIVE:
            return (
                "It has missed three heartbeats, so what its servers do is not known. "
                "Check that the machine is on, is connected, and that DTMA runs there."
            )
        case State.NO_ENGINE:
            return f"Its container engine does not answer: {toolbox.engine_problem}"
        case State.PENDING:
            return _pending(toolbox)
        case State.REMOVED:
            return "It was removed. Its history is kept."
        case State.ONLINE:
            return ""


def _pending(toolbox: Any) -> str:
    if toolbox.enrolled_at is not None:
        return "Its host has enrolled; its first heartbeat is awaited."
    job = toolbox.job or {}
    if job.get("status") == Job.Status.FAILED:
        return f"It could not be made: {job['detail']}"
    return _under_way(toolbox) or "No machine has become this toolbox yet."


def _under_way(toolbox: Any) -> str:
    """What the job that makes or removes it is at."""
    step, problem = toolbox.step, str((toolbox.job or {}).get("detail", ""))
    if step is None:
        return problem
    return f"{step['label']}: {problem or step['detail']}" if problem or step["detail"] else f"{step['label']} …"


def _removal_failed(toolbox: Any) -> Note | None:
    job = toolbox.job or {}
    if job.get("kind") != Job.Kind.REMOVE or job.get("status") != Job.Status.FAILED:
        return None
    return Note("removal", "Not removed", f"Removing it failed: {job['detail']}")


def _machine_gone(toolbox: Any) -> Note | None:
    if toolbox.machine_gone is None or toolbox.state in (State.REMOVING, State.REMOVED):
        return None
    return Note("machine", "Machine gone", "Its machine was destroyed at the provider, behind Agentopia's back. Remove the toolbox.")


def _certificate_ends(toolbox: Any, now: datetime) -> Note | None:
    begin, end = toolbox.certificate_from, toolbox.certificate_until
    if end is None or (end - now) > CERTIFICATE_LEFT * (end - begin):
        return None
    left = max(end - now, timedelta())
    when = f"in {left.days} days" if left.days > 1 else f"in {left // timedelta(hours=1)} hours" if left else "now"
    return Note("certificate", "Certificate ends", f"Its certificate ends {when} and was not renewed. Look at DTMA's log on the machine.")


def _disk_full(toolbox: Any) -> Note | None:
    size, free = toolbox.info.get("disk_bytes", 0), toolbox.info.get("disk_free_bytes", 0)
    if not size or free > DISK_LEFT * size:
        return None
    return Note("disk", "Disk nearly full", f"Only {100 * free / size:.0f} % of its disk is left. Images and servers need room: free some.")


def _clock_off(toolbox: Any) -> Note | None:
    if abs(toolbox.skew_seconds) <= CLOCK_OFF_SECONDS:
        return None
    minutes, way = abs(toolbox.skew_seconds) / 60, "ahead" if toolbox.skew_seconds > 0 else "behind"
    return Note("clock", "Clock off", f"Its clock is {minutes:.0f} min {way}. Times in its logs are off by that; set it by NTP.")


def _other_version(toolbox: Any) -> Note | None:
    if not is_old(toolbox):
        return None
    text = f"It runs DTMA {version_of(toolbox)}; the present one is {current_version()}."
    if int(toolbox.info.get("wire_version", OLDEST_WIRE_VERSION)) >= OLDEST_WIRE_VERSION:
        return Note("version", "Old DTMA", text)
    too_old = " That is too old for this control plane: nothing can be deployed there until it is upgraded."
    return Note("version", "DTMA too old", text + too_old, "error")
