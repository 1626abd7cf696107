"""What was found to be other than desired is written down, and so is when it was put right."""

from __future__ import annotations

from django.utils import timezone

from agentopia.lib import live
from dtma_wire import Phase, ServerState
from mcp_registry.drift import Seen
from mcp_registry.models import Deployment, Drift, McpServer
from toolboxes.models import ToolboxEvent
from toolboxes.services import events

KEPT = 100
"""Of a server's findings; older ones go."""
BROKEN = {
    Phase.CRASHED: Drift.What.CRASHED,
    Phase.UNHEALTHY: Drift.What.UNHEALTHY,
    Phase.ABSENT: Drift.What.CRASHED,  # with a reason: there is no image to start it from again
}
FOLLOWS = {
    Drift.What.PRESENT: "It is being removed.",
    Drift.What.RUNNING: "It is being stopped.",
    Drift.What.OLDER: "It is being brought up to date.",
    Drift.What.NEWER: "It is being brought to what is desired.",
}


def record_drift(*, server: McpServer, what: Drift.What, seen: Seen, sentence: str, deployment: Deployment | None) -> None:
    """Write down what was found, within the caller's transaction. What is still not put right is not found a second time."""
    drift, new = Drift.objects.get_or_create(
        server=server,
        what=what,
        repaired_at=None,
        defaults={"phase": seen.phase.value, "generation": seen.generation, "sentence": sentence[:500], "deployment": deployment},
    )
    if not new:
        Drift.objects.filter(pk=drift.pk).update(deployment=deployment)
        return
    kept = Drift.objects.filter(server=server).values("pk")[:KEPT]
    Drift.objects.filter(server=server).exclude(pk__in=kept).delete()
    follows = FOLLOWS.get(what, "It is being brought back.") if deployment else ""
    text = f"{server.name}: {sentence} {follows}".strip()
    events.record(toolbox=server.toolbox, kind="drift", severity=ToolboxEvent.Severity.WARNING, text=text)


def note_transition(*, server: McpServer, state: ServerState) -> None:
    """Compare a row with what is observed now, before that is stored: did it break though nobody touched it? Is it back?

    The toolbox restarts what broke by itself, and may have done so before anybody heard of it. Within the caller's transaction.
    """
    if server.desired != McpServer.Desired.RUNNING or state.generation != server.generation:
        return
    was = Phase(server.phase)
    what = BROKEN.get(state.phase) if state.reason or state.phase is not Phase.ABSENT else None
    worked = server.deployment is not None and server.deployment.status == Deployment.Status.SUCCEEDED
    restarted = state.restarts > server.restarts
    seen = Seen(state.generation, state.phase)
    if worked and what is not None and was not in BROKEN:
        record_drift(server=server, what=what, seen=seen, sentence=state.reason or "It ended.", deployment=None)
    elif worked and what is None and was is Phase.RUNNING and restarted:
        sentence = state.reason or "It ended, and its toolbox started it again."
        record_drift(server=server, what=Drift.What.CRASHED, seen=seen, sentence=sentence, deployment=None)
    if state.phase is Phase.RUNNING and (was is not Phase.RUNNING or restarted):
        note_repaired(server=server)


def note_repaired(*, server: McpServer) -> None:
    """It is as desired again, within the caller's transaction."""
    if Drift.objects.filter(server=server, repaired_at=None).update(repaired_at=timezone.now()):
        live.publish(live.server_group(server.pk), live.owner_group(server.owner_id))
