"""Makes what the pages are to show in a control plane's database, and prints as JSON who may look at it and where.

    python -m bench.pages.rows --servers 1000 --toolboxes 100

Runs in the environment of the stack.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import django
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

django.setup()

from django.db import connection  # noqa: E402
from django.urls import URLPattern, URLResolver, get_resolver  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.services import DEMO_EMAIL  # noqa: E402
from agents.models import Agent, Approval, Grant, GrantedTool, ToolCall  # noqa: E402
from bench.pages.chats import SEARCHES, make_chats  # noqa: E402
from mcp_registry.models import CatalogEntry, Deployment, DeploymentStep, McpServer, Revision, Tool  # noqa: E402
from mcp_registry.services.revisions import specification_of  # noqa: E402
from toolboxes.models import Toolbox, ToolboxEvent  # noqa: E402

BATCH = 2000
TOOLS, DEPLOYMENTS, CALLS, ENTRIES = 20, 3, 100_000, 2_000
AGENTS, CONNECTED = 100, 50
CALLS_OF_RUN, WAITING = 1000, 20
WORDS = [
    "read",
    "write",
    "list",
    "search",
    "create",
    "delete",
    "move",
    "copy",
    "fetch",
    "send",
    "query",
    "count",
    "draw",
    "convert",
    "merge",
    "split",
    "lock",
    "watch",
]
PHASES = ["running"] * 46 + ["crashed", "unhealthy", "stopped", "absent"]


def make(servers: int, toolboxes: int) -> dict[str, Any]:
    """Rows for one user; returns a session of that user's and what the addresses of pages are made of."""
    owner, now, chance = User.objects.get(email=DEMO_EMAIL), timezone.now(), random.Random(5)
    later = now + timedelta(hours=6)  # nothing reports here, and no toolbox is to fall silent meanwhile
    info = {"dtma_version": "0.1.0", "engine_problem": "", "cpus": 8, "memory_bytes": 2**34, "disk_bytes": 2**38, "disk_free_bytes": 2**37}
    load = {"cpu_percent": 12.5, "load": 0.5, "memory_used_bytes": 2**32, "disk_used_bytes": 2**36}
    boxes = Toolbox.objects.bulk_create(
        Toolbox(
            owner=owner, name=f"box-{number:03}", provider=Toolbox.Provider.OWN_SERVER, url="https://127.0.0.1:9", enrolled_at=now,
            last_seen_at=later, epoch=1, sequence=1, info=info, load=load, shown_silent=False,
        )
        for number in range(toolboxes)
    )  # fmt: skip
    ToolboxEvent.objects.bulk_create(ToolboxEvent(toolbox=box, kind="bench", text=f"Event {n}") for box in boxes for n in range(50))
    CatalogEntry.objects.bulk_create([_entry(number, chance) for number in range(ENTRIES)], BATCH)
    entry = CatalogEntry.objects.get(slug="time", origin="shipped")
    rows = [_server(owner, boxes[number % toolboxes], entry, number, chance) for number in range(servers)]
    McpServer.objects.bulk_create(rows, BATCH)
    Revision.objects.bulk_create([Revision(server=row, generation=1, summary="Deployed", **specification_of(row)) for row in rows], BATCH)
    _deployments(rows)
    Tool.objects.bulk_create([_tool(row, number, chance) for row in rows for number in range(TOOLS)], BATCH)
    ToolCall.objects.bulk_create([_call(owner, rows[number % len(rows)], now, chance) for number in range(CALLS)], BATCH)
    agent = _agents(owner, rows[:CONNECTED])
    waiting = _waiting(agent, rows[0], now)
    chats = make_chats(agent)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    values = {"server_id": rows[0].pk, "toolbox_id": boxes[0].pk, "entry_id": entry.pk, "agent_id": agent.pk, "name": "tool-0"}
    values |= {"call_id": waiting.call_id, "run": waiting.call.run, "approval_id": waiting.pk, **chats}
    return {
        "session": _session(owner),
        "values": {name: str(value) for name, value in values.items()},
        "addresses": [*addresses(), *(f"chat/?search={quote(words)}" for words in SEARCHES)],
    }


def _server(owner: User, box: Toolbox, entry: CatalogEntry, number: int, chance: random.Random) -> McpServer:
    phase = "running" if number == 0 else chance.choice(PHASES)
    return McpServer(
        owner=owner, toolbox=box, entry=entry, name=f"{chance.choice(WORDS)}-{number:04}", manifest=entry.manifest, version=entry.version,
        phase=phase, desired="stopped" if phase == "stopped" else "running", observed_generation=1, tools_hash="a" * 64,
        reason="It ended with exit code 1." if phase == "crashed" else "", observed_at=timezone.now(),
    )  # fmt: skip


