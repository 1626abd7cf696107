"""`make run`: the whole of Agentopia on this machine, until Ctrl-C or SIGTERM."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from deploy.local.engine import connect, ensure_engine
from deploy.local.errors import LaunchError
from deploy.local.home import Home, open_home
from deploy.local.images import ensure_base
from deploy.local.processes import ROOT, Processes, Program, supervised
from deploy.local.redis import free_port, is_free
from deploy.local.services import Services, ensure_services
from deploy.model.installed import Installed, folder_of
from deploy.terminal import say

READY_SECONDS = 120
TOOLBOX_LABEL = "io.agentopia.toolbox"


def requested_port() -> int:
    """PORT, checked. Raises LaunchError."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise LaunchError(f"PORT is {text!r}: give a number between 1 and 65535, such as PORT=8001.")
    return int(text)


def check_port(port: int) -> None:
    """Raises LaunchError where the web server could not listen."""
    try:
        free = is_free(port)
    except OSError as error:
        raise LaunchError(f"Port {port} cannot be used ({error.strerror}): choose another one, such as PORT=8001 make run.") from error
    if not free:
        raise LaunchError(f"Port {port} is in use by another program: stop that one, or choose another port with PORT={port + 1} make run.")


def application_programs(home: Home, port: int) -> list[Program]:
    """What runs on top of PostgreSQL and Redis; started only once the database is up to date."""
    python = sys.executable
    http = ["--http", "lean_http.joining:JoiningProtocol", "--no-proxy-headers"]
    web = ["uvicorn", "agentopia.asgi:application", "--host", "127.0.0.1", "--port", str(port), *http]
    alone = ["--without-mingle", "--without-gossip"]  # one worker has no neighbours to wait for
    celery = ["celery", "--app", "agentopia", "worker", "--pool", "threads", "--loglevel", "INFO", *alone]
    worker = [*celery, "--concurrency", "16"]
    runner = [*celery, "--concurrency", "64", "--queues", "runs", "--hostname", "runner@%h"]
    beat = ["celery", "--app", "agentopia", "beat", "--schedule", str(home.path / "celerybeat-schedule"), "--pidfile="]
    return [
        Program("intake", [python, "-m", "agentopia.intake"], autostart=False, at_once=True),
        Program(
            "web",
            [python, "-m", *web, "--ws", "websockets", "--lifespan", "on", "--no-access-log", "--timeout-graceful-shutdown", "5"],
            autostart=False,
            at_once=True,
        ),
        Program("worker", [python, "-m", *worker], autostart=False, at_once=True),
        Program("runner", [python, "-m", *runner], autostart=False, at_once=True),
        Program("beat", [python, "-m", *beat], autostart=False, at_once=True),
        Program("dtma", [python, "-m", "dtma", "--home", str(home.dtma)], stop_seconds=30, autostart=False),
    ]


def prepare(home: Home, environment: dict[str, str]) -> None:
    """Migrations, catalogue, demo user, enrolment; what they print is for the person. Raises LaunchError."""
    log = home.log / "prepare.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "deploy.local.prepare"]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stderr=output)
    if done.returncode != 0:
        lines = log.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise LaunchError(f"Preparing the database failed: {lines[-1]} (more in {log})")


class NotReadyError(Exception):
    """What does not answer yet."""


def check_health(home: Home, url: str) -> None:
    """Raises NotReadyError until web, worker, database, Redis and this machine's toolbox all answer."""
    try:
        # The database may remember a heartbeat from just before a restart; only the port tells that DTMA runs now.
        socket.create_connection(("127.0.0.1", dtma_config(home)["port"]), timeout=5).close()
    except OSError as error:
        raise NotReadyError(f"dtma: {error}") from error
    try:
        with urllib.request.urlopen(f"{url}/healthz?full=1", timeout=10):  # noqa: S310 (our own loopback address)
            return
    except urllib.error.HTTPError as error:
        with error:  # 503 says in its body what does not answer; anything else is a page for people
            reason = error.read().decode(errors="replace") if error.code == HTTPStatus.SERVICE_UNAVAILABLE else error.reason
        raise NotReadyError(f"web answers {error.code}: {reason}") from error
    except OSError as error:
        raise NotReadyError(f"web: {error}") from error


