"""Importing and deleting through the REST API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.adding import sources
from mcp_registry.importing.addresses import Reach
from mcp_registry.importing.fetching import fetch
from mcp_registry.models import CatalogEntry
from mcp_registry.services.own_entries import add_entry
from tests.doubles.mcp_registry import RegistryDouble, body, document, status

IMPORT = "/api/v1/catalog/import/"


def imported(api: APIClient, **given: Any) -> Any:
    return api.post(IMPORT, given, format="json")


def test_documents_are_added_each_for_itself(api: APIClient) -> None:
    answer = imported(api, documents=[document("org.example/a"), {"name": "bad"}, {"server": document("org.example/b")}], network="open")
    assert answer.status_code == 201
    assert [entry["name"] for entry in answer.data["added"]] == ["org.example/a", "org.example/b"]
    assert [one["name"] for one in answer.data["refused"]] == ["bad"]
    assert set(CatalogEntry.objects.values_list("egress", flat=True)) == {"open"}
    again = imported(api, documents=[document("org.example/a")], network="open")
    assert (again.data["added"], [entry["name"] for entry in again.data["unchanged"]]) == ([], ["org.example/a"])


def test_a_configuration_leaves_its_values_behind(api: APIClient) -> None:
    server = {"command": "uvx", "args": ["mcp-server-time==1.2.3", "--token", "canary-4711"], "env": {"KEY": "canary-4711"}}
    answer = imported(api, config={"mcpServers": {"time": server, "mine": {"command": "python", "args": ["canary-4711.py"]}}})
    assert answer.status_code == 201
    assert [(setting["key"], setting["secret"]) for setting in answer.data["added"][0]["settings"]] == [("KEY", True), ("token", True)]
    assert "canary-4711" not in json.dumps([entry.manifest for entry in CatalogEntry.objects.all()])


def test_a_package_by_its_name(api: APIClient) -> None:
    answer = imported(api, package={"kind": "npm", "name": "@example/weather", "version": "1.2.3"}, network="open")
    assert (answer.status_code, answer.data["added"][0]["name"]) == (201, "own/example-weather")
    assert imported(api, package={"kind": "oci", "name": "example/weather:1"}).status_code == 201
    without = imported(api, package={"kind": "npm", "name": "@example/weather"})
    assert (without.status_code, without.data["code"]) == (503, "no_toolbox_online")
    assert imported(api, package={"kind": "npm", "name": "@example/weather", "version": "latest"}).status_code == 400


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"url": "https://example.org", "documents": []},
        {"documents": []},
        {"documents": 7},
        {"documents": "text"},
        {"documents": None},
        {"config": {}},
        {"config": "nonsense"},
        {"config": [1]},
        {"package": {"kind": "cargo", "name": "x"}},
        {"url": "http://example.org/x"},
        {"url": "https://127.0.0.1/x"},
        {"url": "x" * 3000},
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(api: APIClient, given: dict[str, Any]) -> None:
    answer = imported(api, **given)
    assert answer.status_code == 400
    assert answer.data["detail"]
    assert not CatalogEntry.objects.exists()


def test_an_address_is_read(api: APIClient, double: RegistryDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    def near(url: str, **options: Any) -> bytes:
        return fetch(url, **options, reach=Reach(hosts=frozenset({double.host})))

    monkeypatch.setattr(sources, "fetch", near)
    url = f"{double.url}/v0.1/servers"
    double.servers = [{"server": document("org.example/a"), "_meta": {}}]
    assert imported(api, url=url).data["added"][0]["name"] == "org.example/a"
    for fault in (status(500), body("<html>"), body("x" * 5_000_000), status(302, Location="http://127.0.0.1:1/")):
        double.always = fault
        answer = imported(api, url=url)
        assert answer.status_code in (400, 503)
        assert answer.data["code"]
    assert CatalogEntry.objects.count() == 1


def test_one_deletes_what_is_ones_own(api: APIClient, user: User, stranger: User, catalog: dict[str, CatalogEntry]) -> None:
    mine, theirs = add_entry(owner=user, document=document()), add_entry(owner=stranger, document=document())
    for entry in (theirs, catalog["time"]):
        assert api.delete(f"/api/v1/catalog/{entry.pk}/").status_code == 404
    assert api.delete(f"/api/v1/catalog/{mine.pk}/").status_code == 204
    assert api.delete(f"/api/v1/catalog/{mine.pk}/").status_code == 404
    assert CatalogEntry.objects.filter(owner__isnull=False).get() == theirs


@pytest.mark.django_db
def test_nobody_imports() -> None:
    assert APIClient().post(IMPORT, {"documents": [document()]}, format="json").status_code in (401, 403)


@pytest.mark.parametrize(
    "change",
    [
        {"description": "a\x00b"},
        {"title": "\ud800"},
        {"more": 1e400},
        {"_meta": []},
        {"_meta": {"io.modelcontextprotocol.registry/publisher-provided": []}},
        {"_meta": {"io.modelcontextprotocol.registry/publisher-provided": {"agentopia": "x"}}},
        {"packages": {}},
        {"packages": [[]]},
        {"packages": [{"registryType": ["npm"]}]},
        {"repository": "https://example.org"},
        {"icons": "x"},
        {"remotes": "x"},
        {"remotes": [{"type": "sse"}]},
        {"websiteUrl": 7},
        {"name": ["a"]},
        {"version": {"a": 1}},
    ],
)
def test_nasty_documents_are_answered_and_not_stumbled_over(api: APIClient, change: dict[str, Any]) -> None:
    for path, sent in (("/api/v1/catalog/", document(**change)), (IMPORT, {"documents": document(**change)})):
        answer = api.post(path, json.dumps(sent), content_type="application/json")
        assert answer.status_code in (201, 400, 409), answer.data
