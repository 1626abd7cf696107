"""The machine's Docker engine: used where it answers, started where it is installed, installed where that is allowed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from deploy.debian import AptError, as_root, install_packages
from deploy.local.errors import LaunchError
from deploy.terminal import say

DEFAULT_HOST = "unix:///var/run/docker.sock"
START_SECONDS = 60
DOCKERD_LOG = "/var/log/dockerd.log"
# A dockerd that was killed leaves its pid file, and a new one refuses to start where that number is another process's by now.
START_DOCKERD = f"""
pid=$(cat /var/run/docker.pid 2>/dev/null)
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && ! grep -q '^State:.Z' "/proc/$pid/status" || rm -f /var/run/docker.pid
setsid dockerd </dev/null >>{DOCKERD_LOG} 2>&1 &
"""
INSTALL = "Docker is missing and cannot be installed here: install Docker Engine (docs.docker.com/engine/install) and run this again."


def connect() -> docker.DockerClient:
    """A client of the engine that answers now. Raises DockerException or RequestException."""
    client = docker.from_env(timeout=60)
    client.ping()
    return client


def is_permission_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, PermissionError) or "Permission denied" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def use_current_context() -> None:
    """Point DOCKER_HOST where the docker client's own context points (Docker Desktop, Colima), as the SDK does not look there."""
    if os.environ.get("DOCKER_HOST") or not shutil.which("docker"):
        return
    shown = subprocess.run(["docker", "context", "inspect"], capture_output=True, text=True)
    if shown.returncode == 0:
        host = json.loads(shown.stdout)[0]["Endpoints"]["docker"]["Host"]
        if host.startswith("unix://") and host != DEFAULT_HOST:
            os.environ["DOCKER_HOST"] = host


def start_engine() -> None:
    """Start the installed dockerd as the machine's own: it is not ours to stop. Raises LaunchError."""
    if Path("/run/systemd/system").is_dir():
        command, how = ["systemctl", "start", "docker"], "systemctl"
    else:
        command, how = ["sh", "-c", START_DOCKERD], f"dockerd, log in {DOCKERD_LOG}"
    privileged = as_root(command)
    if privileged is None:
        raise LaunchError("Docker is installed but does not run: start it with `sudo systemctl start docker` and run this again.")
    say(f"Starting the machine's Docker engine ({how}); it stays up when Agentopia stops")
    started = subprocess.run(
        privileged, capture_output=True, text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    )
    if started.returncode != 0:
        raise LaunchError(f"Docker could not be started: {started.stderr.strip()}")


def ensure_engine() -> docker.DockerClient:
    """A client of this machine's Docker engine, after starting or installing it where needed. Raises LaunchError."""
    use_current_context()
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        raise LaunchError(f"DOCKER_HOST is {host}, which is not this machine's engine: unset it and run this again.")
    try:
        return connect()
    except (DockerException, RequestException) as error:
        if is_permission_error(error):
            raise LaunchError(
                "Docker runs, but this user may not use it: run `sudo usermod -aG docker $USER`, sign in again and run this again."
            ) from error
        if host:
            raise LaunchError(f"The Docker engine at {host} does not answer: start it, or choose another one with DOCKER_HOST.") from error
    if not shutil.which("dockerd", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        try:
            # Newer releases ship the client and BuildKit's front end apart from the engine.
            install_packages(["docker.io", "iptables"], where_available=["docker-cli", "docker-buildx"])
        except AptError as error:
            raise LaunchError(f"{INSTALL} ({error})") from error
    return wait_for_engine()


def wait_for_engine() -> docker.DockerClient:
    """Start the engine unless its package has done so, and wait until it answers. Raises LaunchError."""
    answering = retry_if_exception_type((DockerException, RequestException))
    try:
        return connect()
    except (DockerException, RequestException) as error:
        if is_permission_error(error):
            raise LaunchError("Docker is installed: run `sudo usermod -aG docker $USER`, sign in again and run this again.") from error
        start_engine()
    try:
        return Retrying(retry=answering, stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.25))(connect)
    except RetryError as error:
        last = error.last_attempt.exception()
        if is_permission_error(last):
            raise LaunchError("Docker is started: run `sudo usermod -aG docker $USER`, sign in again and run this again.") from error
        raise LaunchError(
            f"Docker did not answer within {START_SECONDS} s ({last}): see {DOCKERD_LOG} or `journalctl -u docker`."
        ) from error
