"""Files of tasks: JSON lists of ``{id, prompt, servers, setup, gold_calls, answer, verify}``.

Load only files that you trust: they hold code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = "/data/work"
"""What ``{root}`` stands for: a folder of the volume that the tasks' servers share, as they see it."""


@dataclass(frozen=True)
class Task:
    """One task. `document` is the whole of it, as the scripted model plays it."""

    id: str
    prompt: str
    servers: tuple[str, ...]
    setup: dict[str, Any]
    verify: tuple[str, ...]
    document: dict[str, Any]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Task:
        """Raises KeyError where something is missing."""
        return cls(
            document["id"],
            document["prompt"],
            tuple(document["servers"]),
            document.get("setup") or {},
            tuple(document["verify"]),
            document,
        )

    @property
    def question(self) -> str:
        """The prompt with the folder in it."""
        return self.prompt.replace("{root}", ROOT)

    @property
    def gold(self) -> list[dict[str, Any]]:
        """The calls that do it, as a competent model would make them."""
        calls: list[dict[str, Any]] = self.document.get("gold_calls") or []
        return calls


def load(paths: Sequence[Path], only: Sequence[str] = ()) -> list[Task]:
    """The tasks of some files; exits for one in `only` that there is not."""
    tasks = [Task.of(document) for path in paths for document in json.loads(path.read_text())]
    if unknown := sorted(set(only) - {task.id for task in tasks}):
        raise SystemExit(f"There is no such task: {', '.join(unknown)}")
    return [task for task in tasks if not only or task.id in only]
