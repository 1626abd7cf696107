"""Which records of the audit are asked for, and who may read which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import and_
from typing import Any, Self

from django.db.models import Q, QuerySet

from accounts.models import AuditEvent, User
from agentopia.lib.queries import ListQuery

PER_PAGE = 50
LONGEST = 200
RECENT = 2000
"""Among how many of the newest records the words to choose from are looked for."""


def events_for(user: User) -> QuerySet[AuditEvent]:
    """What this user may read, newest first: staff all, others what concerns their things or was done by them."""
    if user.is_staff:
        return AuditEvent.objects.all()
    return AuditEvent.objects.filter(Q(owner_id=user.pk) | Q(actor_id=user.pk))


def address_shown(event: AuditEvent, user: User) -> bool:
    """Whether this user may see from which network address it was done: staff, who did it, and whose account somebody tried to enter."""
    return user.is_staff or event.actor_id in (None, user.pk)


@dataclass(frozen=True)
class AuditQuery(ListQuery):
    """The filters. ``action`` is a whole word (`server.configured`) or its first part (`server`); ``since`` and ``until`` are days (UTC),
    both included; ``before`` and ``after`` are the number of the record at an end of the page.
    """

    search: str = ""
    who: str = ""
    action: str = ""
    type: str = ""
    target: str = ""
    via: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From a query string; what cannot be used counts as not given."""
        texts = {name: str(given.get(name) or "").replace("\0", "").strip()[:LONGEST] for name in cls.__dataclass_fields__}
        for name in ("since", "until"):
            texts[name] = texts[name] if _day(texts[name]) else ""
        for name in ("before", "after"):
            texts[name] = texts[name] if texts[name].isascii() and texts[name].isdecimal() and len(texts[name]) < 19 else ""
        texts["via"] = texts["via"] if texts["via"] in AuditEvent.Via else ""
        return cls(**texts)

    def of(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """These of the events, without regard to the place in the list."""
        events = events.filter(_exactly(self))
        if self.who:
            events = events.filter(actor__icontains=self.who)
        if since := _day(self.since):
            events = events.filter(at__gte=_midnight(since))
        if until := _day(self.until):
            events = events.filter(at__lt=_midnight(until + timedelta(days=1)))
        # The index is on the body, which holds what the columns do; the columns then say whether it was no name of a column.
        for word in self.search.split():
            events = events.filter(
                Q(body__icontains=word), reduce(lambda one, other: one | other, (Q(**{f"{c}__icontains": word}) for c in SEARCHED))
            )
        return events


SEARCHED = ("summary", "target_name", "target_id", "actor", "action", "changes")


def _exactly(query: AuditQuery) -> Q:
    conditions = [
        Q(**{name: value}) for name, value in (("target_type", query.type), ("target_id", query.target), ("via", query.via)) if value
    ]
    if query.action:
        conditions.append(Q(action=query.action) if "." in query.action else Q(action__startswith=f"{query.action}."))
    return reduce(and_, conditions, Q())


@dataclass(frozen=True)
class AuditPage:
    """A page of the list, newest first, with the query strings of the pages beside it (empty: there is none)."""

    events: list[AuditEvent]
    newer: str
    older: str


def page_of(user: User, query: AuditQuery) -> AuditPage:
    """The page that the query names. As records come in, a page stays what it was."""
    found = query.of(events_for(user))
    upwards = bool(query.after)
    if upwards:
        rows = list(found.filter(pk__gt=int(query.after)).order_by("pk")[: PER_PAGE + 1])
    else:
        rows = list((found.filter(pk__lt=int(query.before)) if query.before else found).order_by("-pk")[: PER_PAGE + 1])
    more, rows = len(rows) > PER_PAGE, rows[:PER_PAGE]
    if upwards:
        rows.reverse()
    newer = rows and (more if upwards else bool(query.before))
    older = rows and (True if upwards else more)
    return AuditPage(
        rows,
        replace(query, before="", after=str(rows[0].pk)).encoded if newer else "",
        replace(query, before=str(rows[-1].pk), after="").encoded if older else "",
    )


def words_of(user: User) -> dict[str, list[str]]:
    """What can be chosen from: the actions and the kinds of things among the newest records."""
    newest = events_for(user).order_by("-pk").values("action", "target_type")[:RECENT]
    pairs = AuditEvent.objects.filter(pk__in=newest.values("pk")).order_by().values_list("action", "target_type").distinct()
    found = list(pairs)
    return {"actions": sorted({action for action, _ in found}), "types": sorted({kind for _, kind in found})}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
