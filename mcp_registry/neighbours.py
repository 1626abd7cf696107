"""Toolboxes whose DTMA speaks another version of the protocol: two neighbouring ones understand each other, others do not."""

from __future__ import annotations

from agentopia.lib.errors import Conflict
from dtma_wire import OLDEST_WIRE_VERSION, WIRE_VERSION
from toolboxes.models import Toolbox
from toolboxes.providers import provider_of
from toolboxes.versions import version_of

NEWEST = WIRE_VERSION + 1
"""A DTMA that is one ahead of us speaks with its neighbour, which is us."""


def wire_version_of(toolbox: Toolbox) -> int:
    """What it spoke in its last heartbeat; ours where it never reported."""
    return int(toolbox.info.get("wire_version", WIRE_VERSION))


def version_problem(toolbox: Toolbox) -> str:
    """Why nothing can be deployed there, in a sentence that says what to do; empty where it can."""
    version = wire_version_of(toolbox)
    if version < OLDEST_WIRE_VERSION:
        return f"It runs DTMA {version_of(toolbox)}, which is too old for this control plane. {upgrade(toolbox)}"
    if version > NEWEST:
        return f"It runs DTMA {version_of(toolbox)}, which is too new for this control plane. Update Agentopia first."
    return ""


def refuse_others(toolbox: Toolbox) -> None:
    """Raise `Conflict` where its version cannot be spoken with."""
    if problem := version_problem(toolbox):
        raise Conflict(problem, code="toolbox_version")


def upgrade(toolbox: Toolbox) -> str:
    """The sentence that says how its DTMA is brought up to date."""
    return f"Upgrade this toolbox with: {provider_of(toolbox).upgrade_command(toolbox)}"
