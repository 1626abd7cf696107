"""Networks of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

import aiodocker
from aiodocker.networks import DockerNetwork

from dtma.engine.failures import EngineRefused, failures


class Networks:
    """What DTMA does with networks."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def ensure(self, body: dict[str, Any], subnets: Iterable[IPv4Network]) -> str:
        """Create a network unless it exists, in the place of one that has its name and is another; returns its address on the host.

        Raises ``EngineRefused`` where none of the ``subnets`` is free.
        """
        with failures():
            for found in await self._named(body["Name"]):
                if _is_as(found, body):
                    return _gateway(found)
                await self._network(found["Id"]).delete()
        refusal: EngineRefused | None = None
        for subnet in subnets:
            gateway = str(subnet[1])
            try:
                with failures():
                    await self._docker.networks.create({**body, "IPAM": {"Config": [{"Subnet": str(subnet), "Gateway": gateway}]}})
            except EngineRefused as overlap:
                if "overlap" not in str(overlap):
                    raise
                refusal = overlap
            else:
                return gateway
        raise refusal or EngineRefused(409, "there is no subnet for it")

    async def gateway(self, body: dict[str, Any]) -> str | None:
        """The address on the host of a network, None if there is none that is just so."""
        with failures():
            return next((_gateway(found) for found in await self._named(body["Name"]) if _is_as(found, body)), None)

    async def remove(self, label: str) -> None:
        """Remove the networks with this label."""
        with failures():
            for item in await self._docker.networks.list(filters={"label": label}):
                await self._network(item["Id"]).delete()

    async def _named(self, name: str) -> list[dict[str, Any]]:
        return [item for item in await self._docker.networks.list(filters={"name": name}) if item["Name"] == name]

    def _network(self, network_id: str) -> DockerNetwork:
        return DockerNetwork(self._docker, network_id)


def _is_as(found: dict[str, Any], body: dict[str, Any]) -> bool:
    return all(found[name] == body[name] for name in ("Driver", "Internal", "EnableIPv6", "Options", "Labels"))


def _gateway(network: dict[str, Any]) -> str:
    return str(network["IPAM"]["Config"][0]["Gateway"])
