"""Upgrades of real servers between real versions of their packages: good ones, and bad ones that never get in anybody's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from docker import DockerClient
from playwright.sync_api import Page, expect

from dtma.labels import LABEL_SERVER, LABEL_TOOLBOX
from tests.dtma.agent import until
from tests.e2e.browser import READY_MS, chromium, expect_status, page, signed_in
from tests.e2e.conftest import Rest
from tests.e2e.test_lifecycle import containers
from tests.stack import Stack

__all__ = ["chromium", "page", "signed_in"]

SLOT = "io.modelcontextprotocol.registry/publisher-provided"
TIME, NEWER_TIME, NO_SUCH_TIME = "2026.8.18", "2026.10.19", "0.0.0.1"
CALL_PAUSE = 0.1
EVERYTHING, NEWER_EVERYTHING = "2025.9.25", "2026.8.31"


def pypi_time(version: str) -> dict[str, Any]:
    return {"registryType": "pypi", "identifier": "mcp-server-time", "version": version, "transport": {"type": "stdio"}}


def npm_everything(version: str) -> dict[str, Any]:
    package = {"registryType": "npm", "identifier": "@modelcontextprotocol/server-everything", "version": version}
    return {**package, "transport": {"type": "stdio"}, "packageArguments": [{"type": "positional", "value": "stdio"}]}


def script(image: str, name: str, *words: str) -> dict[str, Any]:
    arguments = ("python", f"/srv/{name}.py", *words)
    package = {"registryType": "oci", "identifier": image, "transport": {"type": "stdio"}}
    return {**package, "packageArguments": [{"type": "positional", "value": argument} for argument in arguments]}


class Versions:
    """An entry of one's own, version by version."""

    def __init__(self, rest: Rest, **profile: Any) -> None:
        self.rest = rest
        self.name = f"org.example/e{uuid4().hex[:10]}"
        self.profile = profile

    def add(self, version: str, package: dict[str, Any]) -> str:
        """Returns the entry's id."""
        document = {"name": self.name, "description": "For a test.", "version": version, "packages": [package]}
        status, entry = self.rest.ask("POST", "catalog/", {**document, "_meta": {SLOT: {"agentopia": self.profile}}})
        assert status == 201, entry
        return str(entry["id"])

    def deploy(self, version: str, package: dict[str, Any]) -> str:
        server_id = self.rest.deploy(self.add(version, package))
        server = self.rest.until_settled(server_id)
        assert server["status"] == "running", server["reason"]
        return server_id


@contextmanager
def called_all_the_time(rest: Rest, server_id: str, tool: str, **arguments: Any) -> Iterator[list[Any]]:
    """Call a tool again and again; yields what went wrong, which grows. There is at least one call within."""
    ended, called, wrong = threading.Event(), threading.Event(), list[Any]()

    def work() -> None:
        while not ended.wait(CALL_PAUSE):
            status, answer = rest.ask("POST", f"servers/{server_id}/tools/{tool}/call/", {"arguments": arguments})
            if status != 200 or answer["status"] != "succeeded":
                wrong.append((status, answer))
            called.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wrong
        assert called.wait(30)
    finally:
        ended.set()
        thread.join(60)


def upgrade(rest: Rest, server_id: str, **wanted: Any) -> None:
    status, answer = rest.ask("POST", f"servers/{server_id}/upgrade/", wanted)
    assert status == 202, answer


def newest(rest: Rest, server_id: str) -> dict[str, Any]:
    return dict(rest.get(f"servers/{server_id}/upgrades/")["results"][0])


def until_trial(rest: Rest, server_id: str, *statuses: str, seconds: float = 150) -> None:
    until(lambda: newest(rest, server_id)["trial"]["status"] in statuses, seconds)


def until_upgrade(rest: Rest, server_id: str, *statuses: str, seconds: float = 150) -> dict[str, Any]:
    def reached() -> dict[str, Any]:
        found = newest(rest, server_id)
        return found if found["status"] in statuses else {}

    return until(reached, seconds)


