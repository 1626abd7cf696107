"""Event streams as they come from servers: cut anywhere, with any of the three ends of a line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.bodies import Shape
from gateway.events import blocks_of, parts_of

STREAM = b': a comment\n\nid: 7\nevent: message\ndata: {"a":1}\n\ndata:two\ndata: lines\n\nevent: nothing\n\n'
PARTS = [(b"", b""), (b"7", b'{"a":1}'), (b"", b"two\nlines"), (b"", b"")]


class Coming:
    """An answer whose body comes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def parts_in(*pieces: bytes) -> list[tuple[bytes, bytes]]:
    return [parts_of(block) async for block in blocks_of(Coming(*pieces))]  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_blocks_are_whole_wherever_they_are_cut(end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    for cut in range(1, len(stream)):
        assert await parts_in(stream[:cut], stream[cut:]) == PARTS, cut
    assert await parts_in(*(bytes([letter]) for letter in stream)) == PARTS
    assert await parts_in(stream + b"data: broken o") == PARTS


@pytest.mark.parametrize(
    "response",
    [
        b'{"jsonrpc":"2.0","id":7,"result":{"a": [1]}}',
        b'{"result":{"a": [1]},"jsonrpc":"2.0","id":7}',
        b'{"jsonrpc": "2.0", "id": 7, "result": {"a": [1]}}',
    ],
)
def test_a_result_is_found_without_parsing(response: bytes) -> None:
    assert Shape(7).result_in(response) == b'{"a": [1]}'
    assert Shape(8).result_in(response) is None
