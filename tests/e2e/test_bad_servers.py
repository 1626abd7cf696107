"""Servers that cannot come up: each ends in a true state and a sentence to act on, and can be tried again."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Rest

PACKAGE = {"registryType": "pypi", "identifier": "mcp-server-time", "version": "0.0.0.1", "transport": {"type": "stdio"}}
NO_SUCH_VERSION = {"name": "org.example/no-such-version", "description": "For a test.", "version": "1.0.0", "packages": [PACKAGE]}


@pytest.fixture(scope="module")
def deployed(rest: Rest, image: str) -> dict[str, str]:
    """All of them at once."""
    rest.ask("POST", "catalog/", NO_SUCH_VERSION)
    scripts = {name: rest.deploy_image(image, "python", f"/srv/{name}.py") for name in ("exits", "silent", "garbage")}
    return {**scripts, "unbuildable": rest.deploy("no-such-version"), "imageless": rest.deploy_image("agentopia-test/no-such-image:1")}


@pytest.mark.parametrize(
    ("name", "step", "told"),
    [
        ("exits", "handshake", "code 3"),
        ("silent", "handshake", "initialize"),
        ("unbuildable", "image", "mcp-server-time"),
        ("imageless", "image", "no-such-image"),
    ],
)
def test_it_fails_with_a_reason_at_the_step_that_failed(rest: Rest, deployed: dict[str, str], name: str, step: str, told: str) -> None:
    server = rest.until_settled(deployed[name])
    assert server["status"] == "failed"
    assert told in server["reason"]
    deployment = rest.get(f"servers/{server['id']}/deployments/")["results"][0]
    assert (deployment["status"], deployment["detail"]) == ("failed", server["reason"])
    assert [each["name"] for each in deployment["steps"] if each["state"] == "failed"][-1:] == [step]
    assert not [each for each in deployment["steps"] if each["state"] == "running"], "nothing spins on"


def test_one_that_exits_shows_its_exit_code_and_last_lines(rest: Rest, deployed: dict[str, str]) -> None:
    server = rest.until_settled(deployed["exits"])
    assert server["exit_code"] == 3
    assert "no DATABASE given, giving up" in [line["text"] for line in server["last_log"]]


def test_garbage_on_stdout_does_no_harm(rest: Rest, deployed: dict[str, str]) -> None:
    assert rest.until_settled(deployed["garbage"])["status"] == "running"
    assert rest.say(deployed["garbage"], "litter") == "clean"
    assert "Welcome to the garbage server!" in [line["text"] for line in rest.get(f"servers/{deployed['garbage']}/logs/")]


def test_trying_again_is_a_new_deployment_with_a_true_end(rest: Rest, deployed: dict[str, str]) -> None:
    server_id = deployed["exits"]
    before = rest.until_settled(server_id)
    rest.ask("POST", f"servers/{server_id}/start/")
    after = rest.until_settled(server_id)
    assert (after["status"], after["generation"]) == ("failed", before["generation"] + 1)
    assert len(rest.get(f"servers/{server_id}/deployments/")["results"]) >= 2


def test_a_failed_server_can_be_deleted(rest: Rest, deployed: dict[str, str]) -> None:
    rest.until_settled(deployed["imageless"])
    rest.ask("DELETE", f"servers/{deployed['imageless']}/")
    rest.until_gone(deployed["imageless"])
