"""Reading a registry round by round, and one that does not behave."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, User
from agentopia.lib import leases
from mcp_registry import selectors
from mcp_registry.importing import rounds
from mcp_registry.importing.fetching import Limits
from mcp_registry.manifest import PUBLISHER_SLOT
from mcp_registry.models import CatalogEntry, McpServer, Registry
from mcp_registry.services import registries
from mcp_registry.tasks import dispatch_due_registries, sync_registry
from tests.doubles.mcp_registry import Answer, RegistryDouble, body, broken_off, document, hung_up, listed, status, truncated

UP_TO_DATE = "2999-01-01T00:00:00Z"


def sync(registry: Registry) -> Registry:
    """One turn, whether it is due or not."""
    Registry.objects.filter(pk=registry.pk).update(not_before=timezone.now())
    sync_registry(str(registry.pk))
    registry.refresh_from_db()
    return registry


def names() -> list[str]:
    return sorted(CatalogEntry.objects.filter(withdrawn=False).values_list("name", flat=True))


def test_all_pages_are_taken_and_asked_for_as_the_api_says(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document(f"org.example/server-{number}")) for number in range(250)]
    sync(registry)
    assert (registry.taken, registry.refused, registry.pages, registry.problem, registry.status) == (250, 0, 3, "", "queued")
    assert len(names()) == 250
    assert double.asked == [{"limit": "100", "version": "latest", **more} for more in ({}, {"cursor": "100"}, {"cursor": "200"})]
    entry = CatalogEntry.objects.get(name="org.example/server-0")
    assert (entry.origin, entry.registry, entry.owner, entry.deployable) == ("registry", registry, None, True)
    assert entry.versions.get().published_at.year == 2026
    assert AuditEvent.objects.get(action="registry.read").summary == "250 entries taken over, 0 refused"


def test_the_next_round_asks_for_what_changed_since(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document("org.example/old")), listed(document("org.example/other"))]
    sync(registry)
    double.servers[0] = listed(document("org.example/old", version="2.0.0"), updated=UP_TO_DATE)
    sync(registry)
    assert double.asked[-1]["updated_since"] < timezone.now().isoformat()
    assert registry.taken == 1
    entry = CatalogEntry.objects.get(name="org.example/old")
    assert (entry.version, [version.version for version in entry.versions.order_by("pk")]) == ("2.0.0", ["1.0.0", "2.0.0"])
    sync(registry)
    assert registry.taken == 0, "what is as it was is not written again"


def test_what_a_registry_deleted_is_withdrawn_and_its_servers_go_on(registry: Registry, double: RegistryDouble, user: User) -> None:
    double.servers = [listed(document("org.example/a")), listed(document("org.example/b"))]
    sync(registry)
    entry = CatalogEntry.objects.get(name="org.example/a")
    double.servers[0] = listed(document("org.example/a"), "deleted", updated=UP_TO_DATE)
    sync(registry)
    assert names() == ["org.example/b"]
    assert not selectors.catalog_for(user).filter(pk=entry.pk).exists()
    assert McpServer(entry=entry, manifest=entry.manifest).entry_id == entry.pk
    double.servers[0] = listed(document("org.example/a"), updated=UP_TO_DATE)
    sync(registry)
    assert names() == ["org.example/a", "org.example/b"]


def test_deprecation_follows_the_registry_and_leaves_an_admins_word_alone(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document("org.example/a")), listed(document("org.example/b"))]
    sync(registry)
    CatalogEntry.objects.filter(name="org.example/b").update(deprecated=True, deprecation="An admin's word.")
    old = listed(document("org.example/a"), "deprecated", updated=UP_TO_DATE)
    old["_meta"]["io.modelcontextprotocol.registry/official"]["statusMessage"] = "Use <b>another</b>."
    double.servers = [old, listed(document("org.example/b", version="2"), updated=UP_TO_DATE)]
    sync(registry)
    told = {entry.name: (entry.deprecated, entry.deprecation) for entry in CatalogEntry.objects.all()}
    assert told == {"org.example/a": (True, "Use <b>another</b>."), "org.example/b": (True, "An admin's word.")}
    double.servers[0] = listed(document("org.example/a"), updated=UP_TO_DATE)
    sync(registry)
    assert not CatalogEntry.objects.get(name="org.example/a").deprecated


def test_an_older_version_that_is_listed_does_not_take_the_newests_place(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [
        listed(document(version="2.0.0")),
        listed(document(version="1.0.0"), newest=False),
        listed(document(version="1.5.0"), newest=None),
    ]
    sync(registry)
    entry = CatalogEntry.objects.get()
    assert entry.version == "2.0.0"
    assert set(entry.versions.values_list("version", flat=True)) == {"1.0.0", "1.5.0", "2.0.0"}


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(503, Retry_After="1"),
        status(429),
        status(403),
        hung_up,
        broken_off,
        truncated,
        body("<!doctype html><title>Sign in</title>"),
        body(""),
        body("null"),
        body({"servers": {"a": 1}}),
        body({"servers": "many"}),
        body({"servers": [], "metadata": {"nextCursor": 7}}),
        body({"servers": [], "metadata": {"nextCursor": "x" * 501}}),
        body({"error": "maintenance"}),
        body(b"\xff\xfe\x00\x01" * 50),
        body("[" * 100_000),
        body('{"servers": [NaN]}'),
        body({"servers": [listed(document(f"org.example/n{n}")) for n in range(1001)]}),
        status(302, Location="http://127.0.0.1:1/v0.1/servers"),
        status(302, Location="http://169.254.169.254/latest/meta-data/"),
        status(302, Location="https://localhost/v0.1/servers"),
        status(301, Location="file:///etc/passwd"),
        status(301, Location=""),
    ],
)
def test_a_registry_that_is_ill_harms_nothing_and_is_read_again(registry: Registry, double: RegistryDouble, fault: Any) -> None:
    double.servers = [listed(document("org.example/a"))]
    sync(registry)
    before = names()
    double.always = fault
    sync(registry)
    assert (names(), registry.failures, registry.status) == (before, 1, "queued")
    assert registry.problem
    assert registry.not_before > timezone.now() + timedelta(seconds=30)
    double.always = None
    double.servers = [listed(document("org.example/b"), updated=UP_TO_DATE)]
    sync(registry)
    assert (names(), registry.failures, registry.problem) == ([*before, "org.example/b"], 0, "")


def test_a_registry_that_is_down_is_told_as_that(registry: Registry) -> None:
    registry.url = "http://127.0.0.1:1"
    Registry.objects.filter(pk=registry.pk).update(url=registry.url)
    sync(registry)
    assert "Only addresses that begin with https:// are asked" in registry.problem, "another address than the operator named"


def test_one_that_is_too_slow_is_given_up(registry: Registry, double: RegistryDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LIMITS", Limits(seconds=0.2))
    monkeypatch.setattr(rounds, "TRIES", 1)
    double.hold.clear()
    sync(registry)
    assert "did not answer within" in registry.problem


def test_a_page_that_is_too_large_is_not_read_to_its_end(
    registry: Registry, double: RegistryDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LIMITS", Limits(max_bytes=10_000))
    double.always = body("x" * 5_000_000)
    sync(registry)
    assert "larger than" in registry.problem


def test_a_moment_of_weakness_is_tried_again_within_the_round(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document())]
    double.faults = [status(502), hung_up, None]
    sync(registry)
    assert (registry.failures, registry.taken, len(double.asked)) == (0, 1, 3)


def test_a_cursor_without_an_end_ends_the_round(registry: Registry, double: RegistryDouble) -> None:
    page = [listed(document())]
    double.always = body({"servers": page, "metadata": {"nextCursor": "again"}})
    sync(registry)
    assert "without an end" in registry.problem
    assert (registry.cursor, registry.round_began_at, names()) == ("", None, ["org.example/weather"])


def test_pages_without_number_end_the_round(registry: Registry, double: RegistryDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "MAX_PAGES", 7)
    numbers = iter(range(1000))

    def another(right: Answer) -> Answer:
        return body({"servers": [], "metadata": {"nextCursor": f"c{next(numbers)}"}})(right)

    double.always = another
    sync(registry)
    assert (registry.pages, len(double.asked)) == (7, 7)
    assert "without an end" in registry.problem


def test_what_cannot_be_used_is_counted_with_the_first_reasons_and_stops_nothing(registry: Registry, double: RegistryDouble) -> None:
    package = document()["packages"][0]
    nonsense: list[Any] = [
        None, 7, "text", [], {}, {"server": None}, {"server": []}, {"server": {"name": {"a": 1}}},
        listed({**document("org.example/x"), "packages": "none"}),
        listed({**document("no-slash")}),
        listed({**document("org.example/nul"), "description": "a\x00b"}),
        listed({**document("org.example/range"), "packages": [{**package, "version": "^1.0.0"}]}),
        listed({**document("org.example/cargo"), "packages": [{**package, "registryType": "cargo"}]}),
        listed({**document("org.example/docker"), "packages": [{"registryType": "oci", "identifier": "example/x",
            "runtimeArguments": [{"type": "named", "name": "--privileged"}]}]}),
        listed({**document("org.example/huge"), "icons": [{"src": "x" * 300_000}], "more": "y" * 300_000}),
        listed({**document("org.example/deep"), "more": json.loads("[" * 60 + "]" * 60)}),
        listed({**document("org.example/meta"), "_meta": {PUBLISHER_SLOT: {"agentopia": {"egres": 1}}}}),
        listed({**document("org.example/shared"), "_meta": {PUBLISHER_SLOT: {
            "agentopia": {"volumes": [{"name": "work", "path": "/x", "shared": True}]}}}}),
    ]  # fmt: skip
    double.servers = [*nonsense, listed(document("org.example/fine")), listed(document("org.example/fine"))]
    sync(registry)
    assert names() == ["org.example/fine"]
    assert (registry.refused, registry.taken, registry.failures) == (len(nonsense), 1, 0)
    assert len(registry.problem.splitlines()) == 5
    assert "a document without a name" in registry.problem


def test_who_was_killed_in_the_middle_is_followed_by_another_at_the_cursor(
    registry: Registry, double: RegistryDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.servers = [listed(document(f"org.example/server-{number}")) for number in range(300)]

    class Killed(BaseException):
        pass

    def killed(right: Any) -> Any:
        raise Killed

    pages = iter(range(10))
    original = registries.read_page

    def reading(*args: Any, **kwargs: Any) -> Any:
        if next(pages) == 2:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(registries, "read_page", reading)
    with pytest.raises(Killed):
        sync(registry)
    registry.refresh_from_db()
    assert (registry.status, registry.cursor, len(names())) == ("running", "200", 200)
    assert registries.due_registries(timezone.now()) == [], "as long as its lease runs"
    Registry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert registries.due_registries(timezone.now()) == [registry.pk]
    sync(registry)
    assert (registry.pages, registry.taken, len(names())) == (3, 300, 300)
    assert [query.get("cursor") for query in double.asked] == [None, "100", "200"]


def test_two_workers_never_do_one(registry: Registry, double: RegistryDouble) -> None:
    assert leases.claim(Registry.objects.filter(pk=registry.pk), timedelta(minutes=1))
    sync(registry)
    assert double.asked == []


def test_who_lost_the_round_writes_nothing(registry: Registry, double: RegistryDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    double.servers = [listed(document())]
    original = registries.read_page

    def reading(*args: Any, **kwargs: Any) -> Any:
        Registry.objects.filter(pk=registry.pk).update(attempts=99)  # another one claimed it meanwhile
        return original(*args, **kwargs)

    monkeypatch.setattr(registries, "read_page", reading)
    sync(registry)
    assert (names(), registry.attempts, registry.status) == ([], 99, "running")


def test_a_disabled_one_is_not_asked_and_its_entries_stay(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document())]
    sync(registry)
    registries.enable([registry], enabled=False)
    assert registries.due_registries(timezone.now() + timedelta(days=9)) == []
    asked = len(double.asked)
    sync(registry)
    assert (len(double.asked), names()) == (asked, ["org.example/weather"])
    dispatch_due_registries()


def test_another_address_is_read_from_its_beginning(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document())]
    sync(registry)
    registry.url = f"{double.url}/v0.1"
    registries.save_registry(registry)
    sync(registry)
    assert "updated_since" not in double.asked[-1]
    assert double.paths[-1] == "/v0.1/servers"


def test_older_registries_are_understood(registry: Registry, double: RegistryDouble) -> None:
    old = {
        "name": "org.example/old",
        "description": "Of before.",
        "version_detail": {"version": "0.9.0"},
        "packages": [
            {
                "registry_name": "npm",
                "name": "@example/old",
                "version": "0.9.0",
                "environment_variables": [{"name": "KEY", "is_required": True, "is_secret": True, "default": None}],
            }
        ],
    }
    double.only_version = "v0"
    double.faults = [body({"servers": [old], "metadata": {"next_cursor": "1"}}), body([document("org.example/plain")])]
    sync(registry)
    assert (names(), registry.problem) == (["org.example/old", "org.example/plain"], "")
    entry = CatalogEntry.objects.get(name="org.example/old")
    assert (entry.version, entry.needs_secret, entry.runtime) == ("0.9.0", True, "npm")


def test_a_registry_of_a_private_network_is_asked_only_where_an_operator_says_so(
    registry: Registry, double: RegistryDouble, settings: Settings
) -> None:
    settings.PRIVATE_REGISTRIES = []
    double.servers = [listed(document())]
    sync(registry)
    assert (double.asked, names()) == ([], [])
    Registry.objects.update(url=double.url.replace("http:", "https:"))
    sync(registry)
    assert "inside a private network" in registry.problem
    assert double.asked == []
    settings.PRIVATE_REGISTRIES = ["*"]
    Registry.objects.update(url=double.url)
    sync(registry)
    assert names() == ["org.example/weather"]


def test_a_registrys_entry_never_takes_the_place_of_a_shipped_one(
    registry: Registry, double: RegistryDouble, user: User, catalog: dict[str, CatalogEntry]
) -> None:
    shipped = catalog["time"]
    double.servers = [listed(document(shipped.name)), listed(document("org.evil/time"))]
    sync(registry)
    assert CatalogEntry.objects.filter(name=shipped.name).count() == 2
    assert selectors.entry_for(user, shipped.name) == shipped
    assert selectors.entry_for(user, "time") == shipped


@pytest.mark.django_db(transaction=True)
def test_two_at_once_take_everything_once(registry: Registry, double: RegistryDouble) -> None:
    double.servers = [listed(document(f"org.example/server-{number}")) for number in range(150)]

    def work() -> None:
        sync_registry(str(registry.pk))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(double.asked) == 2
    assert len(names()) == 150
