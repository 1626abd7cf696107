"""What the palette finds of itself: the pages of the product, and what can be done from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from agentopia.lib.palette import Found, matching


@dataclass(frozen=True)
class Place:
    """``at`` is the name of a URL, or something that the page itself does; ``also`` are words under which one might look for it."""

    kind: str
    title: str
    at: str
    icon: str
    also: str = ""
    staff: bool = False


PLACES = (
    Place("Action", "Deploy a server", "catalog:list", "rocket", "install add new mcp run"),
    Place("Action", "Add a toolbox", "toolboxes:add", "plus", "new host machine droplet digitalocean"),
    Place("Action", "New chat", "chat:new", "square-pen", "conversation talk ask message"),
    Place("Action", "Make an agent", "agents:new", "bot", "new add assistant"),
    Place("Page", "Home", "home", "house", "start overview"),
    Place("Page", "Servers", "servers:list", "server", "mcp list"),
    Place("Page", "Toolboxes", "toolboxes:list", "toolbox", "hosts machines fleet"),
    Place("Page", "Catalogue", "catalog:list", "layout-grid", "catalog marketplace registry entries"),
    Place("Page", "Agents", "agents:list", "bot"),
    Place("Page", "Chat", "chat:list", "message-square", "conversations"),
    Place("Page", "Approvals", "approvals:list", "shield-check", "inbox waiting decide calls"),
    Place("Page", "Calls", "calls:list", "history", "receipts tool log"),
    Place("Page", "What calls cost", "calls:totals", "activity", "totals cpu usage spending"),
    Place("Page", "Limits of calls", "account:calls", "settings", "retention rate quota account"),
    Place("Page", "How long conversations are kept", "account:conversations", "settings", "retention delete chat account"),
    Place("Page", "Audit", "audit:list", "scroll-text", "log changes history who"),
    Place("Page", "Models", "account:models", "cpu", "account providers keys openai anthropic google ollama llm"),
    Place("Page", "Usage of models", "account:model-usage", "activity", "account cost spending tokens budget month what models cost llm"),
    Place("Page", "API tokens", "account:tokens", "key-round", "account rest key"),
    Place("Page", "Password", "account:password", "lock", "account change"),
    Place("Page", "Cloud accounts", "toolboxes:accounts", "lock", "digitalocean token"),
    Place("Page", "DTMA versions", "toolboxes:versions", "refresh-cw", "upgrade toolboxes"),
    Place("Page", "Removed toolboxes", "toolboxes:removed", "trash-2"),
    Place("Page", "Administration", "admin:index", "database", "django users", staff=True),
    Place("Action", "Light theme", "#theme-light", "sun", "colours appearance mode"),
    Place("Action", "Dark theme", "#theme-dark", "moon", "colours appearance mode night"),
    Place("Action", "System theme", "#theme-auto", "monitor", "colours appearance mode"),
)


def found_places(user: Any, words: Sequence[str], limit: int) -> list[Found]:
    """Pages and actions; those whose title fits go before those that are only meant."""
    open_to = [place for place in PLACES if user.is_staff or not place.staff]
    titled = [place for place in open_to if matching(place.title, words)]
    meant = [place for place in open_to if place not in titled and matching(f"{place.title} {place.also}", words)]
    found = [Found(place.kind, place.title, "", url, place.icon) for place in titled + meant if (url := _url(place.at))]
    return found[:limit]


def _url(at: str) -> str:
    """Empty while there is no such page."""
    if at.startswith("#"):
        return at
    try:
        return reverse(at)
    except NoReverseMatch:
        return ""
