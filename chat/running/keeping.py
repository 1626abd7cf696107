"""What a run has so far, as pydantic-ai's messages: as rows have it, and as the model is given it.

The messages of the run are saved when the model has asked for calls, before they are made, and when all calls of that round have ended;
what came of the calls in between stands in their steps. So whoever takes the run up goes on from the last thing that was finished.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, ModelResponse, ToolCallPart

from chat.running.storable import storable


def loaded(rows: list[Any]) -> list[ModelMessage]:
    """The messages of `Run.messages`."""
    return ModelMessagesTypeAdapter.validate_python(rows) if rows else []


def stored(messages: list[ModelMessage]) -> list[Any]:
    """As `Run.messages` has them. The instructions are given anew with each request, so they are not kept with each."""
    plain = [replace(message, instructions=None) if isinstance(message, ModelRequest) else message for message in messages]
    rows: list[Any] = storable(ModelMessagesTypeAdapter.dump_python(plain, mode="json"))
    return rows


def rounds_of(messages: list[ModelMessage]) -> int:
    """How many answers of the model there are."""
    return sum(1 for message in messages if isinstance(message, ModelResponse))


def text_of(messages: list[ModelMessage]) -> str:
    """What the model wrote last."""
    for message in reversed(messages):
        if isinstance(message, ModelResponse) and message.text:
            return message.text
    return ""


def calls_of(response: ModelResponse) -> list[ToolCallPart]:
    """The calls that it asks for, each with an id of its own: models give two calls the same one, or none."""
    seen: set[str] = set()
    for part in response.tool_calls:
        if not part.tool_call_id or part.tool_call_id in seen or len(part.tool_call_id) > LONGEST_ID:
            part.tool_call_id = f"call_{uuid4().hex}"
        seen.add(part.tool_call_id)
    return list(response.tool_calls)


LONGEST_ID = 200
