"""An entry's page: what it says, to whom, and deploying from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.models import CatalogEntry, EntryOutcome, EntryVersion, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.servers import deploy_server
from tests.conftest import reporting, server_json, with_profile
from tests.intake import enrolled
from toolboxes.models import Toolbox


def page_of(browser: Client, entry: CatalogEntry, query: str = "") -> str:
    answer = browser.get(f"/catalog/{entry.pk}/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_it_says_what_it_is_and_where_it_comes_from(browser: Client, user: User, toolbox: Toolbox) -> None:
    document = server_json(
        _meta=with_profile(license="MIT", category="science", egress="none")["_meta"],
        repository={"url": "https://git.example.org/weather", "source": "git"},
        websiteUrl="javascript:alert(1)",
    )
    entry = add_entry(owner=user, document=document)
    page = page_of(browser, entry)
    assert '<a href="https://git.example.org/weather" rel="noopener noreferrer nofollow" target="_blank">' in page
    assert "javascript:alert" not in page
    for told in ("MIT", "you alone see it", "by nobody", "<strong>no network</strong>", "keeps <strong>no data</strong>", "Science"):
        assert told in page, told


def test_the_settings_are_told_with_their_types(browser: Client, user: User, toolbox: Toolbox) -> None:
    variables = [
        {"name": "KEY", "isSecret": True, "isRequired": True},
        {"name": "SIZE", "format": "number", "default": "5"},
        {"name": "MODE", "choices": ["fast", "slow"]},
        {"name": "BASE_URL", "placeholder": "https://api.example.org"},
        {"name": "WHERE", "format": "filepath"},
        {"name": "LOUD", "format": "boolean"},
    ]
    package = {"registryType": "npm", "identifier": "w", "version": "1.0.0", "environmentVariables": variables}
    page = page_of(browser, add_entry(owner=user, document=server_json(packages=[package])))
    settings = page.split('id="entry-settings"')[1]
    for kind in ("secret", "number", "text", "address", "path", "true or false"):
        assert f'<span class="badge">{kind}</span>' in settings or kind == "text", kind
    assert "required" in settings.split("SIZE")[0]
    assert "default <code>5</code>" in settings
    assert "One of fast, slow" in settings
    form = page.split('id="deploy"')[1].split("</section>")[0]
    assert form.index("setting-KEY") < form.index('id="more"') < form.index("setting-SIZE")
    for part in ('type="password"', 'type="number"', 'type="url"', 'autocomplete="off"', "data-reveal", "data-check"):
        assert part in form, part


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("setting-BASE_URL", "api.example.org", "Write the whole address"),
        ("setting-SIZE", "big", "Enter a number."),
        ("setting-MODE", "sideways", "Select a valid choice."),
        ("name", "Not A Name", "Not a valid name."),
    ],
)
def test_a_mistake_loses_nothing_and_asks_for_secrets_again(
    browser: Client, user: User, toolbox: Toolbox, name: str, value: str, said: str
) -> None:
    variables = [
        {"name": "KEY", "isSecret": True, "isRequired": True},
        {"name": "CITY"},
        {"name": "SIZE", "format": "number"},
        {"name": "MODE", "choices": ["fast", "slow"]},
        {"name": "BASE_URL", "placeholder": "https://api.example.org"},
    ]
    package = {"registryType": "npm", "identifier": "w", "version": "1.0.0", "environmentVariables": variables}
    entry = add_entry(owner=user, document=server_json(packages=[package]))
    answer = browser.post(f"/catalog/{entry.pk}/", {"setting-KEY": "canary-4711", "setting-CITY": "Kyiv", name: value})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert 'value="Kyiv"' in page
    assert "canary-4711" not in page
    assert "Type it again: secrets are not sent back to a page." in page
    assert not McpServer.objects.exists()


def test_versions_can_be_chosen_and_deployed(browser: Client, user: User, toolbox: Toolbox) -> None:
    plain = {"registryType": "npm", "identifier": "w", "version": "1.0.0"}
    add_entry(owner=user, document=server_json(version="1.0.0", packages=[plain]))
    EntryVersion.objects.update(published_at=timezone.now() - timedelta(days=40))
    entry = add_entry(owner=user, document=server_json(version="2.0.0", packages=[{**plain, "version": "2.0.0"}]))
    page = page_of(browser, entry)
    assert "?version=1.0.0" in page
    older = page_of(browser, entry, "?version=1.0.0")
    assert "Deploy version 1.0.0" in older
    assert "The newest is 2.0.0" in older
    assert browser.post(f"/catalog/{entry.pk}/?version=1.0.0", {}).status_code == 302
    server = McpServer.objects.get()
    assert (server.version, server.manifest["packages"][0]["version"]) == ("1.0.0", "1.0.0")
    assert browser.get(f"/catalog/{entry.pk}/?version=9").status_code == 404
    assert browser.get(f"/catalog/{entry.pk}/?version=%00").status_code == 200


def test_rest_deploys_a_version(api: APIClient, catalog: dict[str, CatalogEntry], toolbox: Toolbox) -> None:
    answer = api.post("/api/v1/servers/", {"entry": "time", "version": "0.0.0"}, format="json")
    assert (answer.status_code, answer.data["code"]) == (404, "version_not_found")
    answer = api.post("/api/v1/servers/", {"entry": "time", "version": catalog["time"].version}, format="json")
    assert answer.status_code == 201


def test_it_says_where_it_would_go_and_why(browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    assert "On “box”, the only toolbox." in page_of(browser, catalog["time"])
    reporting(enrolled(Toolbox.objects.create(owner=user, name="big", provider="own_server")), memory_bytes=2**36, cpus=8)
    assert "On “big”: with 56.0 GB it has the most memory left of the 2 that it fits on." in page_of(browser, catalog["time"])


def test_what_is_advised_against_says_so(browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    entry = catalog["time"]
    CatalogEntry.objects.filter(pk=entry.pk).update(deprecated=True, deprecation="Use <Clock> instead.")
    page = page_of(browser, entry)
    assert "Use &lt;Clock&gt; instead." in page
    assert "Deprecated" in browser.get("/catalog/?search=time").content.decode()


def test_ones_own_servers_are_listed(browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    server = deploy_server(owner=user, entry=catalog["time"], toolbox=toolbox, name="my-time")
    own = page_of(browser, catalog["time"]).split('id="own-servers"')[1]
    assert f"/servers/{server.pk}/" in own


@pytest.mark.parametrize("gone", ["withdrawn", "hidden"])
def test_what_is_no_longer_offered_is_seen_by_those_who_have_servers_of_it(
    user: User, stranger: User, browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry], gone: str
) -> None:
    entry = catalog["time"]
    deploy_server(owner=user, entry=entry, toolbox=toolbox)
    CatalogEntry.objects.filter(pk=entry.pk).update(**{gone: True})
    page = page_of(browser, entry)
    assert ("It was withdrawn" if gone == "withdrawn" else "It is not offered any more") in page
    assert '<form class="card-body form"' not in page
    assert browser.post(f"/catalog/{entry.pk}/", {}, headers={"HX-Request": "true"}).headers["HX-Reswap"] == "none"
    assert McpServer.objects.count() == 1
    other = Client()
    other.force_login(stranger)
    assert other.get(f"/catalog/{entry.pk}/").status_code == 404


def test_others_and_nobody_do_not_see_a_private_entry(stranger: User, browser: Client, weather: CatalogEntry, api: APIClient) -> None:
    other = Client()
    other.force_login(stranger)
    path = f"/catalog/{weather.pk}/"
    assert browser.get(path).status_code == 200
    assert (other.get(path).status_code, other.post(path, {}).status_code) == (404, 404)
    assert (Client().get(path).status_code, Client().get("/catalog/").status_code) == (302, 302)
    assert "weather" not in other.get("/catalog/?search=weather").content.decode().replace("“weather”", "").replace('value="weather"', "")
    assert api.get(f"/api/v1{path}").status_code == 200
    CatalogEntry.objects.update(published_at=timezone.now())
    page = other.get(path).content.decode()
    assert "a user of this Agentopia" in page
    assert "ada@example.org" not in page
    assert "Weather" in other.get("/catalog/?origin=shared").content.decode()
    CatalogEntry.objects.update(hidden=True)
    assert (other.get(path).status_code, browser.get(path).status_code) == (404, 404)
    assert api.get(f"/api/v1/catalog/{uuid4()}/").status_code == 404


def test_as_many_queries_for_many_rows_as_for_few(
    browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry], make_server: Callable[..., McpServer]
) -> None:
    entry = catalog["everything"]

    def queries() -> int:
        page_of(browser, entry)
        with CaptureQueriesContext(connection) as captured:
            page_of(browser, entry)
        return len(captured)

    make_server()
    before = queries()
    for number in range(5):
        make_server()
        EntryOutcome.objects.create(entry=entry, version="1", succeeded=True, seconds=number)
        EntryVersion.objects.create(entry=entry, version=f"0.{number}", manifest=entry.manifest)
    assert queries() == before
