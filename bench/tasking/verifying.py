"""Whether a task is done: its ``verify`` expressions, about the answer, the calls, and a copy of the volume as it is afterwards.

An expression may use ``answer`` and ``low`` (the same in small letters), ``says(word, …)`` (each is in the answer as a word of its own),
``calls`` (``{tool, args, ok}`` each), ``used(tool)``, ``read(path)``, ``exists(path)``, ``root``, ``sql(query)``, ``git(argument, …)``,
``graph()`` (``{"entities": {name: entity}, "relations": {(from, type, to)}}``), ``now``, and the modules re, json, ast and datetime.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bench.scripted.language import compiled
from bench.tasking.setting_up import DATABASE, MEMORY, WORK, git
from bench.tasking.suite import ROOT, Task


@dataclass(frozen=True)
class Call:
    """A tool call that was made for the task."""

    tool: str
    args: dict[str, Any]
    ok: bool


class Place(PurePosixPath):
    """A path as the servers see it. What asks the file system (``exists``, ``read_text`` …) is answered from the copy."""

    copy: Path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.copy / self.relative_to(Place(ROOT).parent), name)


def place(volume: Path) -> type[Place]:
    """Paths that are answered from this copy."""
    return type("PlaceOfCopy", (Place,), {"copy": volume})


class State:
    """The names that expressions may use."""

    def __init__(self, volume: Path, answer: str, calls: Sequence[Call]) -> None:
        self._volume = volume
        self._answer = answer
        self._calls = calls

    def names(self) -> dict[str, Any]:
        told = {"answer": self._answer, "low": self._answer.lower(), "says": self.says}
        called = {"calls": [vars(call) for call in self._calls], "used": self.used}
        kept = {"read": self.read, "exists": self.exists, "root": place(self._volume)(ROOT)}
        stores = {"sql": self.sql, "git": self.git, "graph": self.graph}
        modules = {"re": re, "json": json, "ast": ast, "datetime": dt, "now": dt.datetime.now(dt.UTC)}
        return told | called | kept | stores | modules

    def says(self, *words: object) -> bool:
        return all(re.search(rf"(?<![\w.]){re.escape(str(word))}(?![\w])", self._answer, re.IGNORECASE) for word in words)

    def used(self, tool: str) -> bool:
        return any(re.sub(r"[^a-z0-9]+", "_", call.tool.lower()).endswith(tool.replace("-", "_")) for call in self._calls)

    def read(self, name: str) -> str:
        return (self._volume / WORK / name).read_text()

    def exists(self, name: str) -> bool:
        return (self._volume / WORK / name).exists()

    def sql(self, query: str, name: str = "") -> list[tuple[Any, ...]]:
        path = self._volume / WORK / name if name else self._volume / DATABASE
        with closing(sqlite3.connect(path)) as database, database:
            return database.execute(query).fetchall()

    def git(self, *arguments: str) -> str:
        return git(self._volume / WORK / "repo", *arguments)

    def graph(self) -> dict[str, Any]:
        path = self._volume / MEMORY
        items = [json.loads(line) for line in path.read_text().splitlines() if line.strip()] if path.exists() else []
        return {
            "entities": {item["name"]: item for item in items if item["type"] == "entity"},
            "relations": {(item["from"], item["relationType"], item["to"]) for item in items if item["type"] == "relation"},
        }


def verified(task: Task, volume: Path, answer: str, calls: Sequence[Call]) -> str:
    """What is not as it should be; empty where the task is done."""
    names = State(volume, answer, calls).names()
    for expression in task.verify:
        try:
            holds = eval(compiled(expression), dict(names))  # noqa: S307 (files of tasks are trusted)
        except Exception as error:  # noqa: BLE001 (an expression may raise anything, and then it does not hold)
            return f"{expression[:100]} raised {type(error).__name__}: {error}"[:400]
        if not holds:
            return f"not so: {expression[:200]}"
    return ""
