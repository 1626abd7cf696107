"""What served before: a tool that an agent used for a request is found sooner for requests alike, and says so."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F

from agents.models import SelectionFeedback
from agents.selection.texts import terms

KEPT_OF_TOOL = 5
KEPT_OF_AGENT = 500
LONGEST = 500
ALIKE = 0.3
"""The share of words in common from which two requests are alike."""
STRONGEST = 0.6
"""What is added to the score of a tool that served the very same request often; the first of all has about 2."""


@dataclass(frozen=True, slots=True)
class Served:
    """That the tool served ``request``, and what that adds to its score."""

    request: str
    bonus: float


@transaction.atomic
def note_use(agent_id: UUID, server_id: UUID, tool_name: str, request: str) -> None:
    """The agent called the tool for this request and it answered without an error. Only the newest few are kept."""
    asked = " ".join(request.split())[:LONGEST]
    if not asked:
        return
    of_agent = SelectionFeedback.objects.filter(agent=agent_id)
    note, is_new = SelectionFeedback.objects.get_or_create(agent_id=agent_id, server_id=server_id, tool_name=tool_name, request=asked)
    if not is_new:
        note.uses = F("uses") + 1
        note.save(update_fields=["uses", "last_used_at"])
        return
    of_tool = of_agent.filter(server=server_id, tool_name=tool_name)
    for notes, most in ((of_tool, KEPT_OF_TOOL), (of_agent, KEPT_OF_AGENT)):
        SelectionFeedback.objects.filter(pk__in=list(notes.values_list("pk", flat=True)[most:])).delete()


def served_before(agent_id: UUID, request: str) -> dict[tuple[UUID, str], Served]:
    """The tools that served requests like this one, by server and name."""
    asked = set(terms(request))
    found: dict[tuple[UUID, str], Served] = {}
    notes = SelectionFeedback.objects.filter(agent=agent_id).values_list("server", "tool_name", "request", "uses")
    for server_id, tool_name, before, uses in notes[:KEPT_OF_AGENT] if asked else ():
        words = set(terms(before))
        alike = len(asked & words) / len(asked | words)
        served = Served(before, STRONGEST * alike * min(1.0, 0.6 + 0.1 * uses))
        key = (server_id, tool_name)
        if alike >= ALIKE and (key not in found or found[key].bonus < served.bonus):
            found[key] = served
    return found
