"""A server's configuration in a browser: changed after a look at what that does, taken back, deleted with its data kept, and restored."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import READY_MS, chromium, expect_status, page, signed_in
from tests.e2e.conftest import Rest
from tests.stack import Stack

__all__ = ["chromium", "page", "signed_in"]

CANARY = "canary-8841"


@pytest.fixture
def server(rest: Rest, image: str) -> str:
    """One with a setting, a secret and a volume of its own."""
    package = {
        "registryType": "oci",
        "identifier": image,
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "python"}, {"type": "positional", "value": "/srv/probe.py"}],
        "environmentVariables": [{"name": "CITY", "isRequired": True}, {"name": "API_KEY", "isSecret": True}],
    }
    slot = "io.modelcontextprotocol.registry/publisher-provided"
    document = {
        "name": f"org.example/set-{uuid4().hex[:8]}",
        "description": "For a test.",
        "version": "1.0.0",
        "packages": [package],
        "_meta": {slot: {"agentopia": {"volumes": [{"name": "data", "path": "/data"}]}}},
    }
    status, entry = rest.ask("POST", "catalog/", document)
    assert status == 201, entry
    server_id = rest.deploy(entry["id"], config={"CITY": "Oslo"}, secrets={"API_KEY": CANARY})
    assert rest.until_settled(server_id)["status"] == "running"
    return server_id


def open_settings(page: Page, server: str) -> None:
    page.goto(f"/servers/{server}/settings/")
    expect(page.locator("html")).to_have_attribute("data-live", "open")


def look(page: Page) -> None:
    page.get_by_role("button", name="Show what it does").click()
    expect(page.locator("#draft h3").first).to_be_focused()


def test_a_setting_and_a_secret_are_changed_and_taken_back(page: Page, rest: Rest, server: str) -> None:
    open_settings(page, server)
    expect(page.get_by_text("It is never shown; type to replace it.")).to_be_visible()
    page.get_by_label("City").fill("Bergen")
    page.get_by_label("API key", exact=True).fill(CANARY + "-new")
    look(page)
    draft = page.locator("#draft")
    expect(draft).to_contain_text("Oslo")
    expect(draft).to_contain_text("replaced")
    expect(draft).to_contain_text("Its container is replaced")
    assert rest.get(f"servers/{server}/")["generation"] == 1
    assert CANARY not in page.content()
    expect(page.get_by_label("API key", exact=True)).to_have_value(CANARY + "-new")

    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"**/servers/{server}/")
    expect(page.locator("#toasts")).to_contain_text("is being changed")
    expect_status(page, "running")
    rest.until(server, "running", "failed")
    changed = rest.get(f"servers/{server}/")
    assert (changed["config"], changed["generation"], changed["status"]) == ({"CITY": "Bergen"}, 2, "running")

    page.get_by_role("link", name="History", exact=True).click()
    expect(page.locator("#generation-2")).to_contain_text("CITY: Oslo → Bergen; API_KEY replaced")
    page.locator("#generation-1 summary").click()
    page.get_by_role("link", name="Go back to this…").click()
    expect(page.locator("#revision")).to_contain_text("Bergen")
    assert CANARY not in page.content()
    page.get_by_role("button", name="Go back to this").click()
    page.wait_for_url(f"**/servers/{server}/")
    expect_status(page, "running")
    back = rest.until(server, "running", "failed")
    assert (back["config"], back["generation"]) == ({"CITY": "Oslo"}, 3)


def test_a_wider_network_asks_for_a_tick_and_a_policy_restarts_nothing(page: Page, rest: Rest, server: str) -> None:
    before = rest.get(f"servers/{server}/")
    open_settings(page, server)
    page.locator("#more-restart > summary").click()
    page.get_by_label("When it ends by itself").select_option("never")
    look(page)
    expect(page.locator("#draft")).to_contain_text("takes effect without a restart")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"**/servers/{server}/")
    expect_status(page, "running")
    after = rest.until(server, "running", "failed")
    assert (after["container"], after["overrides"]) == (before["container"], {"restart": "never"})

    open_settings(page, server)
    page.locator("#more-network > summary").click()
    page.get_by_label("Network", exact=True).select_option("open")
    look(page)
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#draft")).to_contain_text("Tick what has to be confirmed")
    assert rest.get(f"servers/{server}/")["overrides"] == {"restart": "never"}
    page.get_by_label("Let it reach more than before").check()
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"**/servers/{server}/")
    assert rest.get(f"servers/{server}/")["overrides"] == {"restart": "never", "egress": "open"}


def test_what_somebody_else_changes_meanwhile_is_said_and_kept(page: Page, rest: Rest, server: str) -> None:
    open_settings(page, server)
    page.get_by_label("API key", exact=True).fill(CANARY + "-typed")
    assert rest.ask("PATCH", f"servers/{server}/", {"config": {"CITY": "Rome"}})[0] == 202
    expect(page.locator("#meanwhile")).to_contain_text("CITY: Oslo → Rome")
    look(page)
    expect(page.locator("#draft")).to_contain_text("Somebody was faster")
    expect(page.get_by_label("API key", exact=True)).to_have_value(CANARY + "-typed")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"**/servers/{server}/")
    assert rest.get(f"servers/{server}/")["config"] == {"CITY": "Rome"}


def test_a_mistake_is_told_where_it_is_and_what_was_typed_stays(page: Page, server: str) -> None:
    open_settings(page, server)
    page.get_by_label("City").fill("")
    page.get_by_label("API key", exact=True).fill(CANARY + "-typed")
    page.get_by_role("button", name="Show what it does").click()
    expect(page.locator("#draft")).to_contain_text("This cannot be used")
    page.locator("#draft").get_by_role("link", name="City").click()
    expect(page.get_by_label("City")).to_be_focused()
    expect(page.get_by_label("API key", exact=True)).to_have_value(CANARY + "-typed")


def test_deleted_with_its_data_kept_it_comes_back_with_it(page: Page, rest: Rest, server: str) -> None:
    assert rest.say(server, "write", path="/data/note", text="still here") == "allowed"
    page.goto(f"/servers/{server}/")
    page.get_by_role("button", name="Delete the server…").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_label("Keep its data")).to_be_checked()
    expect(dialog.get_by_label("Type “")).to_be_hidden()
    dialog.get_by_role("button", name="Delete the server").click()
    expect(page.locator("#toasts").get_by_role("button", name="Undo")).to_be_visible()
    rest.until_gone(server)

    page.goto("/servers/kept/")
    row = page.locator(".row", has=page.locator(f"#restore-{server}"))
    expect(row).to_contain_text("/data")
    page.locator(f"#restore-{server}").click()
    page.wait_for_url(f"**/servers/{server}/")
    expect_status(page, "running")
    assert json.loads(rest.say(server, "look", path="/data/note"))["content"] == "still here"

    # And for good: only with its name typed.
    name = rest.get(f"servers/{server}/")["name"]
    page.get_by_role("button", name="Delete the server…").click()
    dialog.get_by_label("Delete its data", exact=False).first.check()
    dialog.get_by_label(f"Type “{name}”").fill(name)
    dialog.get_by_role("button", name="Delete the server").click()
    rest.until_gone(server)
    expect(page.locator(f"#restore-{server}")).to_have_count(0, timeout=READY_MS)
    assert server not in [row["id"] for row in rest.get("kept-data/")["results"]]


def test_a_deletion_is_undone_from_its_toast(page: Page, rest: Rest, server: str) -> None:
    rest.say(server, "write", path="/data/note", text="here")
    page.goto(f"/servers/{server}/")
    page.get_by_role("button", name="Delete the server…").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete the server").click()
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    page.wait_for_url(f"**/servers/{server}/")
    expect_status(page, "running")
    assert json.loads(rest.say(server, "look", path="/data/note"))["content"] == "here"


def test_a_clone_begins_without_the_data(page: Page, rest: Rest, server: str) -> None:
    rest.say(server, "write", path="/data/note", text="mine")
    open_settings(page, server)
    page.get_by_role("link", name="Clone…").click()
    expect(page.locator(".content")).to_contain_text("Its data is not copied")
    name = f"twin-{uuid4().hex[:6]}"
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Clone it").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect_status(page, "running")
    twin = next(one["id"] for one in rest.get("servers/?limit=500")["results"] if one["name"] == name)
    assert json.loads(rest.say(twin, "look", path="/data"))["content"] == []


def test_no_secret_is_in_any_log(stack: Stack) -> None:
    for program in ("web", "worker", "beat", "intake", "dtma"):
        assert CANARY not in stack.logs(program), program


def test_the_page_fits_a_phone(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    for path in ("settings/", "history/", "clone/"):
        page.goto(f"/servers/{server}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
