"""What the pages of toolboxes show, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator

from accounts.models import User
from toolboxes.figures import figures_of
from toolboxes.job_selectors import newest_job_of
from toolboxes.models import Job, Toolbox, ToolboxEvent
from toolboxes.providers import provider_of
from toolboxes.selectors import described_for, described_toolbox_for, events_of, removed_toolboxes_for
from toolboxes.status import status_of
from toolboxes.versions import current_version, is_old, version_of

EVENTS_PER_PAGE = 50
OLD_PER_PAGE = 50
SEVERITIES = {
    "": (),
    "warning": (ToolboxEvent.Severity.WARNING, ToolboxEvent.Severity.ERROR),
    "error": (ToolboxEvent.Severity.ERROR,),
}
"""What the history can be cut down to: the word in the query string, and the severities that are shown then."""


def toolbox(user: User, toolbox_id: UUID, *, removed: bool = False) -> dict[str, Any]:
    """What all pages of a toolbox share: the toolbox, its status, how many servers it has, and the job that makes or removes it."""
    found = described_toolbox_for(user, toolbox_id, removed=removed)
    status = status_of(found)
    return {
        "toolbox": found,
        "status": status,
        "provider": provider_of(found),
        "server_count": found.mcp_servers.count(),
        "job": _unfinished(newest_job_of(found)),
        "old": is_old(found),
        "version": version_of(found),
        "current_version": current_version(),
    }


def _unfinished(job: Job | None) -> Job | None:
    """Only a job that goes on or failed is worth a place on every page."""
    return job if job is not None and (job.is_active or job.status == Job.Status.FAILED) else None


def overview(user: User, toolbox_id: UUID) -> dict[str, Any]:
    """A toolbox's first page: with the facts of its host."""
    context = toolbox(user, toolbox_id)
    return {**context, "figures": figures_of(context["toolbox"]), "facts": context["provider"].facts(context["toolbox"])}


def history(user: User, toolbox_id: UUID, severity: str, page: str | None) -> dict[str, Any]:
    """One page of what happened to it, newest first; a removed toolbox keeps its history."""
    context = toolbox(user, toolbox_id, removed=True)
    severity = severity if severity in SEVERITIES else ""
    events = Paginator(events_of(context["toolbox"], SEVERITIES[severity]), EVENTS_PER_PAGE).get_page(page)
    return {**context, "page": events, "events": list(events), "severity": severity, "severities": list(SEVERITIES)}


def settings(user: User, toolbox_id: UUID) -> dict[str, Any]:
    """What can be changed of it."""
    context = toolbox(user, toolbox_id)
    found, provider = context["toolbox"], context["provider"]
    return {
        **context,
        "upgrade_command": provider.upgrade_command(found),
        "removal": provider.removal(found),
        "enrols_by_command": found.provider != Toolbox.Provider.THIS_MACHINE,
        "certified": found.enrolled_at is not None,
    }


def versions(user: User, page: str | None) -> dict[str, Any]:
    """Which toolboxes run another DTMA than this control plane gives out, and the command that upgrades each."""
    reported = described_for(user).filter(info__has_key="dtma_version")
    old = reported.exclude(info__dtma_version=current_version()).order_by("name")
    rows = Paginator(old, OLD_PER_PAGE).get_page(page)
    return {
        "page": rows,
        "rows": [(row, status_of(row), version_of(row), provider_of(row).upgrade_command(row)) for row in rows],
        "total": reported.count(),
        "current_version": current_version(),
    }


def removed(user: User, page: str | None) -> dict[str, Any]:
    """The toolboxes that were removed."""
    return {"page": Paginator(removed_toolboxes_for(user), OLD_PER_PAGE).get_page(page)}
