"""Django admin: every model, none of them written past the services, no secret shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services import create_api_token
from agents.models import (
    Agent,
    AgentToken,
    Approval,
    CallPolicy,
    Grant,
    GrantedTool,
    SelectionFeedback,
    StandingApproval,
    ToolCall,
    ToolEmbedding,
)
from mcp_registry.models import (
    CatalogEntry,
    Drift,
    EntryOutcome,
    EntryVersion,
    KeptData,
    McpServer,
    Registry,
    Revision,
    ServerMetric,
    ServerRollUp,
    Stray,
    Upgrade,
)
from mcp_registry.services.revisions import specification_of
from toolboxes.identity.authority import certificate_authority
from toolboxes.models import CloudAccount, Job, JobStep, Machine, Metric, RollUp
from toolboxes.services.enrolment import new_token

OURS = [model for app in ("accounts", "toolboxes", "mcp_registry", "agents") for model in apps.get_app_config(app).get_models()]
CANARY = "canary-4711"
MODERATED = (CatalogEntry, Registry)
"""What of them an admin changes goes through services too; their own tests say so."""
WRITTEN_BY_SERVICES = [model for model in OURS if model._meta.app_label != "accounts" and model not in MODERATED]


@pytest.fixture
def staff(user: User, browser: Client) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    return browser


def make_one_of_each(server: McpServer) -> None:
    """A row of every model that a server alone does not bring with it."""
    toolbox, now = server.toolbox, server.created_at
    certificate_authority()
    new_token(toolbox=toolbox)
    JobStep.objects.create(job=Job.objects.create(toolbox=toolbox, kind="create"), position=0, name="ordered", label="Ordered")
    account = CloudAccount.objects.create(owner=toolbox.owner, provider="own", label="Mine", identity="1", token="t", tested_at=now)
    Machine.objects.create(toolbox=toolbox, account=account, tag="t", price_monthly=4, price_hourly=1)
    Metric.objects.create(toolbox=toolbox, resolution=15, slot=0, at=now, load=0.1, memory_used_bytes=1, disk_used_bytes=1)
    RollUp.objects.create(resolution=60, until=now)
    Drift.objects.create(server=server, what="missing", phase="absent", generation=0, sentence="It was not there.")
    Stray.objects.create(toolbox=toolbox, server="unknown")
    entry = server.entry
    assert entry is not None
    EntryOutcome.objects.get_or_create(entry=entry, version="1", succeeded=True, seconds=1)
    EntryVersion.objects.get_or_create(entry=entry, version="0.1", manifest=entry.manifest)
    Registry.objects.create(name="somewhere", url="https://registry.example.org", enabled=False)
    made_from = specification_of(server)
    Revision.objects.get_or_create(server=server, generation=99, summary="Changed", **made_from)
    KeptData.objects.create(owner=server.owner, toolbox=toolbox, name="gone", generation=1, **made_from)
    Upgrade.objects.create(server=server, from_version="1", to_version="2", manifest=entry.manifest, status=Upgrade.Status.CANCELLED)
    ServerMetric.objects.create(server=server, resolution=60, slot=0, at=now)
    ServerRollUp.objects.get_or_create(resolution=60, defaults={"until": now})
    _make_one_of_each_of_agents(server)


def _make_one_of_each_of_agents(server: McpServer) -> None:
    now = server.created_at
    call = ToolCall.objects.create(user=server.owner, server=server, server_name=server.name, tool_name="echo", deadline=now)
    agent = Agent.objects.create(owner=server.owner, name="Helper", slug="helper")
    create_api_token(user=server.owner, name="for the agent")
    AgentToken.objects.create(token=server.owner.api_tokens.get(), agent=agent)
    GrantedTool.objects.create(grant=Grant.objects.create(agent=agent, server=server), name="echo")
    Approval.objects.create(call=call, owner=server.owner, agent=agent, reason="It may destroy.", arguments={"a": CANARY}, expires_at=now)
    StandingApproval.objects.create(agent=agent, server=server, tool_name="echo", digest="0" * 64, expires_at=now)
    CallPolicy.objects.create(user=server.owner)
    ToolEmbedding.objects.create(key="0" * 64, vector=b"\0\0")
    SelectionFeedback.objects.create(agent=agent, server=server, tool_name="echo", request="say it again")


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_has_a_list(staff: Client, make_server: Callable[..., McpServer], model: type[Model]) -> None:
    make_server()
    assert admin.site.is_registered(model)
    assert staff.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")).status_code == 200


@pytest.mark.parametrize("model", WRITTEN_BY_SERVICES, ids=lambda model: model.__name__)
def test_nothing_is_written_past_the_services(staff: Client, make_server: Callable[..., McpServer], model: type[Model]) -> None:
    make_one_of_each(make_server())
    row = model._default_manager.first()
    assert row is not None
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff.get(reverse(f"{base}_change", args=(row.pk,))).status_code == 200
    assert staff.post(reverse(f"{base}_change", args=(row.pk,)), {}).status_code == 403
    assert staff.get(reverse(f"{base}_add")).status_code == 403
    assert staff.post(reverse(f"{base}_delete", args=(row.pk,)), {"post": "yes"}).status_code == 403


def test_secrets_are_not_shown(staff: Client, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    make_one_of_each(server)
    McpServer.objects.filter(pk=server.pk).update(secrets={"API_KEY": CANARY})
    pages = [
        staff.get(reverse("admin:agents_approval_change", args=(Approval.objects.get().pk,))),
        staff.get(reverse("admin:mcp_registry_mcpserver_change", args=(server.pk,))),
        staff.get(reverse("admin:toolboxes_toolbox_change", args=(server.toolbox_id,))),
    ]
    for page in pages:
        assert page.status_code == 200
        assert CANARY not in page.content.decode()


def test_users_who_are_no_staff_do_not_get_in(browser: Client) -> None:
    assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize("model", MODERATED, ids=lambda model: model.__name__)
def test_what_is_moderated_is_not_deleted_there(staff: Client, make_server: Callable[..., McpServer], model: type[Model]) -> None:
    make_one_of_each(make_server())
    row = model._default_manager.first()
    assert row is not None
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff.get(reverse(f"{base}_change", args=(row.pk,))).status_code == 200
    assert staff.post(reverse(f"{base}_delete", args=(row.pk,)), {"post": "yes"}).status_code == 403
