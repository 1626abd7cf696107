"""What the client raises, and that it always ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from dtma_client import DtmaClient, DtmaFault, DtmaTimeout, DtmaUnreachable, Endpoint, McpError, transport
from dtma_client.exceptions import DtmaError, error_from
from dtma_wire import WIRE_VERSION, ErrorBody, ErrorCode, OciImage, ServerSpec, Since, toolbox_name
from tests.dtma.agent import deploy, free_port
from tests.dtma.authority import authority, control_plane

SPEC = ServerSpec(generation=1, name="x", source=OciImage(reference="x"))
type Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def client_of(answer: Answer) -> AsyncIterator[DtmaClient]:
    """A client of something that answers in a way that DTMA never should."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=authority().server([toolbox_name("t")]))
    port = server.sockets[0].getsockname()[1]
    async with server, DtmaClient(Endpoint(f"https://127.0.0.1:{port}", toolbox_name("t"), control_plane())) as client:
        yield client


def saying(head: str, body: bytes = b"", *, then_close: bool = True) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)
        await writer.drain()
        if not then_close:
            await reader.read()
        writer.close()

    return answer


async def test_nobody_listens() -> None:
    async with DtmaClient(Endpoint(f"https://127.0.0.1:{free_port()}", toolbox_name("t"), control_plane())) as client:
        with pytest.raises(DtmaUnreachable, match="cannot be reached") as raised:
            await client.info()
    assert raised.value.retryable


async def test_a_dtma_that_is_too_old_for_a_spec_is_not_asked() -> None:
    class Next(ServerSpec):
        priority: Annotated[int, Since(WIRE_VERSION + 1, "priorities")] = 0

    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
        asked.append(await reader.readexactly(length))
        writer.close()

    new = Next(generation=1, name="x", source=OciImage(reference="x"), priority=1)
    async with client_of(answer) as client:
        with pytest.raises(DtmaFault, match="too old for priorities: upgrade it") as raised:
            await anext(client.put_server("x", new))
        assert (raised.value.code, raised.value.retryable, asked) == ("dtma_too_old", False, [])
        with pytest.raises(DtmaUnreachable):
            await anext(client.put_server("x", new.model_copy(update={"priority": 0})))
    assert {ServerSpec.model_validate_json(body).name for body in asked} == {"x"}


async def test_a_stream_that_ends_too_early() -> None:
    step = b'{"type":"progress","step":"image","state":"running","at":"2026-01-01T00:00:00Z"}\n'
    async with client_of(saying("200 OK", step)) as client:
        with pytest.raises(DtmaUnreachable, match="before the server had settled"):
            await deploy(client, "x", SPEC)
    async with client_of(saying("200 OK", step[:20])) as client:
        with pytest.raises(DtmaUnreachable, match="middle of a line"):
            await deploy(client, "x", SPEC)


async def test_a_stream_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.2)
    async with client_of(saying("200 OK", b'{"type":"ping"}\n', then_close=False)) as client:
        with pytest.raises(DtmaTimeout):
            await deploy(client, "x", SPEC)


async def test_an_answer_that_is_not_understood() -> None:
    async with client_of(saying("200 OK", b"<html>")) as client:
        with pytest.raises(DtmaFault, match="not understood"):
            await client.info()
    async with client_of(saying("502 Bad Gateway", b"<html>")) as client:
        with pytest.raises(DtmaFault, match="HTTP 502") as raised:
            await client.info()
    assert raised.value.retryable


async def test_an_mcp_answer_that_is_broken_off() -> None:
    async with client_of(saying("200 OK\r\nContent-Type: text/event-stream", b": nothing\n\n")) as client:
        with pytest.raises(DtmaUnreachable, match="broke off"):
            await client.mcp("x").initialize()


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_becomes_an_exception_with_its_sentence(code: ErrorCode) -> None:
    error = error_from(400, ErrorBody(code=code, message="A sentence.", retryable=True).model_dump_json().encode())
    assert isinstance(error, DtmaError)
    assert (error.message, error.code.islower()) == ("A sentence.", True)


def test_every_exception_is_in_the_tree() -> None:
    documented = __import__("dtma_client.exceptions", fromlist=["x"]).__doc__ or ""
    for kind in (*DtmaError.__subclasses__(), McpError):
        assert kind.__name__ in documented
