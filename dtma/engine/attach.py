"""The one owner of a container's attach stream: it always reads, cuts the output into lines, and writes whole messages."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
from aiodocker.stream import Stream

from dtma.errors import EngineUnavailable

type Receiver = Callable[[list[bytes]], None]
"""Takes whole lines."""

STDOUT = 1
MAX_LINE_BYTES = 64 * 1024 * 1024
"""An MCP message is one line. What is longer is given on in pieces, which are then no messages."""
MAX_TEXT_BYTES = 64 * 1024


class Lines:
    """Cuts a byte stream into lines; a message of many megabytes arrives in thousands of pieces."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that this piece completes, without their ends."""
        first, *others = data.split(b"\n")
        self._pieces.append(first)
        self._size += len(first)
        lines = []
        if others:
            lines = [self._take(), *others[:-1]]
            self._pieces, self._size = [others[-1]], len(others[-1])
        if self._size > self._longest:
            lines.append(self._take())
        return lines

    def rest(self) -> bytes:
        """What came after the last line end."""
        return self._take()

    def _take(self) -> bytes:
        line = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return line


class Attach:
    """Give it an open stream and two functions for whole lines; ``read`` then runs until the stream ends."""

    def __init__(self, stream: Stream, on_stdout: Receiver, on_stderr: Receiver, *, messages: bool) -> None:
        self._stream = stream
        self._on_stdout = on_stdout
        self._on_stderr = on_stderr
        self._stdout = Lines(MAX_LINE_BYTES if messages else MAX_TEXT_BYTES)
        self._stderr = Lines(MAX_TEXT_BYTES)

    async def read(self) -> None:
        """Read until the container ends or the engine goes away."""
        try:
            while (frame := await self._stream.read_out()) is not None:
                if frame.stream == STDOUT:
                    self._pass(self._on_stdout, self._stdout.feed(frame.data))
                else:
                    self._pass(self._on_stderr, self._stderr.feed(frame.data))
        except (aiohttp.ClientError, OSError):
            pass  # the engine went away in the middle: the same end
        finally:
            self._pass(self._on_stdout, [self._stdout.rest()])
            self._pass(self._on_stderr, [self._stderr.rest()])

    async def write(self, data: bytes) -> None:
        """Write to the container's standard input; waits while the container does not read."""
        try:
            await self._stream.write_in(data)
        except (aiohttp.ClientError, OSError, RuntimeError, AssertionError) as error:
            # aiodocker asserts a connection that the engine may have closed a moment ago.
            raise EngineUnavailable("the stream to the container is closed") from error

    async def close(self) -> None:
        """Let go of the container, which runs on."""
        try:
            await self._stream.close()
        except (aiohttp.ClientError, OSError, AssertionError):
            return

    @staticmethod
    def _pass(receiver: Receiver, lines: list[bytes]) -> None:
        kept = [line for line in (line.rstrip(b"\r") for line in lines) if line]
        if kept:
            receiver(kept)
