"""Two neighbouring versions of the wire understand each other.

What DTMA tells may carry more than the other side knows, which ignores it. A command may not: a DTMA refuses what it does not know, for
to drop a part of a spec would be to run something else than was asked for. So a field that is new in a command says since when it is
there, and whoever sends the command leaves it out for an older DTMA where it says nothing, and fails where it does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from dtma_wire.base import Since
from dtma_wire.specs import ServerSpec


class TooOld(ValueError):
    """The other side cannot do what it is to be told; the message says what that is."""


def spec_for(spec: ServerSpec, wire_version: int) -> bytes:
    """The JSON of a spec for a DTMA that speaks this version; raises ``TooOld`` where the spec asks for more than that has."""
    content = spec.model_dump(mode="json")
    _leave_out(spec, content, wire_version)
    return json.dumps(content, separators=(",", ":")).encode()


def _leave_out(model: BaseModel, content: dict[str, Any], wire_version: int) -> None:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        since = next((mark for mark in field.metadata if isinstance(mark, Since)), None)
        if since is None or since.version <= wire_version:
            _look_inside(value, content[name], wire_version)
        elif value == field.get_default(call_default_factory=True):
            del content[name]
        else:
            raise TooOld(f"The DTMA of this toolbox is too old for {since.feature}: upgrade it.")


def _look_inside(value: object, content: Any, wire_version: int) -> None:
    if isinstance(value, BaseModel):
        _leave_out(value, content, wire_version)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _look_inside(inner, content[key], wire_version)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for inner, told in zip(value, content, strict=True):
            _look_inside(inner, told, wire_version)
