"""The WebSockets of the pages: authenticate, join, render a partial."""

from __future__ import annotations

from urllib.parse import parse_qs

from django.template.loader import render_to_string

from agentopia.lib import live
from mcp_registry import pages, selectors
from mcp_registry.configuring import pages as configuring
from mcp_registry.server_list import ServerQuery, server_list


class OwnerPage(live.LivePage):
    """A page of everything that the user owns."""

    settle_seconds = 0.3  # among many servers something happens all the time

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]


class HomePage(OwnerPage):
    def fragments(self) -> list[str]:
        return [render_to_string("mcp_registry/home.html#live", pages.home(self.user))]


class ServersPage(OwnerPage):
    """The list: the page, the filter and the order that the query string names."""

    def fragments(self) -> list[str]:
        query = ServerQuery.parse({key: values[-1] for key, values in parse_qs(self.scope["query_string"].decode()).items()})
        return [render_to_string(f"mcp_registry/servers.html#{part}", server_list(self.user, query)) for part in ("states", "rows")]


class ServerPage(live.LivePage):
    """A server's page: header, deployment, facts, tools."""

    parts: tuple[str, ...] = (
        "server_page.html#header",
        "server_page.html#said",
        "upgrade_card.html",
        "server.html#deployment",
        "server.html#facts",
        "server.html#tools",
    )

    def groups_of_page(self) -> list[str]:
        server = selectors.server_for(self.user, self.kwargs["server_id"])
        return [live.server_group(server.pk), live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        context = pages.server(self.user, self.kwargs["server_id"])
        return [render_to_string(f"mcp_registry/{part}", context) for part in self.parts]


class ServerHistoryPage(ServerPage):
    """A server's history: the page of it that the query string names."""

    parts = ("server_page.html#header", "server_page.html#said")

    def fragments(self) -> list[str]:
        server = selectors.server_for(self.user, self.kwargs["server_id"])
        query = parse_qs(self.scope["query_string"].decode())
        context = {"server": server, **pages.deployments(server, query.get("page", [""])[-1])}
        history = [render_to_string(f"mcp_registry/server_history.html#{part}", context) for part in ("deployments", "findings")]
        history.append(render_to_string("mcp_registry/upgrades.html", context))
        generations = configuring.generations(server, query.get("generations", [""])[-1])
        history.append(render_to_string("mcp_registry/revisions.html", {"server": server, **generations}))
        return [*super().fragments(), *history]


class ServerLogPage(ServerPage):
    """A server's log, but for its lines: see `log_consumers`."""

    parts = ("server_page.html#header", "server_page.html#said")


class ServerVersionsPage(ServerPage):
    """The page of a server's versions: what is filled in there stays as it is."""

    parts = ("server_page.html#header", "server_page.html#said")
