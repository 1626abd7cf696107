"""What can be away on demand: Redis, behind a proxy that is cut, and the database, which lets nobody in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql


class Wire:
    """The way to Redis: ``url`` leads through here, while it is not cut."""

    def __init__(self) -> None:
        self.url = ""
        self.redis = urlsplit(settings.ENVIRONMENT.redis_url)
        self.is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Break every connection, and let no other through."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def end(self) -> None:
        """Cut it for good."""
        self.cut()
        await asyncio.gather(*self._serving)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what comes over a connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        onward = await asyncio.open_connection(self.redis.hostname, self.redis.port)
        self._open |= {writer, onward[1]}
        try:
            await asyncio.gather(_pump(reader, onward[1]), _pump(onward[0], writer))
        finally:
            for one in (writer, onward[1]):
                one.transport.abort()
                self._open.discard(one)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    """A way to Redis that can be cut."""
    made = Wire()
    server = await asyncio.start_server(made.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made.url = urlunsplit(made.redis._replace(netloc=f":{made.redis.password}@127.0.0.1:{port}"))
    try:
        yield made
    finally:
        server.close()
        await made.end()


@contextmanager
def database_away() -> Iterator[None]:
    """Within this nobody gets into the tests' database."""
    name = connection.settings_dict["NAME"]
    parameters = {**connection.get_connection_params(), "dbname": "postgres"}
    known = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if parameters.get(key)}
    with psycopg.connect(**known, autocommit=True) as outside:
        let_in = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        outside.execute(let_in.format(sql.Identifier(name), sql.SQL("false")))
        outside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            outside.execute(let_in.format(sql.Identifier(name), sql.SQL("true")))
