"""Deploying through the REST API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import CatalogEntry, Deployment, McpServer
from tests.conftest import reporting
from tests.intake import enrolled
from toolboxes.models import Toolbox

SERVERS = "/api/v1/servers/"


def test_one_click(api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    answer = api.post(SERVERS, {"entry": "time"}, format="json")
    assert answer.status_code == 201
    assert (answer.data["name"], answer.data["status"], answer.data["toolbox"]) == ("time", "preparing", str(toolbox.pk))
    deployment = Deployment.objects.get(server=answer.data["id"])
    assert (deployment.kind, deployment.status, deployment.generation) == ("deploy", "queued", 1)


@pytest.mark.parametrize("key", ["slug", "name", "pk"])
def test_an_entry_is_found_by_id_name_or_slug(api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry], key: str) -> None:
    entry = catalog["memory"]
    assert api.post(SERVERS, {"entry": str(getattr(entry, key))}, format="json").data["entry"] == str(entry.pk)


def test_names_are_numbered_when_left_out(api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    assert [api.post(SERVERS, {"entry": "time"}, format="json").data["name"] for _ in range(3)] == ["time", "time-2", "time-3"]


def test_a_name_taken(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    make_server(name="mine")
    answer = api.post(SERVERS, {"entry": "time", "name": "mine"}, format="json")
    assert (answer.status_code, answer.data["code"]) == (409, "name_taken")
    assert "Choose another name" in answer.data["detail"]
    assert McpServer.objects.count() == 1


def test_two_users_may_use_one_name(api: APIClient, make_server: Callable[..., McpServer], stranger: User) -> None:
    mine = make_server(name="mine")
    McpServer.objects.filter(pk=mine.pk).update(owner=stranger)
    assert api.post(SERVERS, {"entry": "time", "name": "mine"}, format="json").status_code == 201


@pytest.mark.parametrize("name", ["Mine", "a b", "-a", "a-", "ü", "a" * 64, "../a", "a\n"])
def test_a_name_that_cannot_be_one(api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry], name: str) -> None:
    answer = api.post(SERVERS, {"entry": "time", "name": f"{name}" if name != "a\n" else "a\nb"}, format="json")
    assert answer.status_code == 400
    assert "name" in answer.data["fields"]


def test_a_required_setting_left_out(api: APIClient, toolbox: Toolbox, weather: CatalogEntry) -> None:
    answer = api.post(SERVERS, {"entry": "weather"}, format="json")
    assert (answer.status_code, answer.data["code"]) == (400, "invalid_settings")
    assert answer.data["fields"] == {"CITY": "This setting is required."}
    assert not McpServer.objects.exists()


def test_secrets_are_stored_encrypted_and_never_shown(api: APIClient, toolbox: Toolbox, weather: CatalogEntry) -> None:
    body = {"entry": "weather", "config": {"CITY": "Rome"}, "secrets": {"API_KEY": "canary-4711"}}
    answer = api.post(SERVERS, body, format="json")
    assert answer.data["secrets"] == ["API_KEY"]
    assert "canary-4711" not in answer.content.decode() + api.get(f"{SERVERS}{answer.data['id']}/").content.decode()
    stored = McpServer.objects.raw("SELECT id, secrets::text AS raw FROM mcp_registry_mcpserver")[0]
    assert "canary" not in stored.raw
    assert stored.secrets == {"API_KEY": "canary-4711"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"entry": "nothing-like-it"}, 404, "entry_not_found"),
        ({"entry": "time", "toolbox": "nowhere"}, 404, "toolbox_not_found"),
        ({"entry": "time", "package": 7}, 400, "invalid"),
        ({"entry": "time", "config": "x"}, 400, "invalid"),
        ({"entry": "time", "config": {"local-timezone": ["x"]}}, 400, "invalid"),
        ({"entry": "time", "config": {"TZ": "x"}}, 400, "invalid_settings"),
        ({"entry": "git", "shared_volumes": {"nothing": "work"}}, 400, "invalid_volumes"),
    ],
)
def test_bad_requests_store_nothing(
    api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry], body: object, status: int, code: str
) -> None:
    answer = api.post(SERVERS, body, format="json")
    assert (answer.status_code, answer.data["code"]) == (status, code)
    assert answer.data["detail"]
    assert not McpServer.objects.exists()


def test_without_a_toolbox(api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    answer = api.post(SERVERS, {"entry": "time"}, format="json")
    assert (answer.status_code, answer.data["code"]) == (404, "toolbox_not_found")


def test_another_users_toolbox(api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry], stranger: User) -> None:
    Toolbox.objects.filter(pk=toolbox.pk).update(owner=stranger)
    assert api.post(SERVERS, {"entry": "time", "toolbox": str(toolbox.pk)}, format="json").status_code == 404


def test_another_users_entry(api: APIClient, toolbox: Toolbox, weather: CatalogEntry, stranger: User) -> None:
    CatalogEntry.objects.filter(pk=weather.pk).update(owner=stranger)
    assert api.post(SERVERS, {"entry": str(weather.pk), "config": {"CITY": "Rome"}}, format="json").status_code == 404


def test_one_of_several_toolboxes_can_be_named(api: APIClient, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    second = reporting(enrolled(Toolbox.objects.create(owner=toolbox.owner, name="second", provider="own_server")))
    assert api.post(SERVERS, {"entry": "time", "toolbox": "second"}, format="json").data["toolbox"] == str(second.pk)
