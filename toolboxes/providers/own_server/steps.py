"""What happens from the install command to the first heartbeat, and at the end."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from toolboxes.models import Toolbox
from toolboxes.providers.base import Done, Step, Wait
from toolboxes.providers.steps import HEARTBEAT, REVOKED, SERVERS, enrolled, pace

PATIENCE = timedelta(days=7)


def command_used(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """The install command was run: its token was shown. A command that expired is renewed by the user."""
    if toolbox.enrolled_at is not None:
        return Done()
    token = toolbox.enrolment_tokens.first()
    if token is None:
        return Wait(pace(waited), "Make the install command")
    if token.used_at is not None:
        return Done()
    if not token.is_open(timezone.now()):
        return Wait(pace(waited), "The install command has expired: make a new one")
    return Wait(pace(waited), "Run the install command on the server")


COMMAND = Step("command", "Install command", command_used, PATIENCE, "The install command was never run. Try again, with a new command.")
ENROLLED = Step(
    "enrolled",
    "Enrolled",
    enrolled,
    timedelta(minutes=30),
    "The server began to enrol, but did not get there. What the install command printed says why; then try again, with a new command.",
)

CREATE = (COMMAND, ENROLLED, HEARTBEAT)
REMOVE = (SERVERS, REVOKED)
