"""The images that the launcher itself needs: the Debian base and our Redis on it."""

import hashlib
import subprocess
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from deploy.debian import AptError, install_packages
from deploy.local.errors import LaunchError
from deploy.terminal import say

IMAGES = Path(__file__).resolve().parent.parent.parent / "images"
BASE = "debian:bookworm-slim"


def has_image(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def ensure_base(client: docker.DockerClient) -> None:
    """Debian's slim image: pulled, or made from this machine's own Debian mirror. Raises LaunchError."""
    if has_image(client, BASE):
        return
    say(f"Pulling {BASE}")
    try:
        client.images.pull(BASE)
    except (DockerException, RequestException):
        say(f"{BASE} cannot be pulled here: making it from this machine's Debian mirror (about a minute)")
        try:
            install_packages(["debootstrap"])
        except AptError as error:
            raise LaunchError(f"The image {BASE} can neither be pulled nor made here: {error}") from error
        made = subprocess.run([IMAGES / "debian" / "make-base.sh"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if made.returncode != 0:
            raise LaunchError(f"The image {BASE} could not be made: {made.stderr.strip()}") from None


def ensure_redis_image(client: docker.DockerClient) -> str:
    """The name of our Redis image, built where it is missing. Raises LaunchError."""
    folder = IMAGES / "redis"
    name = f"agentopia/redis:{hashlib.sha256((folder / 'Dockerfile').read_bytes()).hexdigest()[:12]}"
    if not has_image(client, name):
        ensure_base(client)
        say("Building the Redis image")
        try:
            client.images.build(path=str(folder), tag=name, rm=True, forcerm=True)
        except BuildError as error:
            raise LaunchError(f"The Redis image could not be built: {error}") from error
    return name
