"""The two kinds of model that cross the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Command(BaseModel):
    """Sent to DTMA: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(BaseModel):
    """Sent by DTMA: an unknown field is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
