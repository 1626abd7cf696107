"""An answer that only says what comes next. Small models, and hurried ones, announce a call and end there: they are told, once in a run, to
go on. Of what is asked again in vain no harm is done, so a few words of a few languages do.
"""

from __future__ import annotations

import re

from pydantic_ai.messages import ModelMessage, ModelResponse

LONGEST = 300
"""In characters: who says more has said something."""
GO_ON = "You said what you would do, and ended without doing it. Do it now with your tools. If there is nothing to do, give the answer."
_ANNOUNCED = re.compile(
    r"\b(?:i(?:['’]ll| will|['’]m going to| am going to)|let(?:['’]s| me)(?! know)|(?:one|just a) moment|hold on"
    r"|ich (?:werde|schaue|sehe|prüfe)|lass mich|einen moment|je vais|laissez-moi|laisse-moi|un instant|voy a|déjame|un momento)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?:…])\s+")


def only_announces(text: str, messages: list[ModelMessage]) -> bool:
    """Whether an answer announces what nothing in the run's messages does."""
    last = _SENTENCES.split(text.strip())[-1]
    if len(text) > LONGEST or last.endswith("?") or not _ANNOUNCED.search(last):
        return False
    return not any(message.tool_calls for message in messages if isinstance(message, ModelResponse))
