"""NDJSON answers that stay open: a ping on every quiet stretch, so that a broken connection is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import StreamingResponse

PING_SECONDS = 5.0
PING = b'{"type":"ping"}\n'


def ndjson(lines: AsyncGenerator[bytes]) -> StreamingResponse:
    """An answer out of whole lines."""
    return StreamingResponse(_with_pings(lines), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


async def _with_pings(lines: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    waiting = asyncio.ensure_future(anext(lines, None))
    try:
        while True:
            await asyncio.wait({waiting}, timeout=PING_SECONDS)
            if not waiting.done():
                yield PING
                continue
            line = waiting.result()
            if line is None:
                return
            yield line
            waiting = asyncio.ensure_future(anext(lines, None))
    finally:
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})
        await lines.aclose()
