"""A run that has ended as messages, such as any provider takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from pydantic import ValidationError
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from chat.context.marking import enveloped, opened, taken_apart
from chat.context.media import tokens_of
from chat.context.shortening import shortened_text
from chat.context.tokens import OF_MESSAGE, of_json, of_text
from chat.models import Run

OLD_RESULT_TOKENS = 400
SHORT_TOKENS = 1_500
"""Of a message, and of an answer, of a run in short."""
KEPT_OF_REQUESTS = (UserPromptPart, ToolReturnPart, RetryPromptPart)


def turn_of(run: Run, *, is_old: bool) -> list[ModelMessage]:
    """All of it: every call answered, nothing that belongs to one provider alone. In an old one results
    are shortened, and files said in words.
    """
    try:
        messages = ModelMessagesTypeAdapter.validate_python(run.messages or [])
    except ValidationError:  # of another version of the library
        messages = []
    messages = [message for message in (_plain(message, is_old=is_old) for message in messages) if message.parts]
    if not messages or not isinstance(messages[0], ModelRequest):
        return in_short(run)
    messages = _answered(messages)
    if isinstance(messages[-1], ModelRequest):
        messages.append(ModelResponse(parts=[TextPart(_ending(run))]))
    return messages


def in_short(run: Run) -> list[ModelMessage]:
    """The message and the answer."""
    asked, answered = shortened_text(run.text, SHORT_TOKENS), shortened_text(run.answer, SHORT_TOKENS)
    return [ModelRequest(parts=[UserPromptPart(asked)]), ModelResponse(parts=[TextPart(answered or _ending(run))])]


def tokens(messages: Iterable[ModelMessage]) -> int:
    """Of messages."""
    return sum(OF_MESSAGE + sum(map(_of_part, message.parts)) for message in messages)


def _ending(run: Run) -> str:
    if run.status == Run.Status.CANCELLED:
        return "(The user stopped this before it was answered.)"
    return f"(This was not answered: {run.error_message or 'the run failed.'})"


def _plain(message: ModelMessage, *, is_old: bool) -> ModelMessage:
    if isinstance(message, ModelRequest):
        parts = [_request_part(part, is_old=is_old) for part in message.parts if isinstance(part, KEPT_OF_REQUESTS)]
        return ModelRequest(parts=parts, timestamp=message.timestamp)
    kept = [part for part in message.parts if isinstance(part, TextPart | ToolCallPart)]
    return ModelResponse(parts=[_response_part(part) for part in kept], model_name=message.model_name, timestamp=message.timestamp)


def _request_part(part: ModelRequestPart, *, is_old: bool) -> ModelRequestPart:
    if not is_old:
        return part
    if isinstance(part, UserPromptPart) and not isinstance(part.content, str):
        return replace(part, content=[_in_words(content) for content in part.content])
    if isinstance(part, ToolReturnPart):
        return replace(part, content=_old_result(part.content))
    return part


def _response_part(part: ModelResponsePart) -> ModelResponsePart:
    """Without what its provider added: the thoughts that it belongs to are left out, and another provider knows nothing of it."""
    if isinstance(part, TextPart):
        return TextPart(part.content)
    if isinstance(part, ToolCallPart):
        return ToolCallPart(part.tool_name, cast(Any, part.args), part.tool_call_id)
    return part


def _in_words(content: UserContent) -> UserContent:
    return f"[a file of the type {content.media_type}, given then]" if isinstance(content, BinaryContent) else content


def _old_result(content: Any) -> Any:
    if isinstance(content, list):
        words = [_in_words(item) for item in content]
        return "\n".join(_old_text(word) if isinstance(word, str) else str(word) for word in words)
    return _old_text(content) if isinstance(content, str) else content


def _old_text(text: str) -> str:
    """Shortened within its marks, which stay."""
    if of_text(text) <= OLD_RESULT_TOKENS:
        return text
    if (whole := opened(text)) is not None:
        content, source, note = whole
        return enveloped(shortened_text(content, OLD_RESULT_TOKENS), source, note)
    apart = taken_apart(text)
    if apart is None:
        return shortened_text(text, OLD_RESULT_TOKENS)
    before, inner, after = apart
    return before + shortened_text(inner, OLD_RESULT_TOKENS) + after


def _answered(messages: list[ModelMessage]) -> list[ModelMessage]:
    """With an answer for each call, and no answer without one: a run that ended in the middle has such, and providers refuse them."""
    found: list[ModelMessage] = []
    waiting: dict[str, ToolCallPart] = {}
    for message in messages:
        if isinstance(message, ModelResponse):
            if waiting:
                found.append(ModelRequest(parts=_interrupted(waiting)))
            waiting = {part.tool_call_id: part for part in message.parts if isinstance(part, ToolCallPart)}
            found.append(message)
            continue
        parts: list[ModelRequestPart] = []
        for part in message.parts:
            answered = _answers(part)
            if answered is None or waiting.pop(answered, None) is not None:
                parts.append(part)
        parts = _interrupted(waiting) + parts
        waiting = {}
        if parts:
            found.append(replace(message, parts=parts))
    if waiting:
        found.append(ModelRequest(parts=_interrupted(waiting)))
    return found


def _answers(part: ModelRequestPart) -> str | None:
    """The id of the call that it answers."""
    if isinstance(part, ToolReturnPart) or (isinstance(part, RetryPromptPart) and part.tool_name is not None):
        return part.tool_call_id
    return None


def _interrupted(calls: dict[str, ToolCallPart]) -> list[ModelRequestPart]:
    text = "The run ended before this call did: nobody knows whether it had its effect."
    return [ToolReturnPart(call.tool_name, text, call.tool_call_id, outcome="interrupted") for call in calls.values()]


def _of_part(part: ModelRequestPart | ModelResponsePart) -> int:
    if isinstance(part, ToolCallPart):
        return OF_MESSAGE + of_text(part.tool_name) + (of_text(part.args) if isinstance(part.args, str) else of_json(part.args))
    content = getattr(part, "content", "")
    return OF_MESSAGE + sum(_of_content(item) for item in (content if isinstance(content, list | tuple) else [content]))


def _of_content(content: Any) -> int:
    if isinstance(content, BinaryContent):
        return tokens_of(content)
    if isinstance(content, str):
        return of_text(content)
    return of_text(str(content))