def left_over(rest: Rest, engine: DockerClient) -> set[str]:
    """The ids that containers and volumes of the toolbox are labelled with, though there is no such server."""
    toolbox = rest.get("toolboxes/")["results"][0]["id"]
    label = {"filters": {"label": f"{LABEL_TOOLBOX}={toolbox}"}}
    labels = [container.labels for container in engine.containers.list(all=True, ignore_removed=True, **label)]
    labels += [volume.attrs["Labels"] or {} for volume in engine.volumes.list(**label)]
    return {of[LABEL_SERVER] for of in labels if LABEL_SERVER in of} - {
        server["id"] for server in rest.get("servers/?limit=500")["results"]
    }


def test_a_good_version_is_switched_to_and_answers_until_then(rest: Rest, engine: DockerClient, image: str) -> None:
    versions = Versions(rest)
    server_id = versions.deploy(TIME, pypi_time(TIME))
    versions.add(NEWER_TIME, pypi_time(NEWER_TIME))
    before = rest.get(f"servers/{server_id}/")
    with called_all_the_time(rest, server_id, "get_current_time", timezone="UTC") as wrong:
        upgrade(rest, server_id)
        until_trial(rest, server_id, "succeeded")
        assert wrong == [], "the old one answers while the new one is tried"
    done = until_upgrade(rest, server_id, "done", "asking", "failed", "rolled_back")
    if done["status"] == "asking":
        rest.ask("POST", f"servers/{server_id}/upgrade/approve/")
        done = until_upgrade(rest, server_id, "done", "failed", "rolled_back")
    assert (done["status"], done["problem"]) == ("done", "")
    after = rest.until_settled(server_id)
    assert (after["status"], after["generation"]) == ("running", before["generation"] + 1)
    assert after["container"] != before["container"]
    assert "UTC" in rest.say(server_id, "get_current_time", timezone="UTC")
    assert [step["state"] for step in done["trial"]["steps"]] == ["done"] * 5
    assert len(containers(engine, server_id)) == 1
    until(lambda: not left_over(rest, engine), 30)


def test_a_version_that_does_not_exist_leaves_the_old_one_serving(rest: Rest, engine: DockerClient, image: str) -> None:
    versions = Versions(rest)
    server_id = versions.deploy(TIME, pypi_time(TIME))
    versions.add(NO_SUCH_TIME, pypi_time(NO_SUCH_TIME))
    before = rest.get(f"servers/{server_id}/")
    with called_all_the_time(rest, server_id, "get_current_time", timezone="UTC") as wrong:
        upgrade(rest, server_id)
        failed = until_upgrade(rest, server_id, "failed", "done", "rolled_back")
    assert wrong == []
    assert failed["status"] == "failed"
    assert "mcp-server-time" in failed["problem"]
    after = rest.get(f"servers/{server_id}/")
    assert (after["status"], after["container"], after["generation"]) == ("running", before["container"], before["generation"])
    until(lambda: not left_over(rest, engine), 30)


def test_a_worker_killed_in_the_middle_of_it_loses_nothing(rest: Rest, stack: Stack, engine: DockerClient, image: str) -> None:
    versions = Versions(rest)
    server_id = versions.deploy("1.0.0", script(image, "late", "3"))
    versions.add("2.0.0", script(image, "late", "3"))
    upgrade(rest, server_id)
    until(lambda: any(step["name"] == "handshake" for step in newest(rest, server_id)["trial"]["steps"]), 60)
    stack.kill("worker")
    assert until_upgrade(rest, server_id, "done", "failed", "rolled_back", seconds=120)["status"] == "done"
    assert rest.until_settled(server_id)["status"] == "running"
    until(lambda: not left_over(rest, engine), 60)


