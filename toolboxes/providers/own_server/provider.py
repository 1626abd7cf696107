"""The provider “your own server”."""

from __future__ import annotations

from toolboxes.models import Toolbox
from toolboxes.providers.base import Fact, Provider, Step
from toolboxes.providers.own_server import steps


class OwnServer(Provider):
    """Any machine that can reach the control plane, and that the control plane can reach."""

    key = "own_server"
    label = "Your own server"
    description = "A server, a virtual machine or a computer at home that you have already. You paste one command into its terminal."
    icon = "server"
    takes = "A few minutes; Debian 12 or 13, Ubuntu 22.04 or 24.04"
    submit = "Make the install command"
    needs_command = True

    @property
    def create_steps(self) -> tuple[Step, ...]:
        return steps.CREATE

    @property
    def remove_steps(self) -> tuple[Step, ...]:
        return steps.REMOVE

    def removal(self, toolbox: Toolbox) -> str:
        return (
            "All of its servers and their data are deleted. The machine itself stays as it is: "
            "to take DTMA off it, run sudo agentopia-dtma uninstall there."
        )

    def facts(self, toolbox: Toolbox) -> list[Fact]:
        return [Fact("Machine", "a server of your own")]


OWN_SERVER = OwnServer()
