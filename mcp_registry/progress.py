"""A deployment as pages show it: what it is called, and its steps, those to come as well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dtma_wire import Phase, Step
from mcp_registry.models import Deployment, DeploymentStep, Drift, McpServer
from mcp_registry.services.deployments import QUEUED

STEP_TITLES = {QUEUED: "Queued", Step.IMAGE: "Image", Step.CONTAINER: "Container", Step.HANDSHAKE: "MCP handshake", Step.TOOLS: "Tools"}
SIMPLE = (Deployment.Kind.STOP, Deployment.Kind.DELETE)  # a toolbox tells no steps of these
TITLES = {
    # kind: (while it goes on, when it is done, when it has failed)
    Deployment.Kind.DEPLOY: ("Deploying", "Deployed", "The deployment failed"),
    Deployment.Kind.START: ("Starting", "Started", "The start failed"),
    Deployment.Kind.STOP: ("Stopping", "Stopped", "The stop failed"),
    Deployment.Kind.RESTART: ("Restarting", "Restarted", "The restart failed"),
    Deployment.Kind.DELETE: ("Deleting", "Deleted", "The deletion failed"),
    Deployment.Kind.REPAIR: ("Bringing it back", "Brought back", "Bringing it back failed"),
    Deployment.Kind.ADOPT: ("Adopting", "Adopted as it ran", "Adopting it failed"),
    Deployment.Kind.CONFIGURE: ("Applying the change", "Changed", "The change failed"),
    Deployment.Kind.ROLLBACK: ("Going back", "Went back", "Going back failed"),
    Deployment.Kind.RESTORE: ("Restoring", "Restored", "Restoring it failed"),
    Deployment.Kind.TRIAL: ("Trying another version", "Tried another version", "The trial failed"),
    Deployment.Kind.UPGRADE: ("Switching to another version", "Switched to another version", "The switch failed"),
}


COMING_UP = (Phase.PREPARING, Phase.STARTING)
FOLLOWS = {
    Drift.What.PRESENT: "it is being removed",
    Drift.What.RUNNING: "it is being stopped",
    Drift.What.OLDER: "it is being brought up to date",
    Drift.What.NEWER: "it is being brought to what is desired",
}


@dataclass(frozen=True)
class ShownStep:
    """A station: ``state`` is waiting, running, done or failed; ``seconds`` is None until it has ended."""

    name: str
    title: str
    state: str
    detail: str = ""
    fraction: float | None = None
    seconds: float | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class ShownDeployment:
    """A deployment with its title, the state that stands for it and its steps."""

    deployment: Deployment
    title: str
    state: str
    steps: list[ShownStep]

    @property
    def failed_step(self) -> str:
        """The title of the step on the toolbox that failed; empty where none did. What went before it is kept there, so a new try goes on
        with it: images are cached, and the rest is idempotent.
        """
        failed = [step.title for step in self.steps if step.state == "failed" and step.name != QUEUED]
        return failed[-1] if failed else ""

    @property
    def seconds(self) -> float | None:
        """From the wish to the end; None while it goes on."""
        ended = self.deployment.finished_at
        return (ended - self.deployment.created_at).total_seconds() if ended else None


@dataclass(frozen=True)
class ShownFinding:
    """What was found and is not put right yet; ``follows`` says what is being done about it, in words that end the sentence."""

    at: datetime
    sentence: str
    follows: str


def finding_of(server: McpServer, drift: Drift | None) -> ShownFinding | None:
    """What the page of a server says of its newest finding; None where the server's own status says it all."""
    if drift is None or (drift.deployment_id is None and Phase(server.phase) not in COMING_UP):
        return None
    deployment = server.deployment
    going_on = deployment is not None and deployment.is_active
    if drift.deployment_id is None:
        follows = "its toolbox starts it again"
    else:
        follows = FOLLOWS.get(Drift.What(drift.what), "it is being brought back") if going_on else ""
    return ShownFinding(drift.at, drift.sentence, follows)


def shown(deployment: Deployment) -> ShownDeployment:
    """Reads the deployment and its steps, which are best prefetched."""
    going_on, done, failed = TITLES[Deployment.Kind(deployment.kind)]
    title, state = {
        Deployment.Status.QUEUED: (going_on, "preparing"),
        Deployment.Status.RUNNING: (going_on, "preparing"),
        Deployment.Status.SUCCEEDED: (done, "done"),
        Deployment.Status.FAILED: (failed, "failed"),
        Deployment.Status.SUPERSEDED: (f"{going_on}: a later change took over", "stopped"),
    }[Deployment.Status(deployment.status)]
    return ShownDeployment(deployment, title, state, _steps(deployment))


def _steps(deployment: Deployment) -> list[ShownStep]:
    recorded = {step.name: _step(step) for step in deployment.steps.all()}
    expected = list(STEP_TITLES) if deployment.is_active and deployment.kind not in SIMPLE else []
    waiting = {name: ShownStep(name, STEP_TITLES[name], "waiting") for name in expected}
    return [*{**waiting, **recorded}.values(), *_ready(deployment, came_up=Step.TOOLS in recorded)]


def _ready(deployment: Deployment, *, came_up: bool) -> list[ShownStep]:
    """The end that all steps lead to; nothing where it was not reached, or is another one."""
    if deployment.status == Deployment.Status.SUCCEEDED and came_up:
        return [ShownStep("ready", "Ready", "done")]
    return [ShownStep("ready", "Ready", "waiting")] if deployment.is_active and deployment.kind not in SIMPLE else []


def _step(step: DeploymentStep) -> ShownStep:
    title = STEP_TITLES.get(step.name, step.name)
    return ShownStep(step.name, title, step.state, step.detail, step.fraction, step.seconds, step.started_at)
