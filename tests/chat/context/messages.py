"""Messages of runs, as they are kept."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)


def kept(*messages: ModelMessage) -> Any:
    """As `Run.messages` has them."""
    return ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")


def asked(text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)], instructions="Of that day.")


def called(*ids: str, name: str = "files__read_file") -> ModelResponse:
    thought = ThinkingPart("hm", id="th_1", signature="sig", provider_name="openai")
    calls = [ToolCallPart(name, {"path": "/a"}, each, id=f"fc_{each}", provider_name="openai") for each in ids]
    return ModelResponse(parts=[thought, *calls], provider_name="openai", provider_response_id="resp_1")


def returned(content: Any, call: str, name: str = "files__read_file") -> ModelRequest:
    return ModelRequest(parts=[ToolReturnPart(name, content, call)])


def said(text: str) -> ModelResponse:
    return ModelResponse(parts=[TextPart(text, id="msg_1", provider_name="openai")])


def a_turn(text: str, result: str = "contents", answer: str = "Done.") -> Any:
    """A message, a call, its result and the answer."""
    return kept(asked(text), called("c1"), returned(result, "c1"), said(answer))


def words(messages: list[ModelMessage]) -> list[str]:
    """All that is said in them, part by part."""
    return [str(getattr(part, "content", getattr(part, "tool_name", ""))) for message in messages for part in message.parts]
