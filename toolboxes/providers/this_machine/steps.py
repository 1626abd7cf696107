"""What is done to make the own machine a toolbox, and to end that. `make run` enrols it; there is nothing to wait for but that."""

from __future__ import annotations

from datetime import timedelta

from toolboxes.providers.base import Step
from toolboxes.providers.steps import HEARTBEAT, REVOKED, SERVERS, enrolled

ENROLLED = Step(
    "enrolled", "Enrolled", enrolled, timedelta(minutes=10), "DTMA of this machine has not enrolled. Start Agentopia again with make run."
)

CREATE = (ENROLLED, HEARTBEAT)
REMOVE = (SERVERS, REVOKED)
