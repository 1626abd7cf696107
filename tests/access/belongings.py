"""Everything that a user can have, each with the user's word in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, User
from accounts.services import create_api_token
from agents.models import Agent, Approval, Grant, ToolCall
from agents.services.agents import create_agent
from agents.services.grants import grant
from chat.models import ModelChoice, ModelProvider, ModelUsage
from dtma_wire import Phase
from mcp_registry.models import CatalogEntry, Deployment, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.deployments import finish_deployment
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import deploy_server
from tests.access.said import Said, said_by
from tests.conftest import ECHO_TOOL, reporting, server_json, state_of
from tests.intake import enrolled
from toolboxes.models import CloudAccount, Toolbox
from toolboxes.services.enrolment import create_toolbox, new_token


@dataclass(frozen=True)
class Belongings:
    """One user's things."""

    user: User
    toolbox: Toolbox
    entry: CatalogEntry
    server: McpServer
    account: CloudAccount
    token: ApiToken
    install_token: str
    agent: Agent
    grant: Grant
    approval: Approval
    said: Said
    provider: ModelProvider


def belongings_of(user: User, word: str) -> Belongings:
    """Make one of each for this user."""
    box = create_toolbox(owner=user, name=f"{word}-box", provider=Toolbox.Provider.OWN_SERVER)
    toolbox = reporting(enrolled(box), hostname=f"{word}-host", system=word)
    Toolbox.objects.filter(pk=toolbox.pk).update(orphans=[_orphan(word)])
    entry = add_entry(owner=user, document=server_json(name=f"org.example/{word}", title=f"{word} weather", description=f"{word} weather."))
    given = {"config": {"CITY": word}, "secrets": {"API_KEY": f"{word}-secret"}}
    server = deploy_server(owner=user, entry=entry, toolbox=toolbox, name=f"{word}-server", **given)
    tool: dict[str, Any] = {**ECHO_TOOL, "description": f"{word} says it again."}
    observe(server_id=server.pk, state=state_of(server, Phase.CRASHED, tools=(tool,), reason=f"{word} broke.", last_log=(_line(word),)))
    finish_deployment(deployment=Deployment.objects.select_related("server").get(server=server), problem=f"{word} broke.")
    now = timezone.now()
    account = CloudAccount.objects.create(
        owner=user, provider="digital_ocean", label=f"{word}-account", identity=word, team=word, token=word, tested_at=now
    )
    ToolCall.objects.create(
        user=user, server=server, server_name=server.name, tool_name="echo", arguments={"message": word}, result={"content": [word]},
        deadline=now + timedelta(minutes=1),
    )  # fmt: skip
    create_api_token(user=user, name=f"{word}-token")
    audit.record(action="server.configured", target=server, owner=user, summary=word, changes={"CITY": ["Rome", word]})
    made = new_token(toolbox=toolbox, by=user)
    agent = create_agent(owner=user, name=f"{word}-agent", instructions=word, model=word)
    granted = grant(owner=user, agent_id=agent.pk, server_id=server.pk)
    server, token = McpServer.objects.get(pk=server.pk), user.api_tokens.get()
    approval = _approval(agent, server, word)
    said, provider = said_by(agent, word), _provider(agent, word)
    return Belongings(user, toolbox, entry, server, account, token, made.token, agent, granted, approval, said, provider)


def _provider(agent: Agent, word: str) -> ModelProvider:
    """A provider of models that its agent thinks with; nobody listens at its address."""
    provider = ModelProvider.objects.create(
        owner=agent.owner, kind="openai", name=f"{word}-provider", base_url=f"http://127.0.0.1:1/{word}", api_key=f"{word}-key",
        default_model=f"{word}-model", models_known=[f"{word}-model"], key_set_at=timezone.now(), tested_at=timezone.now(),
    )  # fmt: skip
    ModelChoice.objects.create(agent=agent, position=0, provider=provider, model=f"{word}-model")
    ModelUsage.objects.create(
        owner=agent.owner, agent=agent, agent_name=agent.name, provider=provider, provider_name=provider.name, model=f"{word}-model",
        created_at=timezone.now(), requests=1,
    )  # fmt: skip
    return provider


def _approval(agent: Agent, server: McpServer, word: str) -> Approval:
    """A call of a run that waits for the owner."""
    until = timezone.now() + timedelta(minutes=10)
    call = ToolCall.objects.create(
        user=agent.owner, via="gateway", status="waiting", agent=agent, agent_name=agent.name, server=server, server_name=server.name,
        tool_name="echo", client=word, run=uuid4(), arguments={"message": word}, deadline=until,
    )  # fmt: skip
    return Approval.objects.create(call=call, owner=agent.owner, agent=agent, reason=word, arguments={"message": word}, expires_at=until)


def _orphan(word: str) -> dict[str, Any]:
    return {
        "container": "c" * 64, "name": f"{word}-orphan", "server": "", "server_name": f"{word}-orphan", "image": word,
        "created_at": "2026-01-01T10:00:00Z", "running": True, "adoptable": False, "reason": word,
    }  # fmt: skip


def _line(word: str) -> dict[str, Any]:
    return {"ts": "2026-01-01T10:00:00Z", "stream": "stderr", "text": word}
