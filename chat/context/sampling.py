"""A server's request for a word of the agent's model (MCP sampling/createMessage), within limits.

The model is given what the server sends and nothing else: no tools, nothing of the conversation. So a server learns nothing by it that it
did not say itself; what it costs is counted to the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_ai import direct
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserContent, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from agentopia.lib.errors import AgentopiaError, InvalidInput
from chat.context.media import Takes, content_of, decoded, takes_of
from chat.context.tokens import of_text

logger = logging.getLogger(__name__)

MOST_OF_A_RUN = 20
MOST_TOKENS = 2_000
"""Of an answer, whatever the server asks for."""
MOST_GIVEN = 16_000
"""Tokens of what the server sends; and no more than half of the model's window."""
MOST_MESSAGES = 50
SECONDS = 90.0
OPENING = "A program that the user runs asks you something. Answer it. You have no tools, and know nothing of the user.\n\n"

_REASONS = {"stop": "endTurn", "length": "maxTokens"}


@dataclass(frozen=True, slots=True)
class Sampled:
    """``result`` is a ``CreateMessageResult``; ``usage`` is what it took of the model."""

    result: dict[str, Any]
    usage: RequestUsage


class Sampler:
    """Answers what servers ask in the course of one run: one question at a time, and so many in all."""

    def __init__(self, window: int, most: int = MOST_OF_A_RUN) -> None:
        self._most_given = min(MOST_GIVEN, window // 2)
        self._most, self._count = most, 0
        self._turn = asyncio.Lock()

    async def answer(self, params: dict[str, Any], model: Model, name: str) -> Sampled:
        """Ask the model, which its provider calls ``name``. Raises `AgentopiaError` in words for the server."""
        if self._count >= self._most:
            raise AgentopiaError(f"In one run a server may ask {self._most} times.", code="sampling_limit")
        self._count += 1
        messages = messages_of(params, takes_of(model))
        if (given := sum(of_text(text) for text in _said(messages))) > self._most_given:
            raise InvalidInput(f"That is too much for the model: about {given:,} tokens, where {self._most_given:,} are allowed.")
        async with self._turn:
            response = await _asked(model, messages, _tokens(params.get("maxTokens")))
        text = response.text or ""
        result = {
            "role": "assistant",
            "content": {"type": "text", "text": text},
            "model": response.model_name or name,
            "stopReason": _REASONS.get(response.finish_reason or "stop", "endTurn"),
        }
        return Sampled(result, response.usage)


def messages_of(params: dict[str, Any], takes: Takes) -> list[ModelMessage]:
    """What the server sends, as messages. Raises `InvalidInput`."""
    given = params.get("messages")
    if not isinstance(given, list) or not 0 < len(given) <= MOST_MESSAGES:
        raise InvalidInput(f"There must be 1 to {MOST_MESSAGES} messages.")
    if params.get("tools"):
        raise InvalidInput("Tools are not offered here.")
    messages: list[ModelMessage] = []
    for message in given:
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        blocks = content if isinstance(content, list) else [content]
        if role == "user":
            messages.append(ModelRequest(parts=[UserPromptPart([_content(block, takes) for block in blocks])]))
        elif role == "assistant":
            messages.append(ModelResponse(parts=[TextPart(str(_content(block, Takes(images=False)))) for block in blocks]))
        else:
            raise InvalidInput("A message is of the user or of the assistant.")
    if not isinstance(messages[-1], ModelRequest):
        raise InvalidInput("The last message must be the user's.")
    system = params.get("systemPrompt")
    messages[-1].instructions = OPENING + (system if isinstance(system, str) else "")
    return messages


def _content(block: Any, takes: Takes) -> UserContent:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        return str(block.get("text", ""))
    if kind in ("image", "audio") and (data := decoded(block.get("data"))) is not None:
        return content_of(data, str(block.get("mimeType") or ""), takes)
    raise InvalidInput("The content of a message is text, an image or audio.")


async def _asked(model: Model, messages: list[ModelMessage], tokens: int) -> ModelResponse:
    try:
        async with asyncio.timeout(SECONDS):
            return await direct.model_request(model, messages, model_settings=ModelSettings(max_tokens=tokens))
    except (AgentRunError, UserError, TimeoutError, OSError) as error:
        logger.info("The model did not answer a server's question: %s", type(error).__name__)
        raise AgentopiaError("The model did not answer.", code="model_failed") from error


def _tokens(wanted: Any) -> int:
    return max(1, min(int(wanted), MOST_TOKENS)) if isinstance(wanted, int | float) and not isinstance(wanted, bool) else MOST_TOKENS


def _said(messages: list[ModelMessage]) -> Iterator[str]:
    for message in messages:
        if isinstance(message, ModelRequest):
            yield message.instructions or ""
            prompts = [part.content for part in message.parts if isinstance(part, UserPromptPart)]
            yield from (
                item for content in prompts for item in ([content] if isinstance(content, str) else content) if isinstance(item, str)
            )
        else:
            yield message.text or ""
