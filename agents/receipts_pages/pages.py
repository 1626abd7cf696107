"""What the pages of calls show, read the same for a request and for the page's WebSocket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.content import shown_result
from agents.models import ToolCall
from agents.receipts_pages import selectors
from agents.receipts_pages.query import PROBLEMS, WINDOWS, CallQuery, Place
from agents.receipts_pages.timing import WIDTH, axis_of, parts_of
from agents.receipts_pages.totals import BY, in_window, totals
from mcp_registry.models import Tool

PER_RUN_PAGE = 100
FIRST_WINDOW = "day"
"""Over which the page of totals sums up, until another is chosen."""
STATUSES = {
    "": "Any outcome",
    PROBLEMS: "Any problem",
    ToolCall.Status.WAITING: "Waits for approval",
    ToolCall.Status.RUNNING: "Running",
    ToolCall.Status.SUCCEEDED: "Answered",
    ToolCall.Status.TOOL_ERROR: "Error of the tool",
    ToolCall.Status.FAILED: "No answer",
    ToolCall.Status.REFUSED: "Refused",
    ToolCall.Status.CANCELLED: "Cancelled",
}
GOES_ON = (ToolCall.Status.WAITING, ToolCall.Status.RUNNING)


def calls(user: User, query: CallQuery) -> dict[str, Any]:
    """A page of the list."""
    return {"query": query, "page": selectors.page_of(user, query)}


def whole_list(user: User, query: CallQuery) -> dict[str, Any]:
    """The list with what is around it: what can be chosen to filter by."""
    agents = selectors.agents_called_by(user)
    if query.agent and query.agent not in agents:
        agents.append(query.agent)
    return {**calls(user, query), "agents": agents, "statuses": STATUSES.items(), "ways": ToolCall.Via.choices}


def call(user: User, call_id: UUID) -> dict[str, Any]:
    """One receipt, whole."""
    found = selectors.call_for(user, call_id)
    return {
        "call": found,
        "approval": getattr(found, "approval", None),
        "parts": parts_of(found),
        "width": WIDTH,
        "result": shown_result(found.result) if isinstance(found.result, dict) and "content" in found.result else None,
        "raw": found.result,
        "goes_on": found.status in GOES_ON,
        "definition": _definition_now(found),
        "like": CallQuery(server=found.server_name, tool=found.tool_name).encoded,
    }


def _definition_now(call: ToolCall) -> str:
    """Whether the tool is still defined as it was for this call: same, changed, gone, or nothing where that is not known."""
    if not call.definition_digest:
        return ""
    if call.server_id is None:
        return "gone"
    digest = Tool.objects.filter(server=call.server_id, name=call.tool_name).values_list("digest", flat=True).first()
    if digest is None:
        return "gone"
    return "same" if digest == call.definition_digest else "changed"


def run(user: User, run_id: UUID, after: str = "") -> dict[str, Any]:
    """A run's calls on one axis, oldest first, `PER_RUN_PAGE` at a time from the place ``after`` on. Raises `NotFound`."""
    of_run = selectors.run_of(user, run_id)
    place = Place.parse(after)
    rows = list((of_run if place is None else of_run.filter(place.newer))[: PER_RUN_PAGE + 1])
    if not rows and not (place and of_run.exists()):
        raise NotFound("There is no such run, or its receipts have been deleted for their age.", code="run_not_found")
    more, rows = len(rows) > PER_RUN_PAGE, rows[:PER_RUN_PAGE]
    moments, seconds = axis_of(rows)
    return {
        "run": run_id,
        "first": rows[0] if rows else None,
        "moments": moments,
        "seconds": seconds,
        "width": WIDTH,
        "after": after if place else "",
        "next": str(Place.of(rows[-1])) if more else "",
    }


def totals_page(user: User, query: CallQuery, by: str) -> dict[str, Any]:
    """What calls cost; ``by`` is what they are summed by, tools where it is nothing that one can sum by."""
    by = by if by in BY else "tool"
    query = in_window(query, FIRST_WINDOW)
    links = [(key, replace(query, window=key, since="", until="").encoded, label) for key, (label, _) in WINDOWS.items()]
    chosen = [one for one in query.chosen if one[0] != "window"]
    return {"query": query, "chosen": chosen, "by": by, "kinds": list(BY), "windows": links, "totals": totals(user, by, query)}
