"""Whether a server has become what an upgrade made of it: a pure function of its row, as drift and status are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dtma_wire import Phase
from mcp_registry.drift import REPEATED
from mcp_registry.models import Deployment, McpServer

PASSING = REPEATED - {"disk_full"}
"""Failures that say nothing of the new version: the toolbox was away. They end by themselves, and are waited for."""
BROKEN = (Phase.CRASHED, Phase.UNHEALTHY, Phase.ABSENT, Phase.STOPPED)


class Verdict(StrEnum):
    WAIT = "wait"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """``reason`` says why it failed, or what is waited for."""

    verdict: Verdict
    reason: str = ""


def outcome_of(server: McpServer) -> Outcome:
    """Reads the server with its ``deployment``, the newest one: that may be a repair, where the toolbox was away in between."""
    deployment = server.deployment
    if deployment is None or deployment.is_active:
        return Outcome(Verdict.WAIT, deployment.detail if deployment is not None else "")
    if deployment.status == Deployment.Status.SUCCEEDED:
        return Outcome(Verdict.READY)
    if server.observed_generation == server.generation:  # the toolbox took it on, and has said what became of it
        phase = Phase(server.phase)
        if phase.value == server.desired:
            return Outcome(Verdict.READY)
        if phase in BROKEN:
            return Outcome(Verdict.FAILED, server.reason or deployment.detail or "It did not become ready.")
    if deployment.code in PASSING:
        return Outcome(Verdict.WAIT, deployment.detail)
    return Outcome(Verdict.FAILED, deployment.detail or "It did not become ready.")
