"""What an admin says of entries, in Django admin: through the services, recorded, and with its effect on the catalogue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from mcp_registry.manifest import Manifest
from mcp_registry.models import CatalogEntry, EntryOutcome, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.entries import document_of
from mcp_registry.services.moderation import set_permissions
from mcp_registry.services.servers import deploy_server
from tests.conftest import ECHO_TOOL, server_json
from toolboxes.models import Toolbox

LIST = "admin:mcp_registry_catalogentry_changelist"
CHANGE = "admin:mcp_registry_catalogentry_change"


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_user("root@example.org", "a very long password", name="Root", is_staff=True, is_superuser=True)


@pytest.fixture
def staff(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def act(staff: Client, action: str, *entries: CatalogEntry, **more: Any) -> str:
    """Choose entries in the list and let an action be done."""
    data = {"action": action, "_selected_action": [str(entry.pk) for entry in entries], **more}
    answer = staff.post(reverse(LIST), data, follow=True)
    assert answer.status_code == 200
    for entry in entries:
        entry.refresh_from_db()
    return str(answer.content.decode())


def recorded(action: str) -> AuditEvent:
    event = AuditEvent.objects.filter(action=action).latest("pk")
    assert event.actor == "root@example.org"
    return event


def test_verifying_says_who_and_when(
    staff: Client, browser: Client, toolbox: Toolbox, catalog: dict[str, CatalogEntry], admin: User
) -> None:
    entry = catalog["time"]
    assert "1 of 1 is now verified." in act(staff, "verify", entry)
    assert entry.verified_by == admin
    assert entry.verified_at is not None
    assert recorded("entry.verified").target_id == str(entry.pk)
    assert "by Root" in browser.get(f"/catalog/{entry.pk}/").content.decode()
    act(staff, "verify", entry)
    assert AuditEvent.objects.filter(action="entry.verified").count() == 1, "it was so already"
    act(staff, "unverify", entry)
    assert not CatalogEntry.objects.filter(pk=entry.pk, verified_by__isnull=False).exists()
    recorded("entry.unverified")


def test_publishing_a_users_own(staff: Client, stranger: User, weather: CatalogEntry, catalog: dict[str, CatalogEntry]) -> None:
    other = Client()
    other.force_login(stranger)
    assert other.get(f"/catalog/{weather.pk}/").status_code == 404
    CatalogEntry.objects.filter(pk=weather.pk).update(tools=[ECHO_TOOL], tool_names="echo", tools_version="1", tools_seen_at=timezone.now())
    said = act(staff, "publish", weather, catalog["time"])
    assert "is no user&#x27;s own" in said
    assert weather.published_at is not None
    assert (weather.tools, weather.tool_names) == (None, ""), "they may tell of the owner's settings"
    assert recorded("entry.published").owner_id == weather.owner_id
    assert other.get(f"/catalog/{weather.pk}/").status_code == 200
    act(staff, "unpublish", weather)
    assert other.get(f"/catalog/{weather.pk}/").status_code == 404
    recorded("entry.unpublished")


def test_no_two_that_everybody_sees_have_one_name(staff: Client, user: User, stranger: User) -> None:
    first = add_entry(owner=user, document=server_json())
    second = add_entry(owner=stranger, document=server_json())
    act(staff, "publish", first)
    assert "Everybody sees another entry called org.example/weather already." in act(staff, "publish", second)
    assert second.published_at is None


def test_hiding(staff: Client, browser: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    entry = catalog["time"]
    deploy_server(owner=user, entry=entry, toolbox=toolbox)
    act(staff, "hide", entry)
    assert entry.hidden
    assert "entry-" + str(entry.pk) not in browser.get("/catalog/?search=time").content.decode()
    assert McpServer.objects.filter(entry=entry).exists()
    recorded("entry.hidden")
    act(staff, "unhide", entry)
    assert not CatalogEntry.objects.get(pk=entry.pk).hidden
    recorded("entry.unhidden")


def test_deprecating_with_a_message(staff: Client, catalog: dict[str, CatalogEntry]) -> None:
    entry = catalog["time"]
    act(staff, "deprecate", entry, message="Use “Clock”.")
    assert (entry.deprecated, entry.deprecation) == (True, "Use “Clock”.")
    assert recorded("entry.deprecated").changes["message"] == ["", "Use “Clock”."]
    assert "at most 300 characters" in act(staff, "deprecate", entry, message="x" * 400)
    act(staff, "undeprecate", entry)
    assert (entry.deprecated, entry.deprecation) == (False, "")


def test_featuring(staff: Client, browser: Client, catalog: dict[str, CatalogEntry]) -> None:
    act(staff, "feature", catalog["time"], catalog["git"])
    assert browser.get("/catalog/").content.decode().count('id="featured-entry-') == 2
    act(staff, "unfeature", catalog["git"])
    assert browser.get("/catalog/").content.decode().count('id="featured-entry-') == 1
    recorded("entry.unfeatured")


def test_permissions_are_edited_and_reset(staff: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    entry = catalog["git"]
    own = Manifest.model_validate(entry.manifest).profile
    running = deploy_server(owner=user, entry=entry, toolbox=toolbox)
    wider = {"category": "developer", "egress": "allowlist", "hosts": ["git.example.org"], "memory_mb": 1024}
    answer = staff.post(reverse(CHANGE, args=(entry.pk,)), {"permissions": json.dumps(wider)})
    assert answer.status_code == 302
    entry.refresh_from_db()
    assert (entry.profile_override, entry.egress, entry.memory_mb, entry.host_count, entry.keeps_data) == (
        wider,
        "allowlist",
        1024,
        1,
        False,
    )
    assert recorded("entry.permissions").changes["permissions"] == [None, wider]
    assert Manifest.model_validate(document_of(entry)).profile.memory_mb == 1024
    assert deploy_server(owner=user, entry=entry, toolbox=toolbox).manifest != running.manifest, "what runs keeps what it had"
    add = staff.get(reverse(CHANGE, args=(entry.pk,))).content.decode()
    assert "git.example.org" in add
    staff.post(reverse(CHANGE, args=(entry.pk,)), {"permissions": json.dumps(wider), "reset": "on"})
    entry.refresh_from_db()
    assert (entry.profile_override, entry.egress, entry.memory_mb, entry.keeps_data) == (None, "none", own.memory_mb, True)


def test_a_sync_leaves_an_admins_permissions_in_place(user: User, weather: CatalogEntry) -> None:
    set_permissions(entry_id=weather.pk, profile={"memory_mb": 2048})
    again = add_entry(owner=user, document=server_json(version="2.0.0"))
    assert (again.version, again.memory_mb, again.profile_override) == ("2.0.0", 2048, {"memory_mb": 2048})


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("{", "Enter a valid JSON."),
        ('{"egres": "none"}', "egres: Extra inputs are not permitted"),
        ('{"egress": "allowlist"}', "needs hosts"),
        ('{"egress": "allowlist", "hosts": ["not a host"]}', "hosts.0"),
        ('{"volumes": [{"name": "x"}]}', "volumes.0.path"),
        ("[1]", "permissions:"),
    ],
)
def test_permissions_that_cannot_be_used_are_refused_at_their_field(
    staff: Client, catalog: dict[str, CatalogEntry], typed: str, said: str
) -> None:
    answer = staff.post(reverse(CHANGE, args=(catalog["git"].pk,)), {"permissions": typed})
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert said in " ".join(errors["permissions"])
    assert CatalogEntry.objects.get(slug="git").profile_override is None


def test_an_entry_links_to_what_came_of_it(staff: Client, user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> None:
    entry = catalog["time"]
    deploy_server(owner=user, entry=entry, toolbox=toolbox)
    for succeeded in (True, False):
        EntryOutcome.objects.create(entry=entry, version="1", succeeded=succeeded, code="" if succeeded else "not_ready", seconds=1)
    EntryOutcome.objects.create(entry=catalog["git"], version="1", succeeded=False, code="not_ready", seconds=1)
    CatalogEntry.objects.filter(pk=entry.pk).update(deployed_count=2, succeeded_count=1)
    page = staff.get(reverse(CHANGE, args=(entry.pk,)))
    links = page.content.decode().split("See also")[1].split("</div>")[0]
    assert "1 servers" in links
    assert "50 %" in page.content.decode()
    for name, count in (("mcpserver", 1), ("deployment", 1), ("entryversion", 1), ("entryoutcome", 2)):
        field = "server__entry__id__exact" if name == "deployment" else "entry__id__exact"
        listed = staff.get(reverse(f"admin:mcp_registry_{name}_changelist"), {field: str(entry.pk)})
        assert listed.status_code == 200
        assert listed.context["cl"].result_count == count, name
    failed = staff.get(reverse("admin:mcp_registry_entryoutcome_changelist"), {"entry__id__exact": str(entry.pk), "succeeded__exact": "0"})
    assert failed.context["cl"].result_count == 1


def test_the_list_is_searched_and_filtered(staff: Client, weather: CatalogEntry, catalog: dict[str, CatalogEntry]) -> None:
    CatalogEntry.objects.filter(slug="time").update(verified_at=timezone.now())
    for query, expected in (
        ("q=org.example%2Fweather", 1),
        ("origin__exact=user", 1),
        ("verified_at__isempty=0", 1),
        ("runtime__exact=cobol", 0),
    ):
        assert staff.get(f"{reverse(LIST)}?{query}").context["cl"].result_count == expected, query


def test_it_is_nobodys_but_the_staffs(browser: Client, catalog: dict[str, CatalogEntry]) -> None:
    entry = catalog["time"]
    answer = browser.post(reverse(LIST), {"action": "verify", "_selected_action": [str(entry.pk)]})
    assert answer.status_code in (302, 403)
    entry.refresh_from_db()
    assert entry.verified_at is None
