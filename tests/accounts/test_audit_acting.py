"""Who did what, by which way and from where: of every way in."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from accounts import audit
from accounts.acting import acting_now
from accounts.addresses import client_address, network_of
from accounts.audit.admin import AuditedAdmin
from accounts.models import ApiToken, AuditEvent, User
from accounts.services import create_api_token
from agentopia.asgi import application
from agentopia.environment import BASE_DIR
from agentopia.lib.admin import ReadOnlyAdmin
from toolboxes.models import Toolbox


def newest() -> AuditEvent:
    event = AuditEvent.objects.first()
    assert event is not None
    return event


def who(event: AuditEvent) -> tuple[str, str, str | None]:
    return event.actor, event.via, event.address


def test_a_page(browser: Client, toolbox: Toolbox) -> None:
    browser.post(f"/toolboxes/{toolbox.pk}/settings/", {"name": "crate"}, REMOTE_ADDR="192.0.2.7")
    event = newest()
    assert (event.action, event.target_id, event.owner_id) == ("toolbox.renamed", str(toolbox.pk), toolbox.owner_id)
    assert who(event) == ("ada@example.org", "page", "192.0.2.7")
    assert event.changes == {"name": ["box", "crate"]}


def test_a_token_of_the_api(api: APIClient, user: User) -> None:
    answer = api.post("/api/v1/toolboxes/", {"name": "mine"}, format="json", REMOTE_ADDR="192.0.2.8")
    assert answer.status_code == 201, answer.data
    assert (newest().action, *who(newest())) == ("toolbox.added", user.email, "api", "192.0.2.8")


def test_a_session_in_the_api(browser: Client, user: User) -> None:
    browser.post("/api/v1/toolboxes/", {"name": "mine"}, content_type="application/json")
    assert who(newest()) == (user.email, "api", "127.0.0.1")


def test_the_admin(browser: Client, user: User, stranger: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    form = {"email": stranger.email, "name": "Eve", "is_active": "on", "is_staff": "on"}
    assert browser.post(f"/admin/accounts/user/{stranger.pk}/change/", form).status_code == 302
    event = newest()
    assert (event.action, event.owner_id, *who(event)) == ("user.changed", stranger.pk, user.email, "admin", "127.0.0.1")
    assert event.changes == {"name": ["", "Eve"], "is_staff": [False, True]}

    password = {"password1": "a new long password", "password2": "a new long password", "usable_password": "true"}
    assert browser.post(f"/admin/accounts/user/{stranger.pk}/password/", password).status_code == 302
    assert newest().changes == {"password": ["set", "changed"]}

    new = {"email": "new@example.org", "password1": "a canary password", "password2": "a canary password", "usable_password": "true"}
    assert browser.post("/admin/accounts/user/add/", new).status_code == 302
    assert (newest().action, newest().target_name) == ("user.added", "new@example.org")
    assert browser.post("/admin/auth/group/add/", {"name": "Crew"}).status_code == 302
    assert (newest().action, newest().changes) == ("group.added", {"name": [None, "Crew"]})
    create_api_token(user=stranger, name="theirs")
    chosen = {"action": "delete_selected", "_selected_action": ApiToken.objects.get().pk, "post": "yes"}
    assert browser.post("/admin/accounts/apitoken/", chosen).status_code == 302
    assert (newest().action, newest().owner_id) == ("apitoken.deleted", stranger.pk)
    assert "canary" not in str(list(AuditEvent.objects.values()))


BY_SERVICES = {
    "CatalogEntryAdmin": "services.moderation records",
    "RegistryAdmin": "services.registries records",
    "SharedProviderAdmin": "chat.providers.services records",
}
"""Pages of the admin that write through services, which record what they do."""


def test_every_admin_page_that_can_write_is_recorded() -> None:
    kinds = admin.site._registry.values()
    writing = {type(page).__name__ for page in kinds if not isinstance(page, ReadOnlyAdmin | AuditedAdmin)}
    assert writing - set(BY_SERVICES) == set(), "mix accounts.audit.admin.AuditedAdmin in, or record in services and say so here"


def test_a_command(user: User, transactional_db: None) -> None:
    database = settings.DATABASES["default"]
    environment = {
        "SECRET_KEY": settings.SECRET_KEY, "REDIS_URL": settings.ENVIRONMENT.redis_url, "PATH": "/usr/bin:/bin",
        "DATABASE_URL": _with_name(settings.ENVIRONMENT.database_url, database["NAME"]), "LOGNAME": "operator",
    }  # fmt: skip
    command = [sys.executable, "manage.py", "create_api_token", user.email]
    done = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (newest().action, newest().target_name[:12], *who(newest())) == ("token.made", "command line", "operator", "command", None)


def _with_name(url: str, name: str) -> str:
    address, _, _ = url.partition("?")
    return f"{address.rsplit('/', 1)[0]}/{name}" + url[len(address) :]


def test_users_by_commands(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("createsuperuser", "--noinput", email="root@example.org", stdout=StringIO())
    assert (newest().action, newest().target_name) == ("user.added", "root@example.org")
    monkeypatch.setattr("getpass.getpass", lambda *args, **kwargs: "another canary password")
    call_command("changepassword", "root@example.org", stdout=StringIO())
    assert (newest().action, newest().changes) == ("user.password_changed", {"password": ["set", "changed"]})


def test_agentopia_itself(user: User) -> None:
    audit.record(action="thing.mended", target=user, owner=user)
    assert who(newest()) == ("", "system", None)


async def test_it_survives_the_bridges_between_threads_and_loops() -> None:
    seen: list[str | None] = []

    async def look() -> None:
        seen.append(acting_now().address)

    def view() -> None:
        seen.append(acting_now().address)
        async_to_sync(look)()

    with audit.acting(audit.Acting(address="192.0.2.1")):
        await sync_to_async(view)()
        await sync_to_async(view, thread_sensitive=False)()
    assert seen == ["192.0.2.1"] * 4
    assert acting_now() == audit.NOBODY


@pytest.mark.django_db(transaction=True)
async def test_requests_at_once_do_not_mix(user: User, stranger: User) -> None:
    """Through the web tier's own handler, which runs each in a thread."""
    tokens = {person.email: await database_sync_to_async(create_api_token)(user=person, name="test") for person in (user, stranger)}

    async def add(token: str, number: int) -> int:
        body = json.dumps({"name": f"box-{number}"}).encode()
        headers = [
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            (b"host", b"localhost"),
            (b"content-length", b"%d" % len(body)),
        ]
        scope = {
            "type": "http", "method": "POST", "path": "/api/v1/toolboxes/", "query_string": b"", "headers": headers,
            "client": ("192.0.2.1", 1), "server": ("localhost", 80), "scheme": "http",
        }  # fmt: skip
        call = ApplicationCommunicator(application, scope)
        await call.send_input({"type": "http.request", "body": body, "more_body": False})
        status: int = (await call.receive_output(timeout=20))["status"]
        await call.receive_output(timeout=20)
        await call.wait(timeout=20)
        return status

    answers = await asyncio.gather(*(add(token, number) for number in range(6) for token in tokens.values()))
    assert set(answers) == {201}

    @database_sync_to_async
    def recorded() -> set[tuple[Any, ...]]:
        return set(AuditEvent.objects.filter(action="toolbox.added").values_list("actor_id", "owner_id", "address"))

    assert await recorded() == {(user.pk, user.pk, "192.0.2.1"), (stranger.pk, stranger.pk, "192.0.2.1")}


def test_what_fails_is_not_recorded(browser: Client, toolbox: Toolbox) -> None:
    before = AuditEvent.objects.count()
    browser.post(f"/toolboxes/{toolbox.pk}/settings/", {"name": "-no-"})
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),  # anybody can write that
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # what is further left may be made up
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("", "", None),
    ],
)
def test_the_address_of_who_asks(monkeypatch: pytest.MonkeyPatch, peer: str, forwarded: str, found: str | None) -> None:
    monkeypatch.setattr(settings, "TRUSTED_PROXIES", [ipaddress.ip_network("10.0.0.0/8")])
    assert client_address(peer, forwarded) == found


def test_an_ipv6_subscriber_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2") == "2001:db8::/64"
    assert network_of("192.0.2.1") == "192.0.2.1"
