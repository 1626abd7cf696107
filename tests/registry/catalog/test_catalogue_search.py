"""What is found by what people type."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import CatalogEntry
from mcp_registry.services.catalog import add_entry
from tests.conftest import server_json
from toolboxes.models import Toolbox

CATALOG = "/api/v1/catalog/"


def found(api: APIClient, search: str, **more: str) -> list[str]:
    answer = api.get(CATALOG, {"search": search, "limit": "500", **more})
    assert answer.status_code == 200
    return [entry["slug"] for entry in answer.data["results"]]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("everything", "everything"),
        ("sqlite", "sqlite"),
        ("Notion", "notion"),
        ("noti", "notion"),  # while one types
        ("brave search", "brave-search"),
        ("mcp server for notion", "notion"),  # what every entry is says nothing
        ("the time", "time"),
        ("mcp-server-git", "git"),  # a package's name
        ("@notionhq/notion-mcp-server", "notion"),
        ("version control", "git"),  # a tag
        ("commits", "git"),
        ("queries to SQLite", "sqlite"),
        ("figm", "figma"),
    ],
)
def test_what_is_meant_comes_first(api: APIClient, catalog: dict[str, CatalogEntry], typed: str, first: str) -> None:
    assert found(api, typed)[:1] == [first]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(("githb", "github"), ("notoin", "notion"), ("sqltie", "sqlite"), ("mongdb", "mongodb"), ("wikipeda", "wikipedia")),
        *(("filesytem", "filesystem"), ("perplexty", "perplexity"), ("postgers", "postgres"), ("slcak", "slack")),
    ],
)
def test_a_slip_of_typing_is_forgiven(api: APIClient, browser: Client, catalog: dict[str, CatalogEntry], typed: str, meant: str) -> None:
    assert found(api, typed)[0] == meant
    page = browser.get("/catalog/", {"search": typed}).content.decode()
    assert f"Nothing has “{typed}” in it. This is what comes near." in page


def test_parts_of_a_title_and_words_of_a_category_are_found(api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    assert {"mysql", "postgres", "sqlite"} <= set(found(api, "sql"))
    assert {"mongodb", "sqlite"} <= set(found(api, "database"))
    assert {"mongodb", "sqlite"} <= set(found(api, "databse"))


def test_a_word_is_found_at_each_of_its_letters(api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    word = "repositories"  # stems and beginnings disagree: “repositor” is neither
    for length in range(3, len(word) + 1):
        assert "git" in found(api, word[:length]), word[:length]


def test_the_prefix_of_most_names_is_not_what_is_searched_for(api: APIClient, user: User) -> None:
    for number in range(3):
        add_entry(owner=user, document=server_json(name=f"io.github.somebody/thing-{number}"))
    add_entry(owner=user, document=server_json(name="io.github.somebody/gh", title="GitHub"))
    assert found(api, "github") == ["gh"]
    assert len(found(api, "somebody")) == 4


def test_tools_are_found_by_their_words(api: APIClient, weather: CatalogEntry) -> None:
    CatalogEntry.objects.filter(pk=weather.pk).update(tool_names="forecast hourly precipitation")
    assert found(api, "precipitation") == ["weather"]


def test_what_all_entries_are_finds_all(api: APIClient, catalog: dict[str, CatalogEntry]) -> None:
    assert len(found(api, "mcp server")) == len(catalog)


NASTY = (
    *(
        "'",
        '"',
        "a & | !",
        "(((",
        ":*",
        "a:*",
        "%",
        "_",
        "\\",
        "-- ;",
        "<script>alert(1)</script>",
        "日本",
        "é",
        "ﬁ",
        "ⅷ²",
        "\u202e",
        "😀",
        "\0",
    ),
    *("a" * 5000, "a " * 3000, "!" * 500, "' OR 1=1 --", "{}", "%s %(x)s", "&search=", "1e999", "0x41", "...", "-", "a'b'c", "ǅ", "\u0301"),
)


@pytest.mark.parametrize("typed", NASTY, ids=range(len(NASTY)))
def test_nothing_that_is_typed_is_an_error(browser: Client, api: APIClient, catalog: dict[str, CatalogEntry], typed: str) -> None:
    for given in ({"search": typed}, {"search": typed, "category": typed, "sort": typed, "page": typed, "runtime": typed}):
        page = browser.get("/catalog/", given)
        assert page.status_code == 200
        assert "<script>alert" not in page.content.decode()
        assert api.get(CATALOG, given).status_code == 200


def test_the_fragment_says_how_many_and_which_address_it_has(browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    part = browser.get(
        "/catalog/", {"search": "sqlite", "sort": "best", "page": "1"}, headers={"HX-Request": "true", "HX-Target": "results"}
    )
    text = part.content.decode()
    assert part.headers["HX-Replace-Url"] == "/catalog/?search=sqlite"
    assert "<html" not in text
    assert '<p id="found-count" hx-swap-oob="innerHTML">1 entry for “sqlite”' in text
    assert "HX-Target" in part.headers["Vary"]


def test_the_start_shows_what_is_featured_and_the_categories(browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    CatalogEntry.objects.filter(slug="git").update(featured=True)
    start = browser.get("/catalog/").content.decode()
    featured = start.split('id="featured"')[1].split('id="categories"')[0]
    assert "Deploy Git" in featured
    assert "?category=databases" in start
    assert 'id="featured"' not in browser.get("/catalog/?search=git").content.decode()


def test_a_search_without_results_says_what_to_do(browser: Client, catalog: dict[str, CatalogEntry]) -> None:
    page = browser.get("/catalog/", {"search": "zzyzxqqq"}).content.decode()
    assert "Nothing is called that" in page
    assert "Show all entries" in page
