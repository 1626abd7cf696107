"""The two kinds of model that cross the wire."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Command(BaseModel):
    """Sent to DTMA: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(BaseModel):
    """Sent by DTMA: an unknown field is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True)
class Since:
    """On a field, ``field: Annotated[bool, Since(4, "pausing a server")] = False``: the version that brought it, and what it is for.

    Such a field must have a default, which stands for what every DTMA did before.
    """

    version: int
    feature: str
