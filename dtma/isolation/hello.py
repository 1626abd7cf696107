"""The server name in a TLS ClientHello (RFC 8446, section 4.1.2; RFC 6066, section 3), read without answering it.

Every function works on what has arrived so far: a ClientHello with keys for post-quantum exchange comes in several segments, and may
be spread over several records.
"""

from __future__ import annotations

from dataclasses import dataclass

HANDSHAKE = 22
CLIENT_HELLO = 1
SERVER_NAME = 0
LARGEST_RECORD = 2**14 + 256
MOST_BYTES = 16 * 1024
"""Of a ClientHello: with every extension known it has about 2 KB."""


class NotTls(Exception):
    """These bytes are no TLS, or no ClientHello that can be understood."""


@dataclass(frozen=True)
class Hello:
    """``name`` is lower case, without a dot at the end; None where the client names no server."""

    name: str | None


def begins_like_tls(start: bytes) -> bool:
    """Whether a stream that begins so may be TLS, judged by its first two bytes; False for nothing at all."""
    return start[:1] == bytes([HANDSHAKE]) and start[1:2] in (b"", b"\x03")


def parse(stream: bytes) -> Hello | None:
    """The ClientHello at the start of a stream; None while more of it must arrive. Raises ``NotTls``."""
    message = _handshake(stream)
    if message[:1] not in (b"", bytes([CLIENT_HELLO])):
        raise NotTls
    whole = 4 + int.from_bytes(message[1:4])
    if whole > MOST_BYTES:
        raise NotTls
    return Hello(_server_name(message[4:whole])) if len(message) >= max(whole, 4) else None


def _handshake(stream: bytes) -> bytes:
    """What the records carry, the unfinished last one's part included. A record has type, version, length and content."""
    message = b""
    while stream:
        if not begins_like_tls(stream):
            raise NotTls
        length = int.from_bytes(stream[3:5])
        if len(stream) >= 5 and not 0 < length <= LARGEST_RECORD:
            raise NotTls
        message += stream[5 : 5 + length]
        stream = stream[5 + length :]
        if message[:1] == bytes([CLIENT_HELLO]) and len(message) >= 4 + int.from_bytes(message[1:4]) and len(message) >= 4:
            break  # what follows may be early data
    return message


class _Cursor:
    """Takes pieces off the front; raises ``NotTls`` where there is too little."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._content) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise NotTls
        self._at += size
        return self._content[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Cursor:
        """What is preceded by its length in ``size`` bytes."""
        return _Cursor(self.take(self.number(size)))


def _server_name(body: bytes) -> str | None:
    cursor = _Cursor(body)
    cursor.take(2 + 32)  # version and random
    cursor.vector(1)  # session id
    cursor.vector(2)  # cipher suites
    cursor.vector(1)  # compression methods
    if not cursor.left:
        return None
    extensions = cursor.vector(2)
    found: str | None = None
    while extensions.left:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind != SERVER_NAME:
            continue
        if found is not None:  # a server might take the other one
            raise NotTls
        found = _host_name(content.vector(2))
    return found


def _host_name(names: _Cursor) -> str:
    kind, name = names.number(1), names.vector(2)
    if kind != 0 or names.left:
        raise NotTls
    try:
        return name.take(name.left).decode("ascii").lower().removesuffix(".")
    except UnicodeDecodeError:
        raise NotTls from None