def _deployments(rows: list[McpServer]) -> None:
    now = timezone.now()
    deployments = [
        Deployment(server=row, kind="deploy", generation=1, status="succeeded", created_at=now - timedelta(hours=n + 1), finished_at=now)
        for row in rows
        for n in range(DEPLOYMENTS)
    ]
    Deployment.objects.bulk_create(deployments, BATCH)
    steps = ("queued", "image", "container", "handshake", "tools")
    DeploymentStep.objects.bulk_create(
        [
            DeploymentStep(deployment=one, position=place, name=name, state="done", started_at=now, finished_at=now)
            for one in deployments
            for place, name in enumerate(steps)
        ],
        BATCH,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mcp_registry_mcpserver s SET deployment_id = d.id FROM (SELECT DISTINCT ON (server_id) server_id, id "
            "FROM mcp_registry_deployment ORDER BY server_id, created_at DESC) d WHERE d.server_id = s.id"
        )


def _tool(server: McpServer, number: int, chance: random.Random) -> Tool:
    name = f"tool-{number}" if number == 0 else f"{chance.choice(WORDS)}_{chance.choice(WORDS)}_{number}"
    schema = {"type": "object", "properties": {word: {"type": "string", "description": word} for word in chance.sample(WORDS, 4)}}
    definition = {"name": name, "description": " ".join(chance.choices(WORDS, k=25)), "inputSchema": schema}
    return Tool(server=server, position=number, name=name, definition=definition, digest=hashlib.sha256(name.encode()).hexdigest())


def _agents(owner: User, connected: list[McpServer]) -> Agent:
    """Some, one of which may use all tools of many servers, but for a few that are held back."""
    agents = Agent.objects.bulk_create(Agent(owner=owner, name=f"Agent {number:03}", slug=f"agent-{number}") for number in range(AGENTS))
    grants = {server.pk: Grant(agent=agents[0], server=server) for server in connected}
    Grant.objects.bulk_create(grants.values())
    Grant.objects.bulk_create(Grant(agent=agent, server=connected[0]) for agent in agents[1:])
    tools = Tool.objects.filter(server__in=connected)
    GrantedTool.objects.bulk_create(
        GrantedTool(
            grant=grants[tool.server_id], name=tool.name, digest=tool.digest if tool.position else "0" * 64, definition=tool.definition
        )
        for tool in tools
    )
    return agents[0]


def _waiting(agent: Agent, server: McpServer, now: Any) -> Approval:
    """A run of many calls, some of which wait; returns the last."""
    run, later = uuid.uuid4(), now + timedelta(hours=6)
    calls = [
        ToolCall(
            user=agent.owner, via="gateway", agent=agent, agent_name=agent.name, server=server, server_name=server.name, tool_name="tool-0",
            run=run, arguments={"a": number}, status="waiting" if number >= CALLS_OF_RUN - WAITING else "succeeded", deadline=later,
            created_at=now + timedelta(milliseconds=number), definition_digest=hashlib.sha256(b"tool-0").hexdigest(),
        )
        for number in range(CALLS_OF_RUN)
    ]  # fmt: skip
    ToolCall.objects.bulk_create(calls, BATCH)
    return [
        Approval.objects.create(call=call, owner=agent.owner, agent=agent, reason="It may.", arguments=call.arguments, expires_at=later)
        for call in calls[-WAITING:]
    ][-1]


def _call(owner: User, server: McpServer, now: Any, chance: random.Random) -> ToolCall:
    call = ToolCall(
        user=owner, via="api", server=server, server_name=server.name, tool_name="tool-0", arguments={"a": 1}, status="succeeded",
        deadline=now, duration_ms=chance.expovariate(0.05), result={"content": []},
    )  # fmt: skip
    call.created_at = now - timedelta(seconds=chance.uniform(0, 7 * 86400))
    return call


def _entry(number: int, chance: random.Random) -> CatalogEntry:
    words = chance.sample(WORDS, 3)
    package = {"registryType": "npm", "identifier": f"@example/e{number}", "version": "1.0.0", "transport": {"type": "stdio"}}
    manifest = {"name": f"org.example/e{number}", "description": " ".join(words), "version": "1.0.0", "packages": [package]}
    return CatalogEntry(
        id=uuid.uuid4(), origin="registry", name=f"org.example/e{number}", slug=f"e{number}", title=f"{words[0].capitalize()} {number}",
        description=" ".join(words), version="1.0.0", manifest=manifest, runtime="npm", transport="stdio", egress="none", one_click=True,
    )  # fmt: skip


def _session(owner: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(owner.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def addresses() -> list[str]:
    """Every route that there is, as Django writes it (``servers/<uuid:server_id>/``), but for the administration."""
    return [route for route in _routes(get_resolver().url_patterns, "") if not route.startswith("admin/")]


def _routes(patterns: list[Any], before: str) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += _routes(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            found.append(before + str(pattern.pattern))
    return found


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--servers", type=int, default=1000)
    options.add_argument("--toolboxes", type=int, default=100)
    chosen = options.parse_args()
    print(json.dumps(make(chosen.servers, chosen.toolboxes)))
