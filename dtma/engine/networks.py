"""Networks of the engine."""

from __future__ import annotations

from typing import Any

import aiodocker
from aiodocker.networks import DockerNetwork

from dtma.engine.failures import failures


class Networks:
    """What DTMA does with networks."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def ensure(self, body: dict[str, Any]) -> None:
        """Create a network unless there is one of its name with the same reach."""
        with failures():
            found = [item for item in await self._docker.networks.list(filters={"name": body["Name"]}) if item["Name"] == body["Name"]]
            if found and found[0]["Internal"] == body["Internal"]:
                return
            if found:
                await self._network(found[0]["Id"]).delete()
            await self._docker.networks.create(body)

    async def remove(self, label: str) -> None:
        """Remove the networks with this label."""
        with failures():
            for item in await self._docker.networks.list(filters={"label": label}):
                await self._network(item["Id"]).delete()

    def _network(self, network_id: str) -> DockerNetwork:
        return DockerNetwork(self._docker, network_id)
