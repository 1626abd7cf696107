"""Taking away what only one test could use, so that the engine that all share does not fill up."""

from __future__ import annotations

import contextlib

from docker import DockerClient
from docker.errors import NotFound

from dtma.labels import LABEL_BASE, LABEL_SERVER, LABEL_SOURCE


def remove_servers(engine: DockerClient, mark: str) -> None:
    """Remove the containers of servers whose ids begin with ``mark``, and the images of packages that have it in their description."""
    for container in engine.containers.list(all=True, filters={"label": LABEL_SERVER}, ignore_removed=True):
        if container.labels[LABEL_SERVER].startswith(mark):
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
    _remove(engine, LABEL_SOURCE, mark)


def remove_bases(engine: DockerClient, below: str) -> None:
    """Remove the images that stand on one, by its id."""
    _remove(engine, LABEL_BASE, below)


def _remove(engine: DockerClient, label: str, mark: str) -> None:
    for image in engine.images.list(filters={"label": label}):
        if mark in image.labels[label]:
            with contextlib.suppress(NotFound):
                engine.images.remove(str(image.id), force=True)
