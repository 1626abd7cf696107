"""The WebSockets of the pages of agents: authenticate, join, render a partial."""

from __future__ import annotations

from urllib.parse import parse_qs

from django.template.loader import render_to_string

from agentopia.lib import live
from agents.pages import agent as pages
from agents.pages import held
from agents.pages import server as server_pages
from agents.pages.agent_list import AgentQuery, agent_list
from agents.pages.tool_list import ToolQuery
from agents.selectors import agent_for


class OfOwner(live.LivePage):
    """A page that changes with what the user owns."""

    settle_seconds = 0.3  # among many servers something happens all the time

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    @property
    def query(self) -> dict[str, str]:
        """The query string of the page."""
        return {key: values[-1] for key, values in parse_qs(self.scope["query_string"].decode()).items()}


class AgentsPage(OfOwner):
    """The list: the page and the search that the query string names."""

    def fragments(self) -> list[str]:
        return [render_to_string("agents/agent_list.html#rows", agent_list(self.user, AgentQuery.parse(self.query)))]


class AgentPage(OfOwner):
    """A page of an agent on which something is filled in: its heading alone is kept up to date."""

    def groups_of_page(self) -> list[str]:
        agent_for(self.user, self.kwargs["agent_id"])
        return super().groups_of_page()

    def fragments(self) -> list[str]:
        context = pages.head(self.user, self.kwargs["agent_id"])
        return [render_to_string(f"agents/agent_page.html#{part}", context) for part in ("header", "said")]


class AgentToolsPage(AgentPage):
    """An agent's servers, and those of its tools that the query string asks for."""

    def fragments(self) -> list[str]:
        context = pages.overview(self.user, self.kwargs["agent_id"], ToolQuery.parse(self.query))
        parts = ["agent_page.html#header", "agent_page.html#said"]
        if "empty" not in self.query:
            parts += ["agent.html#servers", "agent.html#rows"]
        elif context["servers"]:  # a page that had no place for them
            parts.append("agent.html#overview")
        return [render_to_string(f"agents/{part}", context) for part in parts]


class AgentServerPage(AgentPage):
    """The form that connects a server: the server's state beside it is kept up to date."""

    def fragments(self) -> list[str]:
        context = server_pages.server(self.user, self.kwargs["agent_id"], self.kwargs["server_id"])
        return [*super().fragments(), render_to_string("agents/agent_server.html#state", context)]


class AgentHeldPage(AgentPage):
    """What is held back."""

    def fragments(self) -> list[str]:
        context = held.held(self.user, self.kwargs["agent_id"], self.query.get("page"))
        return [*super().fragments(), render_to_string("agents/agent_held.html#held", context)]
