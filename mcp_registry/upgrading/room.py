"""Whether a toolbox has room for a trial: for a minute there are two of a server."""

from __future__ import annotations

from dataclasses import replace

from agentopia.lib.errors import Conflict
from mcp_registry.configuring.overrides import effective_profile
from mcp_registry.manifest import parse_manifest
from mcp_registry.models import McpServer, Upgrade
from mcp_registry.placement import Need, fits, need_of, room_of
from mcp_registry.spec import package_of
from mcp_registry.upgrading.plan import Plan
from toolboxes.models import Toolbox
from toolboxes.selectors import described_toolbox_for


def refuse_without_room(server: McpServer, plan: Plan, *, trial: bool) -> None:
    """Raise `Conflict` where its toolbox has no room: for a second one of it with a ``trial``, else for what the new version needs more."""
    if problem := room_problem(server, plan, trial=trial):
        code = "no_room_for_trial" if trial else "toolbox_does_not_fit"
        raise Conflict(problem, code=code)


def room_problem(server: McpServer, plan: Plan, *, trial: bool) -> str:
    """The sentence that says so; empty where there is room."""
    room = room_of(described_toolbox_for(server.owner, server.toolbox_id))
    need = need_of(plan.package, plan.profile)
    if not trial and server.desired == McpServer.Desired.RUNNING:
        need = replace(need, memory=max(0, need.memory - _need(server).memory))
    elif not trial:
        need = replace(need, memory=0)  # it stays stopped
    left = max(0, room.memory_left - _taken_by_trials(server.toolbox))
    obstacle = fits(need, replace(room, memory_left=left))
    if obstacle is None:
        return ""
    if room.closed is not None or obstacle.final:
        return f"“{server.toolbox}” cannot take {plan.version}: {obstacle.reason}."
    if trial:
        how = "Upgrade without a trial, or make room first."
        return f"There is no room on “{server.toolbox}” to try {plan.version} beside it: {obstacle.reason}. {how}"
    return f"{plan.version} does not fit on “{server.toolbox}”: {obstacle.reason}."


def _need(server: McpServer) -> Need:
    manifest = parse_manifest(server.manifest)
    return need_of(package_of(manifest, server.package), effective_profile(manifest, server.overrides))


def _taken_by_trials(toolbox: Toolbox) -> int:
    """What the trials that go on there may use at most, in bytes."""
    taken = 0
    for upgrade in Upgrade.objects.filter(server__toolbox=toolbox, status=Upgrade.Status.TRYING, trial_gone=False).select_related("server"):
        manifest = parse_manifest(upgrade.manifest)
        taken += need_of(package_of(manifest, upgrade.package), effective_profile(manifest, upgrade.server.overrides)).memory
    return taken
