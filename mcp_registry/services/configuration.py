"""Changes of what a server is made from: its settings, secrets, limits and folders; and the way back to what it was made from before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import Conflict
from mcp_registry.configuring.changes import Change, Difference, audited, differences
from mcp_registry.configuring.consequences import Consequences, Tick
from mcp_registry.configuring.drafts import Draft, changed, draft_back, draft_change, no_room, without_room
from mcp_registry.models import Deployment, McpServer, Revision
from mcp_registry.selectors import revision_of, revisions_of, server_for
from mcp_registry.services.deployments import request_deployment
from mcp_registry.services.entry_tools import forget_tools, show_tools
from mcp_registry.services.revisions import SPECIFICATION, note_revision, specification_of


class ChangedMeanwhile(Conflict):
    """Somebody else changed it since it was looked at; ``theirs`` is the newest of those changes, ``found`` what they changed in all."""

    def __init__(self, theirs: Revision, found: list[Difference]) -> None:
        who = f" by {theirs.by}" if theirs.by else ""
        message = f"It was changed meanwhile{who} (generation {theirs.generation}: {theirs.summary}). Look at that, then apply yours again."
        super().__init__(message, code="changed_meanwhile", fields={"generation": str(theirs.generation)})
        self.theirs = theirs
        self.found = found


@transaction.atomic
def configure_server(
    *,
    owner: User,
    server_id: UUID | str,
    change: Change,
    by: User | None = None,
    expected_generation: int | None = None,
    confirmed: Collection[str] | None = None,
    force: bool = False,
) -> Draft:
    """Change a server and ask for its deployment; what would change nothing makes no generation.

    ``expected_generation`` is the one that whoever changes it has seen: `ChangedMeanwhile` where it was made from other things since.
    ``confirmed`` names the ticks of the consequences that were set (None: nothing has to be confirmed), else `Conflict`. ``force`` gives
    it memory that its toolbox does not have left. Raises `InvalidInput`, `NotFound` and `Conflict`; nothing is changed then.
    """
    server = _locked(owner, server_id)
    _refuse_overtaken(server, expected_generation)
    draft = draft_change(server, change)
    _apply(draft, Deployment.Kind.CONFIGURE, by=by or owner, summary=draft.summary, confirmed=confirmed, force=force)
    if draft.changes_sharing:
        server.shares_tools = draft.after.shares_tools
        server.save(update_fields=("shares_tools",))
        told = {"shares_tools": [not server.shares_tools, server.shares_tools]}
        audit.record(action="server.shares_tools", target=server, owner=owner, changes=told)
        if server.entry is not None and not server.shares_tools:
            forget_tools(server.entry)  # nobody knows whose they are: those of another server come back when it tells them
        show_tools(server)
    return draft


@transaction.atomic
def roll_back(
    *,
    owner: User,
    server_id: UUID | str,
    generation: int,
    by: User | None,
    expected_generation: int | None = None,
    confirmed: Collection[str] | None = None,
    force: bool = False,
) -> Draft:
    """Make it again from what it was made from at an earlier generation, its secrets of then included, as a new generation.

    ``generation`` may be that of any revision, or of a start or stop after one. Without a user (``by`` is None) Agentopia itself does it.
    Raises as `configure_server` does.
    """
    server = _locked(owner, server_id)
    _refuse_overtaken(server, expected_generation)
    revision = revision_of(server, generation)
    draft = draft_back(server, revision)
    summary = f"Back to generation {revision.generation}" + (f" ({draft.summary})" if draft.summary else "")
    _apply(draft, Deployment.Kind.ROLLBACK, by=by, summary=summary, confirmed=confirmed, force=force or by is None)
    return draft


def respecify(
    *, server: McpServer, content: Mapping[str, Any], kind: Deployment.Kind, by: User | None, summary: str, of_upgrade: bool = False
) -> Deployment:
    """Make a server from these columns of `Specification` from now on: a new generation, its revision, its audit and its deployment.

    Within the caller's transaction, who holds a lock on the row and has checked the content. ``of_upgrade`` as in `request_deployment`.
    """
    now = timezone.now().isoformat()
    found = differences(server, changed(server, content))
    secrets = content.get("secrets", server.secrets)
    unchanged = {name: at for name, at in server.secrets_set_at.items() if server.secrets.get(name) == secrets.get(name)}
    server.secrets_set_at = unchanged | {name: now for name, value in secrets.items() if server.secrets.get(name) != value}
    for name, value in content.items():
        setattr(server, name, value)
    server.version = str(server.manifest.get("version", ""))
    server.generation += 1
    server.save(update_fields=(*SPECIFICATION, "version", "secrets_set_at", "generation"))
    note_revision(server=server, by=by, summary=summary)
    audit.record(action=f"server.{kind.value}", target=server, owner=server.owner_id, summary=summary, changes=audited(found))
    return request_deployment(server=server, kind=kind, of_upgrade=of_upgrade)


def _apply(
    draft: Draft,
    kind: Deployment.Kind,
    *,
    by: User | None,
    summary: str,
    confirmed: Collection[str] | None,
    force: bool,
) -> None:
    if not draft.changes_something:
        return
    if confirmed is not None:
        _refuse_unconfirmed(draft.consequences, confirmed)
    if not force and Tick.ROOM not in (confirmed or ()):
        _refuse_without_room(draft.server, draft.after)
    content = specification_of(draft.after)
    respecify(server=draft.server, content=content, kind=kind, by=by, summary=summary)


def overtaken(server: McpServer, expected_generation: int | None) -> ChangedMeanwhile | None:
    """What was changed since that generation was looked at; None where nothing was."""
    newest = revisions_of(server).first()
    if newest is None or expected_generation is None or newest.generation <= expected_generation:
        return None
    return ChangedMeanwhile(newest, differences(revision_of(server, expected_generation), newest))


def _refuse_overtaken(server: McpServer, expected_generation: int | None) -> None:
    problem = overtaken(server, expected_generation)
    if problem is not None:
        raise problem


def _refuse_unconfirmed(told: Consequences, confirmed: Collection[str]) -> None:
    missing = [one for one in told.sentences if one.tick is not None and one.tick not in confirmed]
    if missing:
        fields = {str(one.tick): one.sentence for one in missing}
        raise Conflict(f"Confirm this first: {' '.join(fields.values())}", code="not_confirmed", fields=fields)


def _refuse_without_room(server: McpServer, after: McpServer) -> None:
    User.objects.select_for_update(no_key=True).get(pk=server.owner_id)  # as a deployment does: room must not be promised twice
    obstacle = without_room(server, after)
    if obstacle is not None:
        how = "" if obstacle.final else " It can be given that anyway."
        problem = no_room(server, obstacle) + how
        raise Conflict(problem, code="toolbox_does_not_fit", fields={"cpus" if obstacle.final else "memory_mb": problem})


def _locked(owner: User, server_id: UUID | str) -> McpServer:
    found = server_for(owner, server_id)
    return McpServer.objects.select_for_update(of=("self",)).select_related("toolbox", "deployment").get(pk=found.pk)
