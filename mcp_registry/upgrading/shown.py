"""An upgrade as pages show it: its stations, the steps of its trial, what differs between the tools, and what can be decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from dtma_wire import LogLine
from mcp_registry.models import Deployment, McpServer, Upgrade
from mcp_registry.progress import ShownDeployment, ShownStep, shown
from mcp_registry.upgrading.offers import update_of, word_on
from mcp_registry.upgrading.tool_changes import Changes

Status = Upgrade.Status
TITLES = {
    # status: (title, the state that stands for it)
    Status.TRYING: ("Trying {to} beside it", "preparing"),
    Status.ASKING: ("{to} is ready. Switch to it?", "waiting"),
    Status.SWITCHING: ("Switching to {to}", "preparing"),
    Status.ROLLING_BACK: ("Going back to {here}", "preparing"),
    Status.DONE: ("Went from {here} to {to}", "done"),
    Status.FAILED: ("{to} did not become ready: it was left at {here}", "failed"),
    Status.ROLLED_BACK: ("{to} did not become ready: it went back to {here}", "failed"),
    Status.CANCELLED: ("The change from {here} to {to} was ended", "stopped"),
}
UPGRADES = 20
"""As many of a server's are told in its history."""
OPEN = (*Upgrade.UNFINISHED, Status.FAILED, Status.ROLLED_BACK)


@dataclass(frozen=True)
class ShownUpgrade:
    """``state`` is a word of the status component; ``trial`` has the steps of the trial while these say something."""

    upgrade: Upgrade
    title: str
    state: str
    stations: list[ShownStep]
    changes: Changes | None
    trial: ShownDeployment | None
    last_log: list[LogLine]

    @property
    def key(self) -> str:
        """Its id, to name parts of it in a page by."""
        return str(self.upgrade.pk)

    @property
    def asks(self) -> bool:
        """Whether it waits for a decision."""
        return self.upgrade.status == Status.ASKING

    @property
    def is_open(self) -> bool:
        """Whether what it says is to be seen without a click."""
        return self.upgrade.status in OPEN

    @property
    def may_be_ended(self) -> bool:
        """Whether the old version can still be kept."""
        return self.upgrade.status in (Status.TRYING, Status.ASKING)

    @property
    def seconds(self) -> float | None:
        """From the wish to the end; None while it goes on."""
        ended = self.upgrade.finished_at
        return (ended - self.upgrade.created_at).total_seconds() if ended else None

    @property
    def went_badly(self) -> bool:
        return self.upgrade.status in (Status.FAILED, Status.ROLLED_BACK, Status.ROLLING_BACK)


def shown_upgrade(upgrade: Upgrade) -> ShownUpgrade:
    """Reads the upgrade with its ``trial``, ``switch`` and ``back`` and the steps of its trial."""
    title, state = TITLES[Status(upgrade.status)]
    telling = upgrade.trial is not None and upgrade.status in (Status.TRYING, Status.FAILED)
    return ShownUpgrade(
        upgrade=upgrade,
        title=title.format(here=upgrade.from_version, to=upgrade.to_version),
        state=state,
        stations=_stations(upgrade),
        changes=Changes.of_json(upgrade.difference) if upgrade.difference is not None else None,
        trial=shown(upgrade.trial) if telling and upgrade.trial is not None else None,
        last_log=[LogLine.model_validate(line) for line in upgrade.last_log],
    )


def upgrades_of(server: McpServer) -> QuerySet[Upgrade]:
    """Newest first, with all that `shown_upgrade` reads."""
    related = server.upgrades.select_related("trial", "switch", "back", "by", "server")
    return related.prefetch_related("trial__steps").defer("manifest", "secrets", "config")


def card(server: McpServer) -> dict[str, Any]:
    """What its overview says: the newest upgrade while that is news, the version that is offered, and what is to be known of its entry."""
    newest = upgrades_of(server).first()
    told = shown_upgrade(newest) if newest is not None and is_news(server, newest) else None
    goes_on = newest is not None and newest.is_unfinished
    return {
        "upgrade": told,
        "update": "" if goes_on else update_of(server),
        "tried_in_vain": told is not None and told.went_badly and told.upgrade.to_version == update_of(server),
        "word": word_on(server) if server.entry_id is not None else "",
    }


def history(server: McpServer) -> dict[str, Any]:
    """The upgrades that there were."""
    return {"upgrades": [shown_upgrade(upgrade) for upgrade in upgrades_of(server)[:UPGRADES]]}


def is_news(server: McpServer, upgrade: Upgrade) -> bool:
    """Whether the newest upgrade of a server belongs on its page: it goes on, or nothing else was done since it ended."""
    if upgrade.is_unfinished or upgrade.finished_at is None:
        return True
    last = server.deployment
    return upgrade.status != Status.CANCELLED and (last is None or last.created_at <= upgrade.finished_at)


def _stations(upgrade: Upgrade) -> list[ShownStep]:
    """Try beside → Compare → Switch → Ready, or → Rolled back; those that are not reached any more are left out."""
    stations = [*_trying(upgrade), *_switching(upgrade)]
    if upgrade.is_unfinished:
        return stations
    return [station for station in stations if station.state != "waiting"]


def _trying(upgrade: Upgrade) -> list[ShownStep]:
    if upgrade.trial is None:
        return []
    trial = _of("try", "Try beside", upgrade.trial)
    tried = upgrade.trial.status == Deployment.Status.SUCCEEDED
    detail = "Its tools were not known before." if tried and upgrade.difference is None else ""
    if upgrade.difference is not None:
        detail = Changes.of_json(upgrade.difference).summary
    if upgrade.status == Status.ASKING:
        return [trial, ShownStep("compare", "Compare", "running", f"{detail}: waiting for you", since=upgrade.trial.finished_at)]
    return [trial, ShownStep("compare", "Compare", "done" if tried else "waiting", detail)]


def _switching(upgrade: Upgrade) -> list[ShownStep]:
    if upgrade.back is not None:
        back = _of("back", "Roll back" if upgrade.is_unfinished else "Rolled back", upgrade.back)
        seconds = _seconds(upgrade.switch)
        return [ShownStep("switch", "Switch", "failed", upgrade.problem, seconds=seconds), back]
    switch = ShownStep("switch", "Switch", "waiting") if upgrade.switch is None else _of("switch", "Switch", upgrade.switch)
    if upgrade.status == Status.SWITCHING and switch.state != "running":  # the toolbox was away, and a repair takes over
        switch = ShownStep("switch", "Switch", "running", switch.detail, since=upgrade.switch.created_at if upgrade.switch else None)
    return [switch, ShownStep("ready", "Ready", "done" if upgrade.status == Status.DONE else "waiting")]


def _of(name: str, title: str, deployment: Deployment) -> ShownStep:
    state = {Deployment.Status.SUCCEEDED: "done", Deployment.Status.FAILED: "failed", Deployment.Status.SUPERSEDED: "failed"}
    detail = deployment.detail if deployment.status != Deployment.Status.SUPERSEDED else "ended"
    return ShownStep(
        name,
        title,
        state.get(Deployment.Status(deployment.status), "running"),
        detail,
        seconds=_seconds(deployment),
        since=deployment.created_at,
    )


def _seconds(deployment: Deployment | None) -> float | None:
    if deployment is None or deployment.finished_at is None:
        return None
    return (deployment.finished_at - deployment.created_at).total_seconds()