def test_the_difference_between_the_tools_is_seen_and_decided_on(page: Page, rest: Rest, engine: DockerClient, image: str) -> None:
    versions = Versions(rest)
    server_id = versions.deploy(EVERYTHING, npm_everything(EVERYTHING))
    versions.add(NEWER_EVERYTHING, npm_everything(NEWER_EVERYTHING))

    page.goto("/servers/")
    expect(page.locator(".row", has=page.locator(f"#server-{server_id}")).locator(".badge")).to_contain_text(NEWER_EVERYTHING)
    page.goto(f"/servers/{server_id}/")
    page.get_by_role("link", name="See what would change").click()
    expect(page.get_by_role("heading", name=f"Upgrade from {EVERYTHING} to {NEWER_EVERYTHING}")).to_be_visible()
    page.get_by_role("button", name="Upgrade").click()
    page.wait_for_url(f"**/servers/{server_id}/")
    page.evaluate("window.neverReloaded = true")
    card = page.locator("#upgrade")
    expect(card.get_by_role("heading", name=f"{NEWER_EVERYTHING} is ready. Switch to it?")).to_be_visible(timeout=READY_MS)
    expect(card.locator(".badge[data-tone=error], .badge[data-tone=warning]").first).to_be_visible()
    assert rest.say(server_id, "echo", message="old") == "Echo: old"

    page.get_by_role("button", name="Switch", exact=True).click()
    expect(card.get_by_role("heading", name=f"Went from {EVERYTHING} to {NEWER_EVERYTHING}")).to_be_visible(timeout=READY_MS)
    expect_status(page, "running")
    expect(page.locator("#facts")).to_contain_text(f"server-everything {NEWER_EVERYTHING}")
    assert page.evaluate("window.neverReloaded")
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.locator("#upgrades")).to_contain_text(f"Went from {EVERYTHING} to {NEWER_EVERYTHING}")


def test_a_version_that_cannot_read_the_data_is_rolled_back_by_itself(page: Page, rest: Rest, engine: DockerClient, image: str) -> None:
    """Its trial succeeds, since that has a volume of its own: the switch shows what is wrong with it."""
    versions = Versions(rest, volumes=[{"name": "data", "path": "/data"}])
    server_id = versions.deploy("1.0.0", script(image, "marked", "old"))
    versions.add("2.0.0", script(image, "marked", "new"))
    assert rest.say(server_id, "which") == "old"

    page.goto(f"/servers/{server_id}/versions/")
    page.get_by_role("button", name="Upgrade").click()
    page.wait_for_url(f"**/servers/{server_id}/")
    card = page.locator("#upgrade")
    expect(card.get_by_role("heading", name="2.0.0 did not become ready: it went back to 1.0.0")).to_be_visible(timeout=READY_MS)
    expect(card.locator(".reason")).to_contain_text("code 4")
    expect(card.locator(".step", has_text="Try beside")).to_have_attribute("data-state", "done")
    expect(card.locator(".step", has_text="Switch")).to_have_attribute("data-state", "failed")
    expect(card.locator(".step", has_text="Rolled back")).to_have_attribute("data-state", "done")
    expect_status(page, "running")
    assert rest.say(server_id, "which") == "old"
    until(lambda: not left_over(rest, engine), 30)


def test_a_bad_version_is_tried_in_vain_on_a_narrow_page(page: Page, rest: Rest, engine: DockerClient, image: str) -> None:
    page.set_viewport_size({"width": 380, "height": 760})
    versions = Versions(rest)
    server_id = versions.deploy("1.0.0", script(image, "workshop"))
    versions.add("2.0.0", script(image, "exits"))
    page.goto(f"/servers/{server_id}/versions/")
    page.wait_for_function("document.documentElement.scrollWidth <= 380")
    page.get_by_role("button", name="Upgrade").press("Enter")
    page.wait_for_url(f"**/servers/{server_id}/")
    card = page.locator("#upgrade")
    expect(card.get_by_role("heading", name="2.0.0 did not become ready: it was left at 1.0.0")).to_be_visible(timeout=READY_MS)
    page.wait_for_function("document.documentElement.scrollWidth <= 380")
    expect_status(page, "running")
