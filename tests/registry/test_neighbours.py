"""Toolboxes whose DTMA speaks another version of the protocol: a clear word, and nothing that crashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest
from rest_framework.test import APIClient

from dtma_wire import WIRE_VERSION, ServerSpec, Since
from mcp_registry.models import Deployment, McpServer
from mcp_registry.services import carrying_out
from mcp_registry.services.carrying_out import carry_out
from mcp_registry.services.servers import restart_server
from mcp_registry.spec import spec_of
from tests.conftest import heartbeat_of, reporting, state_of
from tests.intake import post
from toolboxes.models import Toolbox


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (WIRE_VERSION - 2, "It runs DTMA 0.0.1, which is too old for this control plane. Upgrade this toolbox with: make run"),
        (WIRE_VERSION + 2, "It runs DTMA 0.0.1, which is too new for this control plane. Update Agentopia first."),
    ],
)
def test_what_is_asked_of_a_stranger_fails_at_once_and_says_what_to_do(
    api: APIClient, toolbox: Toolbox, make_server: Callable[..., McpServer], version: int, sentence: str
) -> None:
    server = make_server()
    reporting(toolbox, wire_version=version, dtma_version="0.0.1")
    restart_server(owner=server.owner, server_id=server.pk)
    carry_out(deployment_id=Deployment.objects.get(kind="restart").pk)
    told = api.get(f"/api/v1/servers/{server.pk}/").data
    assert (told["status"], told["reason"]) == ("failed", sentence)
    deployment = Deployment.objects.get(kind="restart")
    assert (deployment.code, deployment.attempts) == ("toolbox_version", 1)


class Next(ServerSpec):
    """A spec as it may be one day."""

    priority: Annotated[int, Since(WIRE_VERSION + 1, "priorities")] = 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", [WIRE_VERSION, WIRE_VERSION - 1])
def test_what_its_dtma_does_not_know_yet_is_not_asked_of_it(
    toolbox: Toolbox, make_server: Callable[..., McpServer], monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    def newer_spec(server: McpServer) -> ServerSpec:
        return Next(**dict(spec_of(server)), priority=1)

    monkeypatch.setattr(carrying_out, "spec_of", newer_spec)
    server = make_server()
    reporting(toolbox, wire_version=version)
    restart_server(owner=server.owner, server_id=server.pk)
    carry_out(deployment_id=Deployment.objects.get(kind="restart").pk)
    deployment = Deployment.objects.get(kind="restart")
    assert (deployment.status, deployment.code, deployment.attempts) == ("failed", "dtma_too_old", 1)
    assert "too old for priorities" in deployment.detail
    assert deployment.detail.endswith("Upgrade this toolbox with: make run")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", [WIRE_VERSION - 2, WIRE_VERSION - 1, WIRE_VERSION + 1, WIRE_VERSION + 2])
def test_heartbeats_of_any_version_are_taken(toolbox: Toolbox, make_server: Callable[..., McpServer], version: int) -> None:
    server = make_server()
    heartbeat = heartbeat_of(state_of(server))
    info = heartbeat.info.model_copy(update={"wire_version": version})
    assert post(toolbox, heartbeat.model_copy(update={"wire_version": version, "info": info})).status == 200
    toolbox.refresh_from_db()
    assert toolbox.info["wire_version"] == version
