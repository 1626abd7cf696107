"""What the model is told of a call: its result, or what went wrong and what to do about it.

A failure is a result too, whose text begins with "Error": models read it the same with every provider then.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

from pydantic_ai.messages import ToolReturn

from agents.toolsets.types import OfferedTool
from chat.context.own_tools import ALL
from chat.context.results import for_model
from chat.models import Step
from chat.running.storable import storable

type Answer = ToolReturn[Any]

FAILED = "Error: the tool reports that it failed."
LONGEST_SCHEMA = 6_000
NEAR = 5
MOST_NAMES = 30


def result(step: Step, whole: dict[str, Any], *notes: str, tokens: int) -> Answer:
    """The result of a call that was answered, at most about so many tokens of it. ``step.is_cut`` is set."""
    shortened = for_model(step, storable(whole), tokens=tokens)
    step.is_cut = shortened.is_cut
    content = shortened.content
    before = FAILED if step.status == Step.Status.FAILED else ""
    if isinstance(content, str):
        return ToolReturn(return_value=_lines(before, content, *notes))
    return ToolReturn(return_value=[*([before] if before else []), *content, *(note for note in notes if note)])


def own(result: dict[str, Any], *notes: str) -> Answer:
    """What one of Agentopia's own tools says; nobody else had a hand in it."""
    text = "\n".join(part["text"] for part in result["content"])
    return ToolReturn(return_value=_lines(f"Error: {text}" if result.get("isError") else text, *notes))


def failure(step: Step, *notes: str) -> Answer:
    """A call that has no result, as its step says."""
    return ToolReturn(return_value=_lines(f"Error: {step.error_message}", *notes))


def _lines(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


def again(step: Step, tokens: int) -> Answer:
    """What came of a call that had ended before this run was taken up, or taken over from another."""
    if step.result is None:
        return failure(step)
    is_own = not step.tool_name and step.name in ALL
    return own(step.result) if is_own else result(step, step.result, tokens=tokens)


def schema_of(tool: OfferedTool) -> str:
    """What the arguments of a tool should look like."""
    text = json.dumps(tool.input_schema, ensure_ascii=False, separators=(",", ":"))
    if len(text) > LONGEST_SCHEMA:
        properties = tool.input_schema.get("properties")
        names = ", ".join(properties) if isinstance(properties, dict) else "see its description"
        return f"The arguments of “{tool.name}” are: {names}; required: {', '.join(tool.input_schema.get('required') or ()) or 'none'}."
    return f"The JSON Schema of the arguments of “{tool.name}” is: {text}"


def near(name: str, names: Iterable[str]) -> str:
    """Which names were perhaps meant."""
    known = list(names)
    if not known:
        return "You have no tools in this conversation: answer without them."
    bare = name.rsplit("__", 1)[-1].lower()
    alike = [one for one in known if bare and (one.lower().endswith(bare) or one.lower().rsplit("__", 1)[-1] in name.lower())]
    alike += difflib.get_close_matches(name, known, n=NEAR, cutoff=0.5)
    if close := list(dict.fromkeys(alike))[:NEAR]:
        return f"Did you mean {' or '.join(f'“{one}”' for one in close)}? Call tools by their exact names."
    rest = " and others" if len(known) > MOST_NAMES else ""
    return f"Call one of these by its exact name: {', '.join(known[:MOST_NAMES])}{rest}."
