"""What a user changes of a toolbox that is there: its name, the host that it is, and whether that host counts."""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from agentopia.lib import leases
from agentopia.lib.errors import Conflict, InvalidInput
from toolboxes.models import Job, Toolbox
from toolboxes.services import events
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.enrolment import NAME, NewToken, new_token


def rename_toolbox(*, toolbox: Toolbox, name: str) -> Toolbox:
    """Call it something else. Raises `InvalidInput` and, where the name is taken, `Conflict`."""
    name, before = name.strip(), toolbox.name
    if not re.fullmatch(NAME, name) or len(name) > 63:
        problem = "A toolbox's name has at most 63 letters, digits, spaces, dots and hyphens, and begins and ends with a letter or digit."
        raise InvalidInput(problem, fields={"name": problem})
    if name == before:
        return toolbox
    try:
        with transaction.atomic():
            Toolbox.objects.filter(pk=toolbox.pk).update(name=name)
            toolbox.name = name
            events.record(toolbox=toolbox, kind="renamed", text=f"It was called “{before}”, and is “{name}” now.")
            audit.record(action="toolbox.renamed", target=toolbox, owner=toolbox.owner_id, changes={"name": [before, name]})
    except IntegrityError:
        toolbox.name = before
        problem = f"You have a toolbox “{name}” already. Choose another name."
        raise Conflict(problem, code="name_taken", fields={"name": problem}) from None
    return toolbox


@transaction.atomic
def enrol_again(*, toolbox: Toolbox, by: User) -> NewToken:
    """A new install command: the host that runs it becomes this toolbox, and whichever was it before is it no more.

    Raises `Conflict` for a toolbox that is being removed, and for the machine that Agentopia itself runs on.
    """
    Toolbox.objects.select_for_update().get(pk=toolbox.pk)
    if toolbox.jobs.filter(leases.UNFINISHED, kind=Job.Kind.REMOVE).exists():
        raise Conflict("This toolbox is being removed. Add a new one instead.", code="toolbox_removing")
    if toolbox.provider == Toolbox.Provider.THIS_MACHINE:
        raise Conflict("The machine that Agentopia runs on needs no install command: make run enrols it.", code="enrolled_by_make_run")
    return new_token(toolbox=toolbox, by=by)


def revoke_toolbox(*, toolbox: Toolbox) -> int:
    """Let its host count no more, from this moment. Returns how many certificates counted."""
    return revoke_certificates(toolbox=toolbox, reason="you asked for it.")
