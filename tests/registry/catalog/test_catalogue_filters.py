"""The filters, their counts, the order and the pages of the catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.browsing.query import FACETS, CatalogQuery
from mcp_registry.browsing.results import PER_PAGE, catalogue
from mcp_registry.models import CatalogEntry
from mcp_registry.services.catalog import add_entry
from tests.conftest import reporting, server_json, with_profile
from tests.intake import enrolled
from toolboxes.models import Toolbox


def shown(user: User, query: str) -> dict[str, Any]:
    return catalogue(user, CatalogQuery.parse(QueryDict(query)))


def counts(context: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {facet.key: {choice.value: choice.count for choice in facet.choices} for facet in context["facets"]}


def slugs(context: dict[str, Any]) -> list[str]:
    return [entry.slug for entry in context["entries"]]


@pytest.fixture
def some(user: User) -> dict[str, CatalogEntry]:
    """Four entries that differ in what can be filtered by."""
    secret = {"name": "TOKEN", "isRequired": True, "isSecret": True}
    packages = {
        "plain": {"registryType": "npm", "identifier": "plain", "version": "1.0.0"},
        "secret": {"registryType": "pypi", "identifier": "secret", "version": "1.0.0", "environmentVariables": [secret]},
        "image": {"registryType": "oci", "identifier": "example.org/image:1"},
        "http": {
            "registryType": "npm",
            "identifier": "http",
            "version": "1.0.0",
            "transport": {"type": "streamable-http", "url": "http://localhost:1/mcp"},
        },
    }
    category = {"plain": "web", "secret": "web", "image": "files", "http": ""}
    made = {}
    for name, package in packages.items():
        meta = with_profile(category=category[name])["_meta"]
        made[name] = add_entry(owner=user, document=server_json(name=f"org.example/{name}", packages=[package], _meta=meta))
    CatalogEntry.objects.filter(slug="image").update(verified_at=timezone.now())
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("category=web", ["plain", "secret"]),
        ("category=web&category=files", ["image", "plain", "secret"]),
        ("runtime=npm", ["http", "plain"]),
        ("runtime=npm&transport=stdio", ["plain"]),
        ("trust=verified", ["image"]),
        ("secret=yes", ["secret"]),
        ("secret=yes&secret=no", ["http", "image", "plain", "secret"]),
        ("setup=none", ["http", "image", "plain"]),
        ("origin=mine", ["http", "image", "plain", "secret"]),
        ("origin=registry", []),
        ("category=web&runtime=oci", []),
        ("search=plain&category=web", ["plain"]),
        ("nonsense=1&runtime=cobol", ["http", "image", "plain", "secret"]),
    ],
)
def test_filters(user: User, some: dict[str, CatalogEntry], query: str, expected: list[str]) -> None:
    context = shown(user, f"{query}&sort=name")
    assert slugs(context) == expected
    assert context["total"] == len(expected)


def test_counts_are_given_the_other_filters(user: User, some: dict[str, CatalogEntry]) -> None:
    told = counts(shown(user, "category=web"))
    assert told["category"] == {"files": 1, "web": 2}, "its own values: what choosing them as well would bring"
    assert told["runtime"] == {"npm": 1, "pypi": 1, "nuget": 0, "oci": 0}
    assert told["secret"] == {"yes": 1, "no": 1}
    both = counts(shown(user, "category=web&runtime=npm"))
    assert both["category"] == {"files": 0, "web": 1}
    assert both["runtime"] == {"npm": 1, "pypi": 1, "nuget": 0, "oci": 0}
    searched = counts(shown(user, "search=image"))
    assert searched["category"] == {"files": 1, "web": 0}, "the same filters stay, so that nothing moves"


def test_each_count_is_what_choosing_it_shows(user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    for start in ("", "search=data", "search=databse"):
        for key, values in counts(shown(user, start)).items():
            for value, count in values.items():
                assert shown(user, f"{start}&{key}={value}")["total"] == count, (start, key, value)


def test_what_fits_is_what_placement_says(user: User, some: dict[str, CatalogEntry]) -> None:
    assert "fits" not in counts(shown(user, "")), "there is no toolbox"
    small = enrolled(Toolbox.objects.create(owner=user, name="small", provider="own_server"))
    reporting(small, memory_bytes=2**30, cpus=1)
    CatalogEntry.objects.filter(slug="plain").update(memory_mb=4096)
    CatalogEntry.objects.filter(slug="http").update(cpus=2)
    assert slugs(shown(user, "fits=yes&sort=name")) == ["image", "secret"]
    assert counts(shown(user, ""))["fits"] == {"yes": 2}
    big = enrolled(Toolbox.objects.create(owner=user, name="big", provider="own_server"))
    reporting(big, memory_bytes=2**34, cpus=4)
    assert counts(shown(user, ""))["fits"] == {"yes": 4}


def test_sorting(user: User, some: dict[str, CatalogEntry]) -> None:
    for days, slug in enumerate(("secret", "image", "plain", "http")):
        CatalogEntry.objects.filter(slug=slug).update(created_at=timezone.now() - timedelta(days=days), deployed_count=days)
    assert slugs(shown(user, "sort=newest")) == ["secret", "image", "plain", "http"]
    assert slugs(shown(user, "sort=deployed")) == ["http", "plain", "image", "secret"]
    assert slugs(shown(user, "sort=name")) == ["http", "image", "plain", "secret"]
    assert slugs(shown(user, ""))[0] == "image", "it is verified"
    CatalogEntry.objects.filter(slug="image").update(deprecated=True)
    assert slugs(shown(user, ""))[-1] == "image"


def test_pages(user: User, browser: Client, toolbox: Toolbox) -> None:
    for number in range(PER_PAGE + 2):
        add_entry(owner=user, document=server_json(name=f"org.example/e{number:02}"))
    assert len(shown(user, "")["entries"]) == PER_PAGE
    assert slugs(shown(user, "sort=name&page=2")) == [f"e{PER_PAGE}", f"e{PER_PAGE + 1}"]
    page = browser.get("/catalog/?sort=name&page=2&setup=none&category=x").content.decode()
    assert "Nothing is called that" in page
    assert "?sort=name&amp;page=1" in browser.get("/catalog/?sort=name&page=2").content.decode()
    assert len(shown(user, "page=999")["entries"]) == 2, "the last one"


def test_the_query_string_says_what_is_asked_for_and_no_more() -> None:
    given = "search=a%20b&category=web&category=files&runtime=npm&sort=name&page=3"
    query = CatalogQuery.parse(QueryDict(given))
    assert query.encoded == given
    assert CatalogQuery.parse(QueryDict("search=&sort=best&page=1&x=y")).encoded == ""
    assert CatalogQuery.parse(QueryDict("&".join(f"category=c{n}" for n in range(500)))).encoded.count("category=") == 20


def test_rest_has_the_same_filters(api: APIClient, some: dict[str, CatalogEntry]) -> None:
    answer = api.get("/api/v1/catalog/", {"category": ["web", "files"], "secret": "no", "sort": "name", "limit": "1"})
    assert (answer.data["count"], [entry["slug"] for entry in answer.data["results"]]) == (2, ["image"])
    assert {"origin", "verified", "needs_secret", "deployed_count", "category"} <= set(answer.data["results"][0])
    schema = api.get("/api/schema/?format=json").json()
    named = {parameter["name"] for parameter in schema["paths"]["/api/v1/catalog/"]["get"]["parameters"]}
    assert set(FACETS) | {"search", "sort", "limit", "offset"} <= named


@pytest.mark.parametrize("profile", [{"category": "c" * 41}, {"license": "l" * 101}, {"tags": ["t"] * 31}, {"tags": ["t" * 61]}])
def test_what_no_column_could_hold_is_refused(api: APIClient, profile: dict[str, Any]) -> None:
    answer = api.post("/api/v1/catalog/", with_profile(**profile), format="json")
    assert (answer.status_code, answer.data["code"]) == (400, "invalid_manifest")


def test_a_category_may_hold_what_separates_the_filters(user: User) -> None:
    add_entry(owner=user, document=with_profile(category="a|b"))
    assert counts(shown(user, "category=a%7Cb"))["category"] == {"a|b": 1}
