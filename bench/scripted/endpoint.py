"""The model over HTTP, as OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bench.scripted.model import Scripted
from bench.scripted.turns import Turn

MODEL = "scripted-1"
CHUNK = 12  # characters of a streamed piece
STALL_SECONDS = 30
SLOW_SECONDS = 0.05


def usage_of(body: dict[str, Any], turn: Turn) -> dict[str, int]:
    """A quarter of the characters."""
    given = len(json.dumps(body.get("messages", []))) // 4 + len(json.dumps(body.get("tools", []))) // 4
    made = max(1, (len(turn.text) + sum(len(json.dumps(call.json())) for call in turn.calls)) // 4)
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def pieces_of(turn: Turn) -> list[dict[str, Any]]:
    """The deltas of an answer."""
    pieces: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    pieces += [{"content": turn.text[start : start + CHUNK]} for start in range(0, len(turn.text), CHUNK)]
    for index, call in enumerate(turn.calls):
        told = call.json()
        arguments = told["function"].pop("arguments")
        pieces.append({"tool_calls": [{"index": index, **told, "function": {"name": call.name, "arguments": ""}}]})
        pieces += [
            {"tool_calls": [{"index": index, "function": {"arguments": arguments[start : start + CHUNK]}}]}
            for start in range(0, len(arguments), CHUNK)
        ]
    return pieces


async def paced(turn: Turn) -> AsyncIterator[dict[str, Any]]:
    """The deltas, in the time that they take."""
    for piece in pieces_of(turn):
        if "slow" in turn.faults:
            await asyncio.sleep(SLOW_SECONDS)
        yield piece
    count, seconds = turn.beats or (0, 0)
    for _ in range(count):
        await asyncio.sleep(seconds)
        yield {"content": f"{time.monotonic():.6f} "}


class Stream:
    """The events of one answer."""

    def __init__(self, body: dict[str, Any], turn: Turn) -> None:
        self.body = body
        self.turn = turn
        self.base = {
            "id": "chatcmpl-" + uuid.uuid4().hex[:12], "object": "chat.completion.chunk",
            "created": int(time.time()), "model": body.get("model") or MODEL,
        }  # fmt: skip

    def event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
        return b"data: " + json.dumps({**self.base, "choices": choices}).encode() + b"\n\n"

    async def events(self) -> AsyncIterator[bytes]:
        """All of them. Raises ConnectionResetError where the stream is to break off."""
        faults = self.turn.faults
        cut = max(2, len(pieces_of(self.turn)) * 2 // 3) if "disconnect" in faults else None
        sent = 0
        async for piece in paced(self.turn):
            if sent == cut:
                raise ConnectionResetError("injected: disconnect mid-stream")
            if "keepalive" in faults:
                yield b": keep-alive\n\n"
            if "garbage_sse" in faults and sent == 1:
                yield b"data: {not json\n\n"
            yield self.event(piece)
            await asyncio.sleep(0)
            sent += 1
        async for event in self.ending():
            yield event

    async def ending(self) -> AsyncIterator[bytes]:
        faults = self.turn.faults
        yield self.event({}, "tool_calls" if self.turn.calls and "finish_stop" not in faults else "stop")
        if (self.body.get("stream_options") or {}).get("include_usage") and "no_usage" not in faults:
            yield b"data: " + json.dumps({**self.base, "choices": [], "usage": usage_of(self.body, self.turn)}).encode() + b"\n\n"
        if "no_done" not in faults:
            yield b"data: [DONE]\n\n"


def whole(body: dict[str, Any], turn: Turn) -> Response:
    """The answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.calls:
        message["tool_calls"] = [call.json() for call in turn.calls]
    finish = "tool_calls" if turn.calls and "finish_stop" not in turn.faults else "stop"
    return JSONResponse(
        {
            "id": "chatcmpl-" + uuid.uuid4().hex[:12],
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.get("model") or MODEL,
            "usage": usage_of(body, turn),
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        }
    )


def error(status: int, message: str, kind: str, **headers: str) -> Response:
    """An error as OpenAI tells it."""
    return JSONResponse({"error": {"message": message, "type": kind, "code": None, "param": None}}, status, headers)


class Endpoint:
    """The routes of one model; `faults` are those of requests that name none."""

    def __init__(self, tasks: list[dict[str, Any]], faults: str | None = None) -> None:
        self.model = Scripted(tasks)
        self.faults = os.environ.get("SCRIPTED_FAULTS", "") if faults is None else faults

    async def chat(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            return error(400, "the body is not JSON", "invalid_request_error")
        try:
            turn = self.model.turn(body, request.headers.get("x-scripted-faults", self.faults), request.headers.get("x-scripted-run", ""))
        except ValueError as problem:
            return error(400, str(problem), "invalid_request_error")
        if refused := _refused(turn.faults):
            return refused
        if "timeout" in turn.faults:
            await asyncio.sleep(STALL_SECONDS)
        if body.get("stream"):
            return StreamingResponse(Stream(body, turn).events(), media_type="text/event-stream", headers={"cache-control": "no-store"})
        if "disconnect" in turn.faults:
            return error(502, "injected: upstream closed", "server_error")
        return whole(body, turn)

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "scripted"}]})

    async def health(self, _: Request) -> Response:
        return JSONResponse({"ok": True, "tasks": len(self.model.tasks)})

    async def log(self, _: Request) -> Response:
        return JSONResponse({"requests": self.model.log, "searches": self.model.searches})

    async def reset(self, _: Request) -> Response:
        self.model.reset()
        return JSONResponse({"ok": True})

    async def put_tasks(self, request: Request) -> Response:
        self.model.load(await request.json())
        return JSONResponse({"tasks": len(self.model.tasks)})

    async def put_faults(self, request: Request) -> Response:
        self.faults = str((await request.json())["faults"])
        return JSONResponse({"faults": self.faults})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/health", self.health),
                Route("/__scripted/log", self.log),
                Route("/__scripted/reset", self.reset, methods=["POST"]),
                Route("/__scripted/tasks", self.put_tasks, methods=["PUT"]),
                Route("/__scripted/faults", self.put_faults, methods=["PUT"]),
            ]
        )


def _refused(faults: set[str]) -> Response | None:
    if "http_429" in faults:
        return error(429, "injected: rate limited", "rate_limit_error", **{"retry-after": "0.2"})
    for status in (500, 503, 400):
        if f"http_{status}" in faults:
            return error(status, "injected", "server_error" if status != 400 else "invalid_request_error")
    return None
