"""A toolbox is removed: its servers go with it, whether it answers or not, and the receipts of their calls stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from agents.models import ToolCall
from mcp_registry.models import CatalogEntry, Deployment, McpServer, Stray
from mcp_registry.services.carrying_out import carry_out as carry_out_deployment
from mcp_registry.services.servers import delete_server
from toolboxes.models import Job, Toolbox, silence_after
from toolboxes.services.job_work import carry_out
from toolboxes.services.jobs import remove_toolbox


def receipt(user: User, server: McpServer) -> ToolCall:
    now = timezone.now()
    return ToolCall.objects.create(user=user, via=ToolCall.Via.API, server=server, server_name=server.name, tool_name="echo", deadline=now)


def job_of(toolbox: Toolbox) -> Job:
    return toolbox.jobs.get(kind=Job.Kind.REMOVE)


def test_all_its_servers_are_deleted_first(user: User, toolbox: Toolbox, make_server: Callable[..., McpServer]) -> None:
    first, second = make_server(), make_server()
    Stray.objects.create(toolbox=toolbox, server="lost")
    delete_server(owner=user, server_id=second.pk)
    remove_toolbox(owner=user, toolbox_id=toolbox.pk)
    kinds = Deployment.objects.filter(status="queued").values_list("server_id", "kind", "generation")
    assert set(kinds) == {(first.pk, "delete", 2), (second.pk, "delete", 2)}, "one that is being deleted is not deleted twice"
    carry_out(job_id=job_of(toolbox).pk)
    assert (job_of(toolbox).status, McpServer.objects.count()) == ("queued", 2), "it waits for them"
    assert not Stray.objects.exists()


def test_a_toolbox_that_does_not_report_takes_its_servers_along(
    user: User, toolbox: Toolbox, make_server: Callable[..., McpServer]
) -> None:
    server = make_server()
    call = receipt(user, server)
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=timezone.now() - 2 * silence_after())
    remove_toolbox(owner=user, toolbox_id=toolbox.pk)
    deployment = Deployment.objects.get(kind="delete")
    carry_out(job_id=job_of(toolbox).pk)
    assert not McpServer.objects.exists()
    toolbox.refresh_from_db()
    assert toolbox.deleted_at is not None
    call.refresh_from_db()
    assert (call.server_id, call.server_name) == (None, server.name)
    carry_out_deployment(deployment_id=deployment.pk)  # a worker that still had it finds nothing to do


def test_one_that_reports_but_does_not_get_there_is_forgotten_in_time(
    user: User, toolbox: Toolbox, make_server: Callable[..., McpServer]
) -> None:
    make_server()
    remove_toolbox(owner=user, toolbox_id=toolbox.pk)
    job = job_of(toolbox)
    carry_out(job_id=job.pk)
    job.steps.filter(name="servers").update(started_at=timezone.now() - timedelta(minutes=5))
    Job.objects.filter(pk=job.pk).update(not_before=timezone.now())
    carry_out(job_id=job.pk)
    assert not McpServer.objects.exists()
    assert job_of(toolbox).status == "succeeded"


@pytest.mark.parametrize("named", [True, False])
def test_nothing_is_deployed_there_any_more(
    api: APIClient, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry], named: bool
) -> None:
    remove_toolbox(owner=user, toolbox_id=toolbox.pk)
    body = {"entry": "time", "force": True} | ({"toolbox": str(toolbox.pk)} if named else {})
    answer = api.post("/api/v1/servers/", body, format="json")
    assert answer.status_code == 409
    assert "it is being removed" in answer.data["detail"]