def wait_until_ready(processes: Processes, programs: list[Program], url: str) -> None:
    """Raises LaunchError where something does not come up."""

    def attempt() -> None:
        processes.check(program.name for program in programs)
        check_health(processes.home, url)

    try:
        Retrying(retry=retry_if_exception_type(NotReadyError), stop=stop_after_delay(READY_SECONDS), wait=wait_fixed(0.2))(attempt)
    except RetryError as error:
        reason = error.last_attempt.exception()
        raise LaunchError(f"Agentopia was not ready within {READY_SECONDS} s ({reason}): see the logs in {processes.home.log}.") from error


def dtma_config(home: Home) -> dict[str, Any]:
    """What this machine's DTMA was told at its enrolment. Raises FileNotFoundError before that."""
    config: dict[str, Any] = json.loads((home.dtma / "config.json").read_text())
    return config


def stop_servers(home: Home) -> None:
    """Stop the MCP servers of this machine's toolbox, all at once; DTMA brings back on the next start what shall run."""

    def stop(container: Container) -> None:
        with contextlib.suppress(NotFound):
            container.stop(timeout=3)

    try:
        toolbox = dtma_config(home)["toolbox"]
        with contextlib.closing(connect()) as client, ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(stop, client.containers.list(filters={"label": f"{TOOLBOX_LABEL}={toolbox}"})))
    except FileNotFoundError:  # no toolbox yet
        return
    except (DockerException, RequestException) as error:
        say(f"Docker does not answer, so the MCP servers' containers were not stopped: {error}")


def model_programs(home: Home, state: dict[str, Any], environment: dict[str, str]) -> list[Program]:
    """The embedded model, where `make model` has installed it: its address goes into `environment`, and its port is noted in `state`."""
    folder = folder_of(home.path)
    if Installed.of(folder) is None or os.environ.get("EMBEDDED_MODEL_URL"):
        return []
    port = state.get("model_port")
    state["model_port"] = port = port if port and is_free(port) else free_port()
    environment["EMBEDDED_MODEL_URL"] = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, "-m", "deploy.model.container", str(folder), str(port)]
    return [Program("model", command, stop_seconds=30, autostart=False, at_once=True)]


def serve(home: Home, services: Services, state: dict[str, Any], port: int, url: str) -> NoReturn:
    """Run everything until supervisord ends, which is an error, or a signal ends this process. Raises LaunchError."""
    environment = {"AGENTOPIA_HOME": str(home.path), "PORT": str(port), "DJANGO_SETTINGS_MODULE": "agentopia.settings"}
    applications, extras = application_programs(home, port), model_programs(home, state, environment)
    home.write_state({**state, "port": port})
    with supervised(home, [*services.programs, *applications, *extras], environment) as processes:
        if services.programs:
            say(f"Starting {' and '.join(program.name for program in services.programs)}")
        services.wait(processes)
        say("Preparing the database and the catalogue")
        prepare(home, environment)
        say("Starting the web server, the intake, the workers, the scheduler and this machine's toolbox")
        processes.start(program.name for program in [*applications, *extras])  # what is extra is not waited for
        wait_until_ready(processes, applications, url)
        say(f"Agentopia is ready at {url}")
        processes.daemon.wait()
        raise LaunchError(f"The process runner ended unexpectedly: see {home.log}/supervisord.log.")


def run() -> None:
    """Raises LaunchError; ends with SystemExit on a signal."""
    port = requested_port()
    url = f"http://127.0.0.1:{port}"
    home = open_home(Path(os.environ.get("AGENTOPIA_HOME") or ROOT / "var"))
    with home.locked(url):
        os.umask(0o077)
        check_port(port)
        client = ensure_engine()
        state: dict[str, Any] = home.read_state()
        services = ensure_services(home, state, client)
        try:
            ensure_base(client)
        except LaunchError as error:  # servers from images that exist already can be deployed all the same
            say(f"MCP servers from npm and PyPI cannot be built yet: {error}")
        client.close()
        try:
            serve(home, services, state, port, url)
        finally:
            stop_servers(home)


def end_on_signals() -> None:
    """Turn the first signal into SystemExit; a second one must not interrupt the stopping."""
    seen: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if not seen:
            seen.append(number)
            raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def main() -> None:
    end_on_signals()
    try:
        run()
    except LaunchError as error:
        sys.exit(f"Agentopia cannot run: {error}")


if __name__ == "__main__":
    main()
