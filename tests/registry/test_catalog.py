"""The catalogue through the REST API."""

from __future__ import annotations

from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import CatalogEntry
from mcp_registry.services.catalog import load_shipped_catalog
from tests.conftest import server_json

CATALOG = "/api/v1/catalog/"


def names(answer: object) -> list[str]:
    return [entry["slug"] for entry in answer.data["results"]]  # type: ignore[attr-defined]


def test_search_finds_words_and_beginnings_and_puts_the_exact_name_first(api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    assert names(api.get(CATALOG, {"search": "everything"})) == ["everything", "everything-http"]
    assert "sqlite" in names(api.get(CATALOG, {"search": "sql data"}))
    assert "memory" in names(api.get(CATALOG, {"search": "graph"}))
    assert names(api.get(CATALOG, {"search": "no such thing"})) == []


def test_search_survives_anything_typed(api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    for typed in ("'", "a & | !", "(((", ":*", "%", "\\", "-- ;", "<script>", "日本", "a" * 500):
        assert api.get(CATALOG, {"search": typed}).status_code == 200


def test_an_entry_of_ones_own(api: APIClient) -> None:
    answer = api.post(CATALOG, server_json(), format="json")
    assert answer.status_code == 201
    assert (answer.data["mine"], [setting["key"] for setting in answer.data["settings"]]) == (True, ["CITY", "API_KEY"])
    assert names(api.get(CATALOG, {"search": "weather"})) == ["weather"]


def test_the_same_version_again_is_refused_and_a_new_one_replaces(api: APIClient) -> None:
    api.post(CATALOG, server_json(), format="json")
    assert api.post(CATALOG, server_json(), format="json").data["code"] == "entry_exists"
    assert api.post(CATALOG, server_json(version="2.0.0"), format="json").data["version"] == "2.0.0"
    assert CatalogEntry.objects.count() == 1


def test_what_is_no_server_json_is_refused_with_its_reasons(api: APIClient) -> None:
    answer = api.post(CATALOG, {"name": "x"}, format="json")
    assert (answer.status_code, answer.data["code"]) == (400, "invalid_manifest")
    assert {"name", "packages", "description", "version"} <= set(answer.data["fields"])
    assert api.post(CATALOG, "[not json", content_type="application/json").status_code == 400


def test_entries_of_others_are_not_seen(api: APIClient, weather: CatalogEntry, stranger: User) -> None:
    CatalogEntry.objects.filter(pk=weather.pk).update(owner=stranger)
    assert names(api.get(CATALOG)) == []


def test_loading_the_shipped_catalog_again_changes_nothing(db: None) -> None:
    assert load_shipped_catalog() == load_shipped_catalog() == CatalogEntry.objects.count()
