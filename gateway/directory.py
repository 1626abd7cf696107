"""Which server of an agent's has a prompt or a resource, by the names and URIs that the client sees.

Prompts are called `server__prompt`, as tools are. A resource keeps its URI; where two servers have the same, it is the first one's by name,
and the other's has an alias, which names its server: ``agentopia://SERVER/URI``, the URI percent-encoded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from agents.naming import exposed_names
from mcp_protocol.messages import Message

ALIAS = "agentopia://"
FRESH_SECONDS = 2.0
"""What is not found is not looked for again in that time."""
_VARIABLE = re.compile(r"\\\{[^{}]*\\\}")

type Listed = dict[str, list[Message]]
"""By the servers' names, in their order."""


@dataclass(slots=True)
class Directory:
    """What was found when the servers were last asked."""

    prompts: dict[str, tuple[str, str]] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    read_at: dict[str, float] = field(default_factory=dict)

    def is_fresh(self, what: str) -> bool:
        """Whether these were asked for a moment ago."""
        return time.monotonic() - self.read_at.get(what, -FRESH_SECONDS) < FRESH_SECONDS

    def take_prompts(self, listed: Listed) -> list[Message]:
        """The prompts of all servers under the names that the client sees."""
        self.read_at["prompts"] = time.monotonic()
        names = exposed_names((server, str(prompt["name"])) for server, prompts in listed.items() for prompt in prompts)
        self.prompts = {name: pair for pair, name in names.items()}
        return [{**prompt, "name": names[server, str(prompt["name"])]} for server, prompts in listed.items() for prompt in prompts]

    def take_resources(self, listed: Listed) -> list[Message]:
        """Their resources, under the URIs that the client sees."""
        self.read_at["resources"] = time.monotonic()
        self.resources, found = _first_of(listed, "uri")
        return found

    def take_templates(self, listed: Listed) -> list[Message]:
        """Their templates of resources, likewise."""
        self.read_at["templates"] = time.monotonic()
        self.templates, found = _first_of(listed, "uriTemplate")
        return found

    def server_of(self, uri: str) -> str | None:
        """The name of the server that has a resource; None where nobody knows."""
        listed = self.resources.get(uri) or self.templates.get(uri)
        return listed or next((server for template, server in self.templates.items() if _fits(template, uri)), None)

    def seen(self, server: str, uri: str) -> str:
        """A resource of a server's, as the client sees it."""
        return uri if self.resources.get(uri, server) == server else alias(server, uri)


def alias(server: str, uri: str) -> str:
    """The URI that names a resource of one server alone, also of a template."""
    return f"{ALIAS}{server}/{quote(uri, safe='{}')}"


def behind(uri: str) -> tuple[str, str] | None:
    """The server and the URI that an alias stands for; None for any other URI."""
    if not uri.startswith(ALIAS):
        return None
    server, _, quoted = uri.removeprefix(ALIAS).partition("/")
    return server, unquote(quoted)


def natural(name: str, servers: Iterable[str]) -> tuple[str, str] | None:
    """The server and the prompt of a name that needs no look-up; None for any other."""
    server, _, prompt = name.partition("__")
    pair = (server, prompt)
    return pair if server in servers and prompt and exposed_names([pair])[pair] == name else None


def _first_of(listed: Listed, key: str) -> tuple[dict[str, str], list[Message]]:
    owners: dict[str, str] = {}
    found: list[Message] = []
    for server, items in listed.items():
        for item in items:
            uri = str(item[key])
            seen = uri if owners.setdefault(uri, server) == server else alias(server, uri)
            found.append({**item, key: seen})
    return owners, found


def _fits(template: str, uri: str) -> bool:
    """Whether a URI may have been made of a template (RFC 6570): its literal parts stand where they should."""
    return re.fullmatch(_VARIABLE.sub(".*", re.escape(template)), uri) is not None


def items_in(result: Any, key: str, named: str) -> list[Message]:
    """The listed things of a result that have a name, or a URI."""
    listed = result.get(key)
    return [item for item in listed if isinstance(item, dict) and isinstance(item.get(named), str)] if isinstance(listed, list) else []
