"""Everything outside its containers that a server needs to run in: its network and its guard, its volumes, its secret files."""

from __future__ import annotations

import asyncio
import logging

from pydantic import SecretStr

from dtma.engine import Image
from dtma.errors import Failure
from dtma.isolation import secret_files
from dtma.isolation.container import (
    USER_ID,
    needs_network,
    network_body,
    secret_volume_body,
    secret_volume_name,
    subnets,
    volume_body,
    volume_name,
)
from dtma.isolation.firewall import Unguarded
from dtma.isolation.tally import Remark
from dtma.labels import LABEL_SERVER, LABEL_TOOLBOX
from dtma.services import Services
from dtma.store import Record, Volumes
from dtma_wire import ServerSpec, Volume

logger = logging.getLogger(__name__)


class Surroundings:
    """Those of one server. What is done here can be repeated after a crash of DTMA at any point."""

    def __init__(self, services: Services, record: Record) -> None:
        self._services = services
        self._id = record.id
        self._spec = record.spec
        self._toolbox = services.config.toolbox

    async def prepare(self, image: Image, remark: Remark) -> None:
        """Everything, before the first container is made. None may be there. Raises ``Failure`` and ``EngineRefused``."""
        if needs_network(self._spec):
            body = network_body(self._id, self._spec, toolbox=self._toolbox)
            gateway = await self._services.engine.networks.ensure(body, subnets(self._id))
            try:
                await self._services.guard.protect(self._id, self._spec, gateway, remark)
            except Unguarded as problem:
                raise Failure(str(problem)) from problem
        else:
            await self._release_network()
        await self._make_volumes(image)
        if self._spec.secret_files:
            directory = await asyncio.to_thread(secret_files.write, self._toolbox, self._id, self._spec.secret_files, USER_ID)
            await self._services.engine.volumes.bind(secret_volume_body(self._id, directory, toolbox=self._toolbox))

    async def take_over(self, remark: Remark) -> bool:
        """Guard a container that runs already, for a new DTMA; False where that cannot be done and the container must go."""
        if not needs_network(self._spec):
            return True
        gateway = await self._services.engine.networks.gateway(network_body(self._id, self._spec, toolbox=self._toolbox))
        if gateway is None:
            return False
        try:
            await self._services.guard.protect(self._id, self._spec, gateway, remark)
        except Unguarded as problem:
            logger.error("server %s: %s", self._id, problem)
            return False
        return True

    async def after_containers(self) -> None:
        """The containers are gone, and their secret files with them."""
        await asyncio.to_thread(secret_files.remove, self._toolbox, self._id)
        await self._services.engine.volumes.discard(secret_volume_name(self._id))

    async def remove(self, volumes: Volumes) -> None:
        """Everything, after the last container; volumes only if told so, and shared ones only with the last server that names them."""
        await self._release_network()
        if volumes == "keep":
            return
        gone = await self._services.engine.volumes.remove(f"{LABEL_SERVER}={self._id}")
        for name in self._shared_by_nobody_else():
            if await self._services.engine.volumes.discard(name, unless_used=True):
                gone.add(name)
        for name in gone:
            self._services.home.forget_volume(name)

    async def _release_network(self) -> None:
        await self._services.engine.networks.remove(f"{LABEL_SERVER}={self._id}")
        try:
            await self._services.guard.release(self._id)
        except Unguarded as problem:  # its bridge is gone, so no rule is missed
            logger.warning("server %s: its rules are still in the firewall: %s", self._id, problem)

    async def _make_volumes(self, image: Image) -> None:
        """Volumes that the server can write to. DTMA remembers which are, since making one is two steps."""
        home, engine = self._services.home, self._services.engine
        existing = await engine.volumes.matching(f"{LABEL_TOOLBOX}={self._toolbox}") if self._spec.volumes else set()
        for volume in self._spec.volumes:
            body = volume_body(self._id, volume, toolbox=self._toolbox)
            if body["Name"] not in existing or not home.has_volume(body["Name"]):
                await engine.volumes.create(body, image.id, USER_ID)
                home.add_volume(body["Name"])

    def _shared_by_nobody_else(self) -> set[str]:
        others = [record for record in self._services.home.records() if record.id != self._id and record.deleting != "remove"]
        kept = {self._shared_name(volume) for record in others for volume in record.spec.volumes if volume.shared}
        return {self._shared_name(volume) for volume in self._spec.volumes if volume.shared} - kept

    def _shared_name(self, volume: Volume) -> str:
        return volume_name(self._id, volume, toolbox=self._toolbox)


def all_secrets(spec: ServerSpec) -> dict[str, SecretStr]:
    """What must never be seen, by the name that stands for it: of variables and of files."""
    return {**{file.name: file.content for file in spec.secret_files}, **spec.secrets}
