"""Every way by which somebody can have Agentopia ask an address: none leads inside, however the address is written.

How an address is judged is tested in tests/registry/importing/test_fetching.py. Here something listens inside, and hears of nobody.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from mcp_registry.importing import rounds
from mcp_registry.models import CatalogEntry, Registry
from mcp_registry.services.catalog import add_entry
from mcp_registry.tasks import sync_registry
from tests.conftest import server_json
from tests.doubles.mcp_registry import document
from tests.registry.importing.test_fetching import Rebinding

HOSTS = [
    "127.0.0.1", "localhost", "0.0.0.0", "0177.0.0.1", "0x7f000001", "2130706433", "127.1", "[::1]", "[::]", "[::ffff:127.0.0.1]",  # noqa: S104 (nothing listens there)
    "[64:ff9b::7f00:1]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "[fd00:ec2::254]", "100.100.100.200",
]  # fmt: skip
"""The loopback in all of its spellings, private networks, and where clouds keep their machines' metadata."""


class Inside:
    """Listens on the loopback and counts who comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                visitor, _ = self.listener.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    monkeypatch.setattr(rounds, "LONGEST_PAUSE", 0.01)
    inside = Inside()
    yield inside
    inside.listener.close()


def said(text: str) -> bool:
    """Some spellings are refused as what they are not: a name of a host."""
    return "inside a private network" in text or "This is no address." in text


def by_rest(url: str, user: User) -> None:
    api = APIClient()
    api.force_authenticate(user)
    answer = api.post("/api/v1/catalog/import/", {"url": url}, format="json")
    assert answer.status_code == 400
    assert answer.data["code"] in ("private_address", "invalid_address")


def by_the_page(url: str, user: User) -> None:
    browser = Client()
    browser.force_login(user)
    answer = browser.post("/catalog/add/document/", {"address": url})
    assert answer.status_code == 422
    assert said(answer.content.decode())


def by_a_registry(url: str, user: User) -> None:
    registry = Registry.objects.create(name="Inside", url=url, not_before=timezone.now())
    sync_registry(str(registry.pk))
    registry.refresh_from_db()
    assert said(registry.problem)


WAYS: list[Callable[[str, User], None]] = [by_rest, by_the_page, by_a_registry]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("way", WAYS)
def test_no_address_inside_is_asked(way: Callable[[str, User], None], host: str, user: User, inside: Inside) -> None:
    way(f"https://{host}:{inside.port}/server.json", user)
    assert inside.visits == 0


@pytest.mark.parametrize("way", WAYS)
def test_no_name_that_is_bound_anew(way: Callable[[str, User], None], user: User, inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", Rebinding)
    way(f"https://rebinding.example:{inside.port}/server.json", user)
    assert inside.visits == 0


def test_icons_and_home_pages_are_never_asked(browser: Client, api: APIClient, inside: Inside) -> None:
    """Neither by the server nor by whoever looks at an entry: a page shows nothing from elsewhere."""
    where = f"https://127.0.0.1:{inside.port}"
    icons = [{"src": f"{where}/icon.svg"}, {"src": f"http://169.254.169.254:{inside.port}/x"}, {"src": "file:///etc/passwd"}]
    given: dict[str, Any] = {**document("org.example/icons"), "icons": icons, "websiteUrl": where}
    assert api.post("/api/v1/catalog/import/", {"documents": [given]}, format="json").status_code == 201
    page = browser.get(f"/catalog/{CatalogEntry.objects.get().pk}/")
    assert page.status_code == 200
    assert f"{where}/icon.svg" not in page.content.decode()
    assert "img-src 'self' data:" in page["Content-Security-Policy"]
    assert inside.visits == 0


def test_no_remote_server_inside_is_asked(user: User, inside: Inside) -> None:
    """An entry that names a remote server is kept as it is written; nobody goes there from here."""
    remote = {"type": "streamable-http", "url": f"https://127.0.0.1:{inside.port}/mcp"}
    add_entry(owner=user, document=server_json(remotes=[remote]))
    assert inside.visits == 0
