"""Tasks as the model plays them, and the small language of their computed values (``{"$py": expression}``).

Expressions are evaluated as Python: load only files of tasks that you trust.
"""

from __future__ import annotations

import ast
import builtins
import functools
import json
import math
import re
import types
import warnings
from dataclasses import dataclass, field
from typing import Any

WRONG = (ArithmeticError, AttributeError, LookupError, NameError, SyntaxError, TypeError, ValueError)
"""What an expression may raise where a result is not what it was."""


def rows(text: str) -> list[dict[str, Any]]:
    """The rows that mcp-server-sqlite prints, Python literals."""
    found: list[dict[str, Any]] = ast.literal_eval(text.strip())
    return found


def find(pattern: str, text: str, group: int = 1) -> str:
    """A group of the first match. Raises ValueError where there is none."""
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if not match:
        raise ValueError(f"{pattern!r} not found in the tool result")
    return str(match[group])


NAMES = """int float str len sum min max sorted list dict set tuple zip range round any all enumerate map filter reversed abs bool
repr isinstance"""
ENV: dict[str, Any] = {
    "re": re,
    "json": json,
    "rows": rows,
    "find": find,
    "findall": re.findall,
    "math": math,
    "__builtins__": {name: getattr(builtins, name) for name in NAMES.split()},
}


@functools.cache
def compiled(expression: str) -> types.CodeType:
    """The expression. What Python thinks of backslashes in texts that are no raw ones is nobody's concern here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return compile(expression, "<task>", "eval")


def compute(value: Any, names: dict[str, Any]) -> Any:
    """The value with ``{root}`` filled in and expressions evaluated. Raises any of `WRONG`."""
    if isinstance(value, dict):
        if set(value) == {"$py"}:
            return eval(compiled(value["$py"]), {**ENV, **names})  # noqa: S307 (files of tasks are trusted)
        return {key: compute(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [compute(each, names) for each in value]
    return value.replace("{root}", names["root"]) if isinstance(value, str) else value


@dataclass
class Task:
    """What is to be done, and the calls that do it."""

    id: str
    prompt: str
    gold_calls: list[dict[str, Any]]
    answer: Any = "Done."
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        first, *others = [re.escape(part) for part in " ".join(self.prompt.split()).split("{root}")]
        text = first
        for number, part in enumerate(others):
            text += (r"(?P=root)" if number else r"(?P<root>/[^\s'\"`]*?)") + part
        self.pattern = re.compile(text, re.DOTALL)

    @property
    def steps(self) -> list[list[dict[str, Any]]]:
        """Its calls, those of one step together."""
        groups: dict[int, list[dict[str, Any]]] = {}
        for number, call in enumerate(self.gold_calls):
            groups.setdefault(call.get("step", number), []).append(call)
        return list(groups.values())
