"""Runs our Redis container for as long as this process lives: `redis_container FOLDER PORT`, started by supervisord.

The container comes back when it dies and when the engine was restarted; a signal stops and removes it.
"""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException
from tenacity import RetryCallState, retry, retry_if_exception_type, wait_fixed

from deploy.local.engine import connect
from deploy.local.home import Home
from deploy.local.images import ensure_redis_image
from deploy.local.redis import container_user
from deploy.terminal import say

LABEL = "io.agentopia.redis"
STOP_SECONDS = 10


def container_name(folder: Path) -> str:
    return f"agentopia-redis-{Home(folder.parent).key}"


def remove_container(client: docker.DockerClient, folder: Path) -> None:
    """Stop and remove the container of this folder, if there is one; stopping lets Redis write what it holds."""
    try:
        container = client.containers.get(container_name(folder))
        container.stop(timeout=STOP_SECONDS)
        container.remove(force=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # someone else is removing it
            raise


def start_container(client: docker.DockerClient, folder: Path, port: int) -> Container:
    user, group = container_user()
    return client.containers.run(
        ensure_redis_image(client),
        name=container_name(folder),
        labels={LABEL: Home(folder.parent).key},
        user=f"{user}:{group}",
        ports={"6379/tcp": ("127.0.0.1", port)},
        volumes={str(folder): {"bind": "/data", "mode": "rw"}},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        pids_limit=64,
        mem_limit="1g",
        detach=True,
    )


def say_why(attempt: RetryCallState) -> None:
    say(f"Trying again in a second: {attempt.outcome.exception() if attempt.outcome else 'no outcome'}")


@retry(retry=retry_if_exception_type((DockerException, RequestException)), wait=wait_fixed(1), before_sleep=say_why)
def hold(folder: Path, port: int) -> None:
    """Run the container until it ends; wait for the engine as long as it is away."""
    client = connect()
    try:
        remove_container(client, folder)
        container = start_container(client, folder, port)
        say(f"Redis runs in the container {container.name} on 127.0.0.1:{port}")
        for line in container.logs(stream=True, follow=True):
            sys.stdout.write(line.decode(errors="replace"))
            sys.stdout.flush()
        container.wait()
    finally:
        client.close()


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    options = parser.parse_args()

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        hold(options.folder, options.port)
        sys.exit(1)  # supervisord starts it again
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            remove_container(connect(), options.folder)
        except (DockerException, RequestException) as error:
            say(f"The container {container_name(options.folder)} could not be removed: {error}")


if __name__ == "__main__":
    main()
