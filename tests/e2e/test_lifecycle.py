"""Stopping, starting and deleting a real server."""

from __future__ import annotations

from docker import DockerClient

from tests.e2e.conftest import Rest


def containers(engine: DockerClient, server_id: str) -> list[str]:
    label = f"io.agentopia.server={server_id}"
    return [container.name for container in engine.containers.list(all=True, filters={"label": label})]


def test_a_servers_life(rest: Rest, engine: DockerClient, image: str) -> None:
    server_id = rest.deploy_image(image, "python", "/srv/workshop.py")
    assert rest.until_settled(server_id)["status"] == "running"
    assert len(containers(engine, server_id)) == 1

    rest.ask("POST", f"servers/{server_id}/stop/")
    assert rest.until(server_id, "stopped", "failed")["status"] == "stopped"
    status, refused = rest.ask("POST", f"servers/{server_id}/tools/slow/call/", {"arguments": {}})
    assert (status, refused["code"]) == (409, "server_not_running")

    rest.ask("POST", f"servers/{server_id}/start/")
    assert rest.until(server_id, "running", "failed")["status"] == "running"
    assert rest.say(server_id, "slow", steps=1) == "done"

    rest.ask("DELETE", f"servers/{server_id}/")
    rest.until_gone(server_id)
    assert containers(engine, server_id) == []


def test_a_restart_is_a_new_process_in_one_container(rest: Rest, engine: DockerClient, image: str) -> None:
    server_id = rest.deploy_image(image, "python", "/srv/workshop.py")
    before = rest.until_settled(server_id)
    rest.ask("POST", f"servers/{server_id}/restart/")
    after = rest.until(server_id, "running", "failed")
    assert after["status"] == "running"
    assert (after["started_at"], after["generation"]) > (before["started_at"], before["generation"])
    assert len(containers(engine, server_id)) == 1


def test_the_log_is_what_the_server_printed(rest: Rest, image: str) -> None:
    server_id = rest.deploy_image(image, "python", "/srv/workshop.py")
    rest.until_settled(server_id)
    rest.say(server_id, "shout", text="marked", count=3)
    lines = rest.get(f"servers/{server_id}/logs/?tail=2")
    assert [(line["stream"], line["text"]) for line in lines] == [("stderr", "marked 1"), ("stderr", "marked 2")]
