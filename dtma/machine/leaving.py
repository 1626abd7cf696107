"""Everything goes again: the service, what DTMA has on the engine and in the firewall, its home and its releases. Docker stays."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from dtma.builds import Ledger
from dtma.builds.recipes import OURS
from dtma.config import Config, ConfigError, load_config
from dtma.engine import Engine, EngineRefused
from dtma.isolation import secret_files
from dtma.isolation.firewall import Firewall, Unguarded
from dtma.labels import LABEL_BASE, LABEL_SOURCE, LABEL_TOOLBOX
from dtma.machine.places import COMMAND, HOME, PROGRAMS, Problem, alone
from dtma.machine.services import service


async def leave(*, keep_volumes: bool) -> None:
    """Remove DTMA from this machine. What was interrupted goes on with the next call. Raises `Problem` and ``EngineUnavailable``."""
    with alone():
        config = _config()
        if config is not None:
            await _check_engine(config)
        service().remove()
        if config is not None:
            await _clear_engine(config, keep_volumes=keep_volumes)
            await _clear_firewall(config.toolbox)
            secret_files.remove_all(config.toolbox)
        _remove_files()
    print(f"DTMA is gone from this machine{', the volumes of its servers are kept' if keep_volumes else ''}. Docker stays.")


def _config() -> Config | None:
    """None for a machine that never became a toolbox: then there is nothing of it on the engine."""
    if not (HOME / "config.json").exists():
        return None
    try:
        return load_config(HOME)
    except ConfigError as error:
        raise Problem(f"{error} Without it nobody knows which containers are this toolbox's. Mend it, or remove {HOME}.") from error


async def _check_engine(config: Config) -> None:
    engine = Engine(config.engine_url)
    try:
        if not await engine.answers():
            raise Problem("Docker does not answer, so this toolbox's containers cannot be removed. Start Docker and run this again.")
    finally:
        await engine.close()


async def _clear_engine(config: Config, *, keep_volumes: bool) -> None:
    label = f"{LABEL_TOOLBOX}={config.toolbox}"
    engine = Engine(config.engine_url)
    try:
        containers = await engine.containers.matching(label)
        await asyncio.gather(*(engine.containers.remove(container["Id"]) for container in containers))
        await engine.networks.remove(label)
        if not keep_volumes:
            await engine.volumes.remove(label)
        await _clear_images(engine)
    finally:
        await engine.close()


async def _clear_images(engine: Engine) -> None:
    """Those that DTMA built or pulled; one that somebody else's container uses stays."""
    ledger = Ledger(HOME)
    for image in await engine.images.all():
        known = ledger.known(image.id)
        names = [tag for tag in image.tags if OURS.fullmatch(tag) or tag in known.pulled]
        names += [digest for digest in image.digests if digest in known.pulled]
        if not names and not image.tags and not image.digests and (known.built or {LABEL_SOURCE, LABEL_BASE} & image.labels.keys()):
            names = [image.id]
        for name in names:
            try:
                await engine.images.remove(name)
            except EngineRefused as refusal:
                print(f"The image {name} stays: {refusal}")


async def _clear_firewall(toolbox: str) -> None:
    try:
        await Firewall(toolbox, lambda: ()).apply()
    except Unguarded as problem:
        raise Problem(f"The firewall still holds rules of this toolbox: {problem}") from problem


def _remove_files() -> None:
    """Releases last: this runs from one."""
    COMMAND.unlink(missing_ok=True)
    for folder in (HOME, PROGRAMS):
        if folder.exists():
            shutil.rmtree(folder)
        _remove_empty(folder.parent)


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
