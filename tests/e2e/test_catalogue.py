"""Servers that ship in the catalogue: built, deployed and called, for real. That all come up is shown by `bench.catalog_deploys`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from docker import DockerClient

from tests.e2e.conftest import Rest

# How each is put to use: tool, arguments, what its answer must hold; in order, on one server.
USES: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "time": [("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}, "+9.0h")],
    "git": [
        ("git_status", {"repo_path": "/data/repo"}, "No commits yet"),
        ("git_branch", {"repo_path": "/data/repo", "branch_type": "local"}, ""),
    ],
    "sqlite": [
        ("create_table", {"query": "CREATE TABLE pets (name TEXT)"}, "created"),
        ("write_query", {"query": "INSERT INTO pets VALUES ('Rex')"}, "affected_rows"),
        ("read_query", {"query": "SELECT name FROM pets"}, "Rex"),
    ],
    "azure": [
        (
            "bicepschema",
            {"intent": "a", "command": "bicepschema_get", "parameters": {"resource-type": "Microsoft.Storage/storageAccounts"}},
            "apiVersion",
        )
    ],
    "everything": [("echo", {"message": "hello"}, "Echo: hello")],
    "everything-http": [("echo", {"message": "hello"}, "Echo: hello")],
    "filesystem": [
        ("write_file", {"path": "/data/note.txt", "content": "remember"}, "/data/note.txt"),
        ("read_text_file", {"path": "/data/note.txt"}, "remember"),
    ],
    "memory": [
        ("create_entities", {"entities": [{"name": "Ada", "entityType": "person", "observations": ["wrote programs"]}]}, "Ada"),
        ("search_nodes", {"query": "programs"}, "Ada"),
    ],
    "calculator": [("calculate", {"expression": "2**10+1"}, "1025")],
}


@pytest.fixture(scope="module")
def deployed(rest: Rest, engine: DockerClient) -> dict[str, str]:
    """All of them, deployed at once with nothing typed. The Git server offers no tool to begin a repository, so it finds one."""
    servers = {slug: rest.deploy(slug) for slug in USES}
    rest.until_settled(servers["git"], seconds=500)
    (container,) = engine.containers.list(filters={"label": f"io.agentopia.server={servers['git']}"})
    assert container.exec_run(["git", "init", "/data/repo"]).exit_code == 0
    return servers


@pytest.mark.timeout(600)
@pytest.mark.parametrize("slug", USES)
def test_it_comes_up_with_one_click_and_does_its_work(rest: Rest, deployed: dict[str, str], slug: str) -> None:
    server_id = deployed[slug]
    server = rest.until_settled(server_id, seconds=500)
    assert server["status"] == "running", server["reason"]
    steps = rest.get(f"servers/{server_id}/deployments/")["results"][0]["steps"]
    assert [step["name"] for step in steps] == ["queued", "image", "container", "handshake", "tools"]
    assert all(step["state"] == "done" and step["seconds"] >= 0 for step in steps)
    offered = {tool["name"] for tool in rest.get(f"servers/{server_id}/tools/")["results"]}
    for tool, arguments, expected in USES[slug]:
        assert tool in offered
        result = rest.call(server_id, tool, **arguments)
        assert not result.get("isError"), result
        assert expected in json.dumps(result)


def test_what_a_server_keeps_on_its_volume_survives_a_restart(rest: Rest, deployed: dict[str, str]) -> None:
    server_id = deployed["memory"]
    rest.until(server_id, "running", seconds=500)
    rest.call(server_id, "create_entities", entities=[{"name": "Grace", "entityType": "person", "observations": ["found a moth"]}])
    rest.ask("POST", f"servers/{server_id}/restart/")
    rest.until(server_id, "running")
    assert "Grace" in rest.say(server_id, "search_nodes", query="moth")
