"""The pages to add entries of one's own, as their user, as another user, and as nobody."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEvent, User
from agentopia.lib.errors import NotFound
from dtma_wire import PackageInfo
from mcp_registry.adding import sources, views
from mcp_registry.importing import lookup
from mcp_registry.manifest import Manifest
from mcp_registry.models import CatalogEntry, McpServer
from mcp_registry.services.own_entries import add_entry
from mcp_registry.services.servers import deploy_server
from tests.conftest import server_json
from tests.doubles.mcp_registry import document
from toolboxes.identity.control_plane import control_plane
from toolboxes.models import Toolbox

CANARY = "canary-4711"
ADD = "/catalog/add/"
ENTRY = {
    "kind": "npm", "identifier": "@example/weather", "version": "1.2.3", "title": "Weather", "description": "Tells the weather.",
    "network": "allowlist", "hosts": "api.example.org\r\n*.example.net:8443\r\n", "arguments": "--verbose\n--mode=fast",
    "volumes": "data:/data",
    "memory_mb": "256", "transport": "stdio", "url": "", "license": "MIT", "homepage": "https://example.org",
    "variables-TOTAL_FORMS": "3", "variables-INITIAL_FORMS": "0",
    "variables-0-name": "API_KEY", "variables-0-description": "From your account.", "variables-0-required": "on",
    "variables-0-secret": "on",
    "variables-1-name": "UNIT", "variables-2-name": "",
}  # fmt: skip

REMOTE = {
    "name": "org.example/remote",
    "description": "Elsewhere.",
    "version": "1",
    "remotes": [{"type": "sse", "url": "https://mcp.example.org/sse"}],
}


def only() -> CatalogEntry:
    return CatalogEntry.objects.get()


@pytest.mark.parametrize("way", ["", "image/", "document/", "configuration/"])
def test_each_way_has_a_page(browser: Client, way: str) -> None:
    page = browser.get(ADD + way).content.decode()
    assert page.count('aria-current="page"') >= 2, "the tab and the breadcrumb"
    assert "<h1>Add an entry</h1>" in page


def test_the_catalogue_leads_there(browser: Client) -> None:
    assert f'href="{ADD}"' in browser.get("/catalog/").content.decode()


def test_a_package_without_a_toolbox_online_has_its_version_typed(browser: Client) -> None:
    page = browser.post(ADD, {"kind": "npm", "identifier": "npx -y @example/weather", "version": ""}).content.decode()
    assert "No toolbox of yours is online" in page
    assert "by hand" in page
    assert 'value="@example/weather"' in page


def test_a_toolbox_that_does_not_answer_is_told(browser: Client, toolbox: Toolbox) -> None:
    control_plane()  # another thread, which looks it up otherwise, does not see this test's transaction
    page = browser.post(ADD, {"kind": "pypi", "identifier": "mcp-server-time"}).content.decode()
    assert "does not answer" in page


def test_what_is_looked_up_fills_the_form(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    told = PackageInfo(name="mcp-x", version="2.0.1", versions=("2.0.1", "2.0.0"), description="Does <x>.", license="MIT")
    monkeypatch.setattr(views, "look_up", lambda user, kind, name: told)
    page = browser.post(ADD, {"kind": "pypi", "identifier": "mcp-x"}).content.decode()
    assert 'value="2.0.1"' in page
    assert "Does &lt;x&gt;." in page
    assert "2.0.0" in page


def test_an_unknown_package_is_said_at_its_field(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user: User, kind: str, name: str) -> PackageInfo:
        raise NotFound("There is no package “nope”.")

    monkeypatch.setattr(views, "look_up", unknown)
    answer = browser.post(ADD, {"kind": "npm", "identifier": "nope"})
    assert answer.status_code == 422
    assert "There is no package “nope”." in answer.content.decode()


def test_the_form_of_an_entry_becomes_a_document(browser: Client, user: User) -> None:
    answer = browser.post(f"{ADD}entry/", ENTRY)
    entry = only()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/catalog/{entry.pk}/")
    assert (entry.owner, entry.origin, entry.published_at, entry.license) == (user, "user", None, "MIT")
    manifest = Manifest.model_validate(entry.manifest)
    package, profile = manifest.packages[0], manifest.profile
    assert [(one.name, one.is_required, one.is_secret) for one in package.environment_variables] == [
        ("API_KEY", True, True),
        ("UNIT", False, False),
    ]
    assert [argument.value for argument in package.package_arguments] == ["--verbose", "--mode=fast"]
    assert (profile.egress.value, [host.port for host in profile.hosts], profile.memory_mb) == ("allowlist", [443, 8443], 256)
    assert [(volume.name, volume.path) for volume in profile.volumes] == [("data", "/data")]
    event = AuditEvent.objects.get(action="entry.added")
    assert (event.target_id, event.owner_id) == (str(entry.pk), user.pk)


def test_an_image_needs_no_version(browser: Client) -> None:
    page = browser.post(f"{ADD}image/", {"identifier": "docker pull ghcr.io/example/weather:1.2"}).content.decode()
    assert 'value="ghcr.io/example/weather:1.2"' in page
    browser.post(f"{ADD}entry/", {**ENTRY, "kind": "oci", "identifier": "ghcr.io/example/weather:1.2", "version": "", "title": ""})
    entry = only()
    assert (entry.runtime, entry.version, entry.title, entry.name) == ("oci", "1.2", "Weather", "own/example-weather")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": "latest"}, "one exact version"),
        ({"version": ""}, "one exact version"),
        ({"version": "1.x"}, "one exact version"),
        ({"identifier": "$(id)"}, "cannot be the name"),
        ({"hosts": ""}, "needs hosts"),
        ({"hosts": "no host!"}, "should match pattern"),
        ({"volumes": "/etc:/etc"}, "mounts files of the machine"),
        ({"volumes": "data:relative"}, "no folder of a container"),
        ({"memory_mb": "1"}, "greater than or equal to 32"),
        ({"transport": "sse"}, "needs the URL"),
        ({"variables-0-name": "A B"}, "Letters, digits and underscores"),
        ({"variables-1-name": "API_KEY"}, "the same name"),
        ({"kind": "cargo"}, "do not run on a toolbox"),
        ({"network": "everything"}, "valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_that_was_typed_is_lost(browser: Client, change: dict[str, str], told: str) -> None:
    answer = browser.post(f"{ADD}entry/", {**ENTRY, **change})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert told in page
    assert 'value="From your account."' in page
    assert not CatalogEntry.objects.exists()


def test_more_rows_can_be_had_without_script(browser: Client) -> None:
    answer = browser.post(f"{ADD}entry/", {**ENTRY, "more": "1"})
    assert answer.status_code == 200
    assert 'name="variables-5-name"' in answer.content.decode()
    assert not CatalogEntry.objects.exists()


def reviewed(page: str) -> list[Any]:
    """The documents that a page of review carries along."""
    found = re.search(r'name="documents" value="([^"]*)"', page)
    assert found is not None, page
    return json.loads(html.unescape(found[1]))  # type: ignore[no-any-return]


def test_documents_are_looked_through_and_added(browser: Client) -> None:
    package = document()["packages"][0]
    bad = {**document("org.example/bad"), "packages": [{**package, "version": "latest"}]}
    content = json.dumps([document(), bad, REMOTE]).encode()
    page = browser.post(f"{ADD}document/", {"file": SimpleUploadedFile("servers.json", content)}).content.decode()
    assert "2 can be added" in page
    assert "one exact version" in page
    assert "This server runs at https://mcp.example.org/sse" in page
    documents = reviewed(page)
    answer = browser.post(f"{ADD}review/", {"documents": json.dumps(documents), "take": ["0", "1"], "network-0": "open"})
    assert answer.headers["Location"] == "/catalog/"
    told = {entry.name: (entry.deployable, entry.egress) for entry in CatalogEntry.objects.all()}
    assert told == {"org.example/weather": (True, "open"), "org.example/remote": (False, "none")}


def test_what_runs_elsewhere_is_shown_and_not_deployed(browser: Client, user: User, toolbox: Toolbox) -> None:
    entry = add_entry(owner=user, document=REMOTE)
    assert "https://mcp.example.org/sse" in browser.get(f"/catalog/{entry.pk}/").content.decode()
    answer = browser.post(f"/catalog/{entry.pk}/", headers={"HX-Request": "true"})
    assert "there is no package of it to deploy" in answer.content.decode()
    assert not McpServer.objects.exists()
    assert (
        "org.example/remote" in browser.get("/catalog/?search=elsewhere").content.decode()
        or entry.title in browser.get("/catalog/").content.decode()
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Give a file, an address, or the text."),
        ({"text": "{}", "address": "https://example.org"}, "Give one of them"),
        ({"text": "no json"}, "is not JSON"),
        ({"text": "[" * 100_000}, "is not JSON that can be used"),
        ({"text": '{"mcpServers": {}}'}, "configuration of a client"),
        ({"text": "[]"}, "no server.json in it"),
        ({"address": "https://127.0.0.1/server.json"}, "inside a private network"),
        ({"address": "https://localhost/server.json"}, "inside a private network"),
        ({"address": "http://example.org/server.json"}, "begin with https://"),
        ({"address": "file:///etc/passwd"}, "no address"),
    ],
)
def test_what_is_no_document_is_said(browser: Client, given: dict[str, str], told: str) -> None:
    answer = browser.post(f"{ADD}document/", given)
    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_nothing_of_a_document_is_rendered_as_markup(browser: Client, user: User) -> None:
    evil = '<script>alert("x")</script>'
    package = {
        **document()["packages"][0],
        "environmentVariables": [{"name": "A", "description": evil, "placeholder": evil, "default": evil}],
    }
    given = document(
        title=evil,
        description=evil,
        packages=[package],
        websiteUrl="javascript:alert(1)",
        repository={"url": "data:text/html,x", "source": evil},
    )
    page = browser.post(f"{ADD}document/", {"text": json.dumps(given)}).content.decode()
    assert "<script>alert" not in page
    browser.post(f"{ADD}review/", {"documents": json.dumps(reviewed(page)), "take": "0"})
    entry = only()
    shown = browser.get(f"/catalog/{entry.pk}/").content.decode() + browser.get("/catalog/").content.decode()
    assert "<script>alert" not in shown
    assert "javascript:alert" not in shown
    assert "data:text/html" not in shown
    assert (entry.website_url, entry.repository_url) == ("", "")


CONFIGURATION = """{ // of my editor
  "mcpServers": {
    "time": {"command": "uvx", "args": ["mcp-server-time==2026.10.19"], "env": {"API_TOKEN": "canary-4711", "CITY": "canary-4711"},},
    "mine": {"command": "node", "args": ["/home/me/server.js"]},
    "far": {"url": "https://mcp.example.org/mcp", "headers": {"Authorization": "Bearer canary-4711"}},
    "unpinned": {"command": "npx", "args": ["-y", "@example/x"]},
  },
}"""


def test_a_configuration_is_looked_through_and_its_values_are_not_kept(browser: Client) -> None:
    page = browser.post(f"{ADD}configuration/", {"text": CONFIGURATION}).content.decode()
    assert CANARY not in page
    assert "2 can be added" in page
    assert "It starts a program of your own machine" in page
    assert "No toolbox of yours is online" in page, "for what has no version"
    browser.post(f"{ADD}review/", {"documents": json.dumps(reviewed(page)), "take": ["0", "1"], "network-0": "none"})
    assert {entry.slug: entry.needs_secret for entry in CatalogEntry.objects.all()} == {"time": True, "far": False}
    assert CANARY not in json.dumps([entry.manifest for entry in CatalogEntry.objects.all()])
    assert CANARY not in repr(list(AuditEvent.objects.values()))


def test_a_configurations_versions_are_looked_up(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    told = PackageInfo(name="@example/x", version="3.2.1", versions=("3.2.1",), description="Does x.", license="MIT")
    monkeypatch.setattr(sources, "look_up_all", lambda user, wanted: dict.fromkeys(wanted, told))
    page = browser.post(f"{ADD}configuration/", {"text": CONFIGURATION}).content.decode()
    assert "@example/x 3.2.1" in page
    assert "3 can be added" in page


def test_what_is_no_configuration_is_said(browser: Client) -> None:
    answer = browser.post(f"{ADD}configuration/", {"text": '{"a": 1}'})
    assert answer.status_code == 422
    assert "There is no server in it" in answer.content.decode()


def test_nothing_ticked_shows_the_review_again(browser: Client) -> None:
    answer = browser.post(f"{ADD}review/", {"documents": json.dumps([document()])})
    assert (answer.status_code, "Tick at least one" in answer.content.decode()) == (422, True)


@pytest.mark.parametrize("documents", ["", "x", "{}", "[1, null]", json.dumps([{}] * 500)])
def test_a_review_that_was_tampered_with_harms_nothing(browser: Client, documents: str) -> None:
    answer = browser.post(f"{ADD}review/", {"documents": documents, "take": ["0", "9", "-1", "x"]})
    assert answer.status_code in (302, 400, 422)
    assert not CatalogEntry.objects.exists()


def test_an_entry_of_ones_own_is_edited_into_a_new_version(browser: Client, user: User) -> None:
    browser.post(f"{ADD}entry/", ENTRY)
    entry = only()
    page = browser.get(f"/catalog/{entry.pk}/edit/").content.decode()
    assert 'value="1.2.3-2"' in page
    assert "*.example.net:8443" in page
    answer = browser.post(f"/catalog/{entry.pk}/edit/", {**ENTRY, "title": "Sky", "network": "open", "entry_version": "1.2.3-2"})
    assert answer.status_code == 302
    entry.refresh_from_db()
    assert (entry.title, entry.version, entry.egress, entry.versions.count()) == ("Sky", "1.2.3-2", "open", 2)
    again = browser.post(f"/catalog/{entry.pk}/edit/", {**ENTRY, "entry_version": "1.2.3-2"})
    assert (again.status_code, "Give it another version" in again.content.decode()) == (422, True)
    assert AuditEvent.objects.filter(action="entry.changed").get().changes["version"] == ["1.2.3", "1.2.3-2"]


def test_one_with_more_than_the_form_knows_is_edited_as_text(browser: Client, user: User) -> None:
    package = {**document()["packages"][0], "environmentVariables": [{"name": "UNIT", "choices": ["c", "f"]}]}
    entry = add_entry(owner=user, document=document(packages=[package]))
    assert browser.get(f"/catalog/{entry.pk}/edit/").headers["Location"] == f"/catalog/{entry.pk}/edit/text/"
    page = browser.get(f"/catalog/{entry.pk}/edit/text/").content.decode()
    assert "&quot;version&quot;: &quot;1.0.0-2&quot;" in page
    changed = {**entry.manifest, "version": "2.0.0"}
    assert browser.post(f"/catalog/{entry.pk}/edit/text/", {"text": json.dumps({**changed, "name": "org.example/x"})}).status_code == 422
    assert browser.post(f"/catalog/{entry.pk}/edit/text/", {"text": "{"}).status_code == 422
    assert browser.post(f"/catalog/{entry.pk}/edit/text/", {"text": json.dumps(changed)}).status_code == 302
    assert only().version == "2.0.0"


def test_a_published_entry_that_its_owner_changes_is_private_again(browser: Client, user: User, stranger: User) -> None:
    entry = add_entry(owner=user, document=server_json())
    CatalogEntry.objects.filter(pk=entry.pk).update(published_at=entry.created_at, verified_at=entry.created_at)
    add_entry(owner=user, document=server_json(version="2.0.0"))
    entry.refresh_from_db()
    assert (entry.published_at, entry.verified_at) == (None, None)


def test_an_entry_is_deleted_and_its_servers_stay(browser: Client, user: User, toolbox: Toolbox) -> None:
    entry = add_entry(owner=user, document=document())
    server = deploy_server(owner=user, entry=entry, toolbox=toolbox)
    assert "Servers that were deployed from it go on" in browser.get(f"/catalog/{entry.pk}/").content.decode()
    assert browser.get(f"/catalog/{entry.pk}/delete/").status_code == 405
    assert browser.post(f"/catalog/{entry.pk}/delete/").headers["Location"] == "/catalog/"
    server.refresh_from_db()
    assert (server.entry, CatalogEntry.objects.count()) == (None, 0)
    assert AuditEvent.objects.filter(action="entry.deleted").count() == 1


def test_a_name_that_comes_with_agentopia_is_not_taken(browser: Client, user: User, catalog: dict[str, CatalogEntry]) -> None:
    answer = browser.post(f"{ADD}review/", {"documents": json.dumps([document(catalog["time"].name)]), "take": "0"}, follow=True)
    assert "comes with Agentopia" in answer.content.decode()
    assert not CatalogEntry.objects.filter(owner=user).exists()


@pytest.mark.parametrize("path", ["edit/", "edit/text/", "delete/"])
def test_somebody_elses_entry_is_not_found(browser: Client, stranger: User, path: str) -> None:
    theirs = add_entry(owner=stranger, document=document())
    CatalogEntry.objects.filter(pk=theirs.pk).update(published_at=theirs.created_at)
    page = browser.get(f"/catalog/{theirs.pk}/").content.decode()
    assert "delete-entry" not in page
    answers = [browser.post(f"/catalog/{theirs.pk}/{path}", {**ENTRY, "text": "{}"})]
    answers += [] if path == "delete/" else [browser.get(f"/catalog/{theirs.pk}/{path}")]
    assert {answer.status_code for answer in answers} == {404}
    assert CatalogEntry.objects.get(pk=theirs.pk).version == theirs.version


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["", "image/", "document/", "configuration/", "entry/", "review/"])
def test_nobody_adds_anything(path: str) -> None:
    answer = Client().post(ADD + path, {**ENTRY, "text": CONFIGURATION, "documents": json.dumps([document()]), "take": "0"})
    assert (answer.status_code, answer.headers["Location"].startswith("/accounts/") or "login" in answer.headers["Location"]) == (302, True)
    assert not CatalogEntry.objects.exists()


def test_only_some_packages_are_looked_up_at_once(user: User) -> None:
    told = lookup.look_up_all(user, [("npm", f"p{number}") for number in range(20)] + [("nuget", "X")])
    assert len(told) == 21
    assert {getattr(one, "code", "") for one in told.values()} == {"no_toolbox_online", "too_many", "no_lookup"}
