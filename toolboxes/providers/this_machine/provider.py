"""The provider “this machine”."""

from __future__ import annotations

from accounts.models import User
from toolboxes.models import Toolbox
from toolboxes.providers.base import Fact, Missing, Provider, Step
from toolboxes.providers.this_machine import steps


class ThisMachine(Provider):
    """What `make run` uses: DTMA runs beside the control plane, on the same Docker engine."""

    key = "this_machine"
    label = "This machine"
    description = "The machine that Agentopia itself runs on."
    icon = "monitor"
    takes = "Added by make run, by itself"

    @property
    def create_steps(self) -> tuple[Step, ...]:
        return steps.CREATE

    @property
    def remove_steps(self) -> tuple[Step, ...]:
        return steps.REMOVE

    def missing(self, user: User) -> Missing:
        return Missing("The start of make run adds the machine that it runs on to the demo account. It cannot be added here.")

    def removal(self, toolbox: Toolbox) -> str:
        return "All of its servers and their data are deleted. The machine itself stays as it is; the next make run adds it again."

    def upgrade_command(self, toolbox: Toolbox) -> str:
        return "make run"

    def facts(self, toolbox: Toolbox) -> list[Fact]:
        return [Fact("Machine", "the one that Agentopia runs on")]


THIS_MACHINE = ThisMachine()
