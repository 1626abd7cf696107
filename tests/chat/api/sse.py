"""Reading event streams in tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass
class Stream:
    """An open one."""

    status: int
    headers: httpx2.Headers
    lines: Iterator[str]

    def events(self, count: int = -1) -> list[dict[str, Any]]:
        """So many of the next events, or all until the stream ends; each is checked against the lines around it."""
        found: list[dict[str, Any]] = []
        fields: dict[str, str] = {}
        while len(found) != count and (line := next(self.lines, None)) is not None:
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                event = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (str(event["seq"]), event["kind"])
                found.append(event)
                fields = {}
            else:
                fields = {}
        return found

    def until(self, beginning: str) -> None:
        """Read until a line begins so."""
        next(line for line in self.lines if line.startswith(beginning))


@contextmanager
def listening(url: str, **headers: str) -> Iterator[Stream]:
    """A stream, until this is left."""
    with (
        httpx2.Client(timeout=20) as client,
        client.stream("GET", url, headers={"Accept": "text/event-stream", **headers}) as answer,
    ):
        yield Stream(answer.status_code, answer.headers, answer.iter_lines())
