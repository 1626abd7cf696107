"""What the model answers with."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """A tool call; `raw` is the text of its arguments where it is not the JSON of `args`."""

    name: str
    args: Any
    id: str
    raw: str | None = None

    def json(self) -> dict[str, Any]:
        """As the API has it."""
        function = {"name": self.name, "arguments": self.raw if self.raw is not None else json.dumps(self.args)}
        told = {"type": "function", "function": function}
        return {"id": self.id, **told} if self.id else told


@dataclass
class Turn:
    """One answer. Where `beats` is set, the text is made while it is sent: so many pieces, so many seconds apart (see ``talk.py``)."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)
    beats: tuple[int, float] | None = None


def call_id(gold: str, kind: str) -> str:
    """An id by which the call is known again in a later request."""
    return f"c_{gold}__{kind}_{uuid.uuid4().hex[:6]}"
