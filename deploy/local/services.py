"""PostgreSQL and Redis: those that DATABASE_URL and REDIS_URL name, else ours."""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import docker
import psycopg
import redis
from redis.exceptions import RedisError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from deploy.local.errors import LaunchError
from deploy.local.home import Home
from deploy.local.images import ensure_redis_image
from deploy.local.postgres import Cluster, ensure_cluster
from deploy.local.processes import Processes, Program
from deploy.local.redis import RedisServer, ensure_redis

READY_SECONDS = 60


@dataclass(frozen=True)
class Services:
    """The two engines that everything else stands on. `cluster` and `server` are None where they are not ours."""

    database_url: str
    redis_url: str
    cluster: Cluster | None
    server: RedisServer | None

    @property
    def programs(self) -> list[Program]:
        ours = []
        if self.cluster:  # INT is PostgreSQL's fast shutdown: clients are sent away, everything is written
            ours.append(Program("postgres", self.cluster.command, user=self.cluster.user, stop_signal="INT", stop_seconds=30))
        if self.server:
            ours.append(Program("redis", self.server.command, stop_seconds=30))
        return ours

    def wait(self, processes: Processes) -> None:
        """Wait until both answer. Raises LaunchError."""
        if self.cluster:
            wait_for("postgres", self.cluster.create_database, psycopg.OperationalError, processes)
        if self.server:
            wait_for("redis", lambda: ping_redis(self.redis_url), RedisError, processes)


def wait_for(program: str, answers: Callable[[], object], failure: type[Exception], processes: Processes) -> None:
    """Try `answers` until it raises nothing. Raises LaunchError once the program gave up or time is over."""

    def attempt() -> None:
        processes.check([program])
        answers()

    try:
        Retrying(retry=retry_if_exception_type(failure), stop=stop_after_delay(READY_SECONDS), wait=wait_fixed(0.1))(attempt)
    except RetryError as error:
        raise LaunchError(f"{program} does not answer after {READY_SECONDS} s: {processes.last_lines(program)}") from error


def ping_redis(url: str) -> None:
    with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
        client.ping()


def told(error: Exception, url: str) -> str:
    """An engine's own message on one line, without the password that the URL holds."""
    text = " ".join(str(error).split())
    password = re.match(r"\w+://[^/@]*:([^@/]+)@", url)
    return text.replace(password[1], "***") if password else text


def check_database(url: str) -> None:
    """Raises LaunchError where DATABASE_URL does not lead to a PostgreSQL."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except (psycopg.Error, UnicodeError) as error:
        raise LaunchError(f"DATABASE_URL does not lead to a PostgreSQL that lets us in: {told(error, url)}") from error


def check_redis(url: str) -> None:
    """Raises LaunchError where REDIS_URL does not lead to a Redis."""
    try:
        ping_redis(url)
    except (RedisError, ValueError) as error:
        raise LaunchError(f"REDIS_URL does not lead to a Redis that lets us in: {told(error, url)}") from error


def ensure_services(home: Home, state: dict[str, Any], client: docker.DockerClient, *, durable: bool = True) -> Services:
    """Make both ready to be started, or check those that the environment names, and note them in `state`. Raises LaunchError.

    Of one that is not ``durable``, what was written last may be gone, and all of it broken, after a crash of the machine.
    """
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    cluster = server = None
    if database_url:
        check_database(database_url)
    else:
        cluster = replace(ensure_cluster(home), durable=durable)
        database_url = cluster.url()
    if redis_url:
        check_redis(redis_url)
    else:
        server = ensure_redis(home, state.get("redis_port"), state.get("redis_password"))
        if server.program is None:
            ensure_redis_image(client)
        redis_url = server.url
        state.update(redis_port=server.port, redis_password=server.password)
    state.update(database_url=database_url, redis_url=redis_url)
    state["secret_key"] = os.environ.get("SECRET_KEY") or state.get("secret_key") or secrets.token_urlsafe(50)
    return Services(database_url, redis_url, cluster, server)
