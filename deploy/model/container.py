"""Runs the embedded model's container for as long as this process lives: `deploy.model.container FOLDER PORT`, started by supervisord.

Nothing leads out of its network: without masquerading no answer finds its way back. Its port is published on loopback alone.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import NoReturn

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from deploy.local.held import hold_until_told
from deploy.local.home import Home
from deploy.model import parts
from deploy.model.installed import Installed, file_of
from deploy.terminal import say

LABEL = "io.agentopia.model"
INSIDE = 8080
MEMORY = "4g"
LESS_THAN_OTHERS = 256
"""Of the processors, where they are not enough: everything else goes first (1024 is what others have)."""
NO_WAY_OUT = {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def ensure_network(client: docker.DockerClient, name: str) -> str:
    try:
        client.networks.get(name)
    except NotFound:
        client.networks.create(name, driver="bridge", options=NO_WAY_OUT, labels={LABEL: name})
    return name


def start(client: docker.DockerClient, *, folder: Path, port: int, name: str) -> Container:
    """Start it. Raises docker's errors, an `ImageNotFound` where the image was removed."""
    installed = Installed.of(folder)
    assert installed is not None  # else nobody starts this
    container = client.containers.run(
        installed.image,
        ["/usr/local/bin/node", "/srv/server.mjs"],
        name=name,
        labels={LABEL: name},
        user="10001:10001",
        environment={"MODEL": "/model.gguf", "NAME": parts.NAME, "PORT": str(INSIDE), "THREADS": str(max(1, (os.cpu_count() or 1) // 2))},
        volumes={
            str(file_of(folder)): {"bind": "/model.gguf", "mode": "ro"},
            str(parts.SERVER): {"bind": "/srv", "mode": "ro"},
        },
        ports={f"{INSIDE}/tcp": ("127.0.0.1", port)},
        network=ensure_network(client, name),
        tmpfs={"/tmp": "size=64m"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        pids_limit=64,
        mem_limit=MEMORY,
        cpu_shares=LESS_THAN_OTHERS,
        detach=True,
    )
    say(f"The embedded model starts in the container {name}, on 127.0.0.1:{port}")
    return container


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    name = f"agentopia-model-{Home(options.folder.parent).key}"
    hold_until_told(name, partial(start, folder=options.folder, port=options.port, name=name))


if __name__ == "__main__":
    main()
