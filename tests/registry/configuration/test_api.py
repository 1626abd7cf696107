"""A server's configuration through the REST API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.configuring.changes import Change
from mcp_registry.models import CatalogEntry, KeptData, McpServer
from mcp_registry.services.configuration import configure_server
from mcp_registry.services.kept_data import keep_data_of
from mcp_registry.services.servers import deploy_server
from tests.registry.configuration.canary import CANARY
from toolboxes.models import Toolbox


@pytest.fixture
def server(user: User, toolbox: Toolbox, weather: CatalogEntry) -> McpServer:
    return deploy_server(owner=user, entry=weather, toolbox=toolbox, config={"CITY": "Oslo"}, secrets={"API_KEY": CANARY})


@pytest.fixture
def kept(server: McpServer) -> KeptData:
    kept = keep_data_of(server)
    server.delete()
    return kept


def base(server: McpServer) -> str:
    return f"/api/v1/servers/{server.pk}/"


def patch(api: APIClient, server: McpServer, **body: Any) -> Any:
    return api.patch(base(server), body, format="json")


def test_a_patch_changes_what_it_names_and_takes_away_what_is_null(api: APIClient, server: McpServer) -> None:
    answer = patch(api, server, config={"CITY": "Bergen"}, overrides={"memory_mb": 256, "restart": "on_failure"}, secrets={"API_KEY": None})
    assert answer.status_code == 202, answer.data
    assert (answer.data["config"], answer.data["secrets"], answer.data["generation"]) == ({"CITY": "Bergen"}, [], 2)
    assert answer.data["overrides"] == {"memory_mb": 256, "restart": "on_failure"}
    assert patch(api, server, overrides={"memory_mb": None}).data["overrides"] == {"restart": "on_failure"}
    assert (patch(api, server, config={"CITY": "Bergen"}).status_code, patch(api, server).data["generation"]) == (200, 3)


def test_what_cannot_be_used_is_named(api: APIClient, server: McpServer) -> None:
    refused = patch(api, server, overrides={"memory_mb": 1})
    assert (refused.status_code, refused.data["code"], list(refused.data["fields"])) == (400, "invalid_overrides", ["memory_mb"])
    refused = patch(api, server, config={"CITY": None})
    assert (refused.status_code, refused.data["fields"]) == (400, {"CITY": "This setting is required."})
    assert patch(api, server, config={"CITY": ["Rome"]}).status_code == 400
    assert patch(api, server, confirm=["everything"]).status_code == 400


def test_somebody_elses_change_and_a_missing_confirmation_are_conflicts(api: APIClient, server: McpServer) -> None:
    refused = patch(api, server, overrides={"egress": "open"})
    assert (refused.status_code, refused.data["code"], list(refused.data["fields"])) == (409, "not_confirmed", ["egress"])
    assert patch(api, server, overrides={"egress": "open"}, confirm=["egress"], generation=1).status_code == 202
    late = patch(api, server, config={"CITY": "Rome"}, generation=1)
    assert (late.status_code, late.data["code"], late.data["fields"]) == (409, "changed_meanwhile", {"generation": "2"})


def test_a_preview_changes_nothing(api: APIClient, server: McpServer) -> None:
    body = {"config": {"CITY": "Bergen"}, "secrets": {"API_KEY": CANARY + "2"}, "overrides": {"egress": "open"}}
    answer = api.post(base(server) + "preview/", body, format="json")
    assert answer.status_code == 200, answer.data
    assert (answer.data["effect"], answer.data["confirm"], answer.data["changes_something"]) == ("replaced", ["egress"], True)
    assert [one["key"] for one in answer.data["differences"]] == ["config.CITY", "secrets.API_KEY", "egress"]
    assert CANARY not in str(answer.data)
    server.refresh_from_db()
    assert server.generation == 1


def test_generations_are_listed_and_gone_back_to(api: APIClient, server: McpServer) -> None:
    patch(api, server, config={"CITY": "Bergen"}, secrets={"API_KEY": "another"})
    listed = api.get(base(server) + "revisions/").data["results"]
    assert [(one["generation"], one["by"], one["secrets"]) for one in listed] == [
        (number, "ada@example.org", ["API_KEY"]) for number in (2, 1)
    ]
    assert CANARY not in str(listed)
    assert api.get(base(server) + "revisions/1/preview/").data["effect"] == "replaced"
    answer = api.post(base(server) + "rollback/", {"generation": 1, "seen": 2}, format="json")
    assert (answer.status_code, answer.data["config"], answer.data["generation"]) == (202, {"CITY": "Oslo"}, 3)
    assert api.post(base(server) + "rollback/", {"generation": 3}, format="json").status_code == 200
    assert api.post(base(server) + "rollback/", {"generation": 2, "seen": 2}, format="json").data["code"] == "changed_meanwhile"


def test_a_clone_is_another_server(api: APIClient, server: McpServer) -> None:
    answer = api.post(base(server) + "clone/", {"name": "other", "toolbox": "box"}, format="json")
    assert (answer.status_code, answer.data["name"], answer.data["secrets"]) == (201, "other", ["API_KEY"])
    assert CANARY not in str(answer.data)
    assert api.post(base(server) + "clone/", {"name": "other"}, format="json").data["code"] == "name_taken"


@pytest.mark.parametrize(("query", "keeps"), [("", False), ("?volumes=remove", False), ("?volumes=keep", True)])
def test_a_deletion_says_what_becomes_of_the_data(api: APIClient, server: McpServer, query: str, keeps: bool) -> None:
    assert api.delete(base(server) + query).status_code == 202
    server.refresh_from_db()
    assert (server.desired, server.keep_volumes) == ("absent", keeps)


def test_a_deletion_that_says_something_else_is_refused(api: APIClient, server: McpServer) -> None:
    assert api.delete(base(server) + "?volumes=all").status_code == 400
    server.refresh_from_db()
    assert server.desired == "running"


def test_what_is_kept_is_listed_and_restored(api: APIClient, kept: KeptData) -> None:
    listed = api.get("/api/v1/kept-data/").data["results"]
    assert [(one["id"], one["name"]) for one in listed] == [(str(kept.pk), "weather")]
    assert CANARY not in str(listed)
    answer = api.post(f"/api/v1/kept-data/{kept.pk}/restore/")
    assert (answer.status_code, answer.data["id"], answer.data["status"]) == (202, str(kept.pk), "preparing")


def test_what_is_kept_is_removed_for_good(api: APIClient, kept: KeptData) -> None:
    answer = api.delete(f"/api/v1/kept-data/{kept.pk}/")
    assert (answer.status_code, answer.data["status"]) == (202, "deleting")
    assert api.get("/api/v1/kept-data/").data["results"] == []


def test_none_of_it_is_there_for_another_user(stranger: User, server: McpServer, client: APIClient) -> None:
    configure_server(owner=server.owner, server_id=server.pk, change=Change(config={"CITY": "Bergen"}))
    client = APIClient()
    client.force_authenticate(stranger)
    assert client.patch(base(server), {"config": {"CITY": "Rome"}}, format="json").status_code == 404
    for route, body in (("preview/", {}), ("rollback/", {"generation": 1}), ("clone/", {})):
        assert client.post(base(server) + route, body, format="json").status_code == 404
    for route in ("revisions/", "revisions/1/preview/"):
        assert client.get(base(server) + route).status_code == 404
    keep_data_of(server)
    assert client.get("/api/v1/kept-data/").data["results"] == []
    assert client.post(f"/api/v1/kept-data/{server.pk}/restore/").status_code == 404
    assert client.delete(f"/api/v1/kept-data/{server.pk}/").status_code == 404
