"""Start, stop, restart and delete through the REST API: desires, generations, deployments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.models import Deployment, McpServer
from mcp_registry.spec import spec_of


@pytest.mark.parametrize(("action", "desired"), [("start", "running"), ("stop", "stopped"), ("restart", "running")])
def test_an_action_is_a_new_generation_with_its_deployment(
    api: APIClient, make_server: Callable[..., McpServer], action: str, desired: str
) -> None:
    server = make_server()
    assert api.post(f"/api/v1/servers/{server.pk}/{action}/").status_code == 202
    server.refresh_from_db()
    assert (server.desired, server.generation) == (desired, 2)
    assert server.deployment is not None
    assert (server.deployment.kind, server.deployment.status, server.deployment.generation) == (action, "queued", 2)


def test_only_a_restart_asks_for_a_new_container(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    before = spec_of(server).fingerprint
    for action, fresh in (("stop", False), ("start", False), ("restart", True)):
        api.post(f"/api/v1/servers/{server.pk}/{action}/")
        server.refresh_from_db()
        assert (spec_of(server).fingerprint != before) is fresh


def test_a_newer_action_supersedes_an_unfinished_one(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    api.post(f"/api/v1/servers/{server.pk}/restart/")
    api.post(f"/api/v1/servers/{server.pk}/stop/")
    statuses = dict(Deployment.objects.filter(server=server).values_list("kind", "status"))
    assert statuses == {"deploy": "succeeded", "restart": "superseded", "stop": "queued"}


def test_a_failed_server_can_be_tried_again(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server(phase=Phase.CRASHED, reason="It exited with code 3.")
    before = api.get(f"/api/v1/servers/{server.pk}/").data
    assert (before["status"], before["reason"]) == ("failed", "It exited with code 3.")
    assert api.post(f"/api/v1/servers/{server.pk}/start/").data["status"] == "preparing"


def test_deleting_is_shown_until_the_toolbox_confirms_it(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    assert api.delete(f"/api/v1/servers/{server.pk}/").data["status"] == "deleting"
    assert api.get(f"/api/v1/servers/{server.pk}/").data["status"] == "deleting"
    answer = api.post(f"/api/v1/servers/{server.pk}/start/")
    assert (answer.status_code, answer.data["code"]) == (409, "server_deleting")


def test_another_users_server_is_not_found(api: APIClient, make_server: Callable[..., McpServer], stranger: User) -> None:
    server = make_server()
    McpServer.objects.filter(pk=server.pk).update(owner=stranger)
    base = f"/api/v1/servers/{server.pk}/"
    assert [api.post(base + action).status_code for action in ("start/", "stop/", "restart/")] == [404] * 3
    assert [api.get(base + part).status_code for part in ("", "deployments/", "tools/", "logs/")] == [404] * 4
    assert api.delete(base).status_code == 404
    assert api.post(base + "tools/echo/call/", {"arguments": {}}, format="json").status_code == 404
    server.refresh_from_db()
    assert server.generation == 1


def test_nobody_gets_in_without_a_token(client: APIClient, make_server: Callable[..., McpServer]) -> None:
    base = f"/api/v1/servers/{make_server().pk}/"
    paths = ["/api/v1/toolboxes/", "/api/v1/catalog/", "/api/v1/servers/", base, base + "deployments/", base + "tools/", base + "logs/"]
    assert [client.get(path).status_code for path in paths] == [401] * len(paths)


def test_deployments_show_their_steps_with_times(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    deployment = api.get(f"/api/v1/servers/{make_server().pk}/deployments/").data["results"][0]
    assert [(step["name"], step["state"]) for step in deployment["steps"]] == [("queued", "done")]
    assert deployment["steps"][0]["seconds"] >= 0


def test_tools_are_listed_as_the_server_gave_them(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    tool = api.get(f"/api/v1/servers/{make_server().pk}/tools/").data["results"][0]
    assert (tool["name"], tool["input_schema"]["required"]) == ("echo", ["message"])
    assert len(tool["digest"]) == 64
