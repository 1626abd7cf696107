"""A container that runs for as long as this process does: it comes back when it dies and when the engine was restarted, and a signal stops
and removes it. supervisord, which starts such processes, knows nothing of containers.
"""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException
from tenacity import RetryCallState, retry, retry_if_exception_type, wait_fixed

from deploy.local.engine import connect
from deploy.terminal import say

STOP_SECONDS = 10

type Start = Callable[[docker.DockerClient], Container]


def remove_container(client: docker.DockerClient, name: str) -> None:
    """Stop and remove it, if it is there; stopping lets it write what it holds."""
    try:
        container = client.containers.get(name)
        container.stop(timeout=STOP_SECONDS)
        container.remove(force=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # someone else is removing it
            raise


def say_why(attempt: RetryCallState) -> None:
    say(f"Trying again in a second: {attempt.outcome.exception() if attempt.outcome else 'no outcome'}")


@retry(retry=retry_if_exception_type((DockerException, RequestException)), wait=wait_fixed(1), before_sleep=say_why)
def hold(name: str, start: Start) -> None:
    """Run the container until it ends; wait for the engine as long as it is away."""
    client = connect()
    try:
        remove_container(client, name)
        container = start(client)
        for line in container.logs(stream=True, follow=True):
            sys.stdout.write(line.decode(errors="replace"))
            sys.stdout.flush()
        container.wait()
    finally:
        client.close()


def hold_until_told(name: str, start: Start) -> NoReturn:
    """Run it until SIGTERM; where it ends by itself, end with an error, so that supervisord starts it again."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        hold(name, start)
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            remove_container(connect(), name)
        except (DockerException, RequestException) as error:
            say(f"The container {name} could not be removed: {error}")
