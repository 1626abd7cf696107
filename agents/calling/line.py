"""A connection to Redis for what every call of the gateway does twice: some commands in one writing, and their answers.

The library's way (a pool, streams, a limit for each step, a retry around it all) costs three times as much as what is done here, where no
task is begun and nothing is waited for but the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import hiredis
from django.conf import settings
from redis.asyncio import ConnectionPool, SSLConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TookTooLong

from agents.calling.redis import ANSWER_SECONDS

type Command = tuple[Any, ...]
type Outcome = list[Any] | Exception
"""The answers to some commands, or one of what `agents.calling.redis.AWAY` says."""
type Told = Callable[[Outcome], None]


class Line:
    """One connection, made when it is needed, over which one exchange at a time goes."""

    def __init__(self) -> None:
        self._link: _Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None

    def ask(self, commands: Sequence[Command], told: Told) -> None:
        """Send these; ``told`` is called with what comes of it. Where there is no answer, they may have been done all the same."""
        self._limit = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._end, told, TookTooLong("Redis did not answer in time."))
        if self._link is None:
            self._connecting = asyncio.create_task(self._connect(commands, told))
        else:
            self._link.ask(commands, partial(self._answered, commands, told))

    def close(self) -> None:
        """Hang up, in the middle of an exchange too; the next one connects again."""
        if self._limit is not None:
            self._limit.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.hang_up()

    async def _connect(self, commands: Sequence[Command], told: Told) -> None:
        known: Any = ConnectionPool.from_url(settings.ENVIRONMENT.redis_url).make_connection()  # type: ignore[no-untyped-call]
        tls = known.ssl_context.get() if isinstance(known, SSLConnection) else None
        try:
            _, link = await asyncio.get_running_loop().create_connection(_Link, known.host, known.port, ssl=tls)
        except OSError as error:
            self._end(told, error)
            return
        login: list[Command] = [("SELECT", known.db)]
        if known.password:
            login.insert(0, ("AUTH", *([known.username] if known.username else []), known.password))
        self._link = link
        link.ask([*login, *commands], lambda said: self._end(told, said if isinstance(said, Exception) else said[len(login) :]))

    def _answered(self, commands: Sequence[Command], told: Told, outcome: Outcome) -> None:
        if isinstance(outcome, Disconnected):  # it may have been a connection of before Redis was started anew
            self._link = None
            self._connecting = asyncio.create_task(self._connect(commands, told))
        else:
            self._end(told, outcome)

    def _end(self, told: Told, outcome: Outcome) -> None:
        if isinstance(outcome, Exception):  # what is still to come would be taken for the answer to the next
            self.close()
        elif self._limit is not None:
            self._limit.cancel()
        told(outcome)


class _Link(asyncio.Protocol):
    """A connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._answers: list[Any] = []
        self._wanted = 0
        self._told: Told | None = None

    def ask(self, commands: Sequence[Command], told: Told) -> None:
        """Send these."""
        self._told, self._wanted = told, len(commands)
        if self._transport is None or self._transport.is_closing():
            self._tell(Disconnected("Redis has hung up."))
        else:
            self._transport.write(b"".join([hiredis.pack_command(command) for command in commands]))

    def hang_up(self) -> None:
        """Nothing more is told."""
        self._told = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Something of the answers."""
        if self._told is None:  # nothing was asked
            self.hang_up()
            return
        try:
            self._reader.feed(data)
            while len(self._answers) < self._wanted:
                answer = self._reader.gets()
                if answer is False:
                    return
                self._answers.append(answer)
        except hiredis.HiredisError as error:
            self._tell(RedisError(f"What answers is not Redis: {error}"))
            return
        refused = next((answer for answer in self._answers if isinstance(answer, hiredis.ReplyError)), None)
        self._tell(self._answers if refused is None else RedisError(str(refused)))

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._tell(Disconnected("Redis has hung up."))

    def _tell(self, outcome: Outcome) -> None:
        told, self._told, self._answers, self._wanted = self._told, None, [], 0
        if told is not None:
            told(outcome)
