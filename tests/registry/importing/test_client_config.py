"""A desktop client's configuration, server by server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentopia.lib.errors import InvalidInput
from mcp_registry.importing.client_config import Candidate, read_configuration
from mcp_registry.importing.documents import usable_document
from mcp_registry.importing.words import is_own_path, is_secret_name, is_secret_word
from mcp_registry.manifest import Manifest, parse_manifest, settings_of

CANARY = "canary-4711"


def one(**server: Any) -> Candidate:
    (found,) = read_configuration(json.dumps({"mcpServers": {"weather": server}}))
    assert CANARY not in repr(found)
    return found


def run(command: str) -> Candidate:
    program, *arguments = command.split(" ")
    return one(command=program, args=arguments)


def manifest(candidate: Candidate) -> Manifest:
    assert candidate.document is not None, candidate.problem
    return parse_manifest(usable_document(candidate.document))


@pytest.mark.parametrize(
    ("command", "kind", "identifier", "version"),
    [
        ("npx -y @example/weather@1.2.3", "npm", "@example/weather", "1.2.3"),
        ("/usr/local/bin/npx --yes weather@1.2.3", "npm", "weather", "1.2.3"),
        ("npx.cmd -y weather@1.2.3", "npm", "weather", "1.2.3"),
        ("cmd /c npx -y weather@1.2.3", "npm", "weather", "1.2.3"),
        ("npm exec -- weather@1.2.3", "npm", "weather", "1.2.3"),
        ("npx -p weather@1.2.3 weather", "npm", "weather", "1.2.3"),
        ("bunx weather@1.2.3", "npm", "weather", "1.2.3"),
        ("pnpm dlx weather@1.2.3", "npm", "weather", "1.2.3"),
        ("uvx mcp-weather==1.2", "pypi", "mcp-weather", "1.2"),
        ("uvx mcp-weather@1.2", "pypi", "mcp-weather", "1.2"),
        ("uv tool run mcp-weather==1.2", "pypi", "mcp-weather", "1.2"),
        ("uvx --from mcp-weather==1.2 mcp-weather", "pypi", "mcp-weather", "1.2"),
        ("pipx run mcp-weather==1.2", "pypi", "mcp-weather", "1.2"),
        ("dnx Example.Weather@1.2.3 --yes", "nuget", "Example.Weather", "1.2.3"),
        ("dnx Example.Weather --version 1.2.3 --yes -- --all", "nuget", "Example.Weather", "1.2.3"),
        ("docker run -i --rm ghcr.io/example/weather:1.2", "oci", "ghcr.io/example/weather:1.2", ""),
        ("docker run --rm -it --network none -v data:/data example/weather serve", "oci", "example/weather", ""),
        ("podman run -i docker.io/example/weather", "oci", "docker.io/example/weather", ""),
    ],
)
def test_commands_become_packages(command: str, kind: str, identifier: str, version: str) -> None:
    package = manifest(run(command)).packages[0]
    assert (package.registry_type, package.identifier, package.version) == (kind, identifier, version)


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("npx -y @example/weather", ("npm", "@example/weather")),
        ("npx -y @example/weather@latest", ("npm", "@example/weather")),
        ("npx weather@^1.0.0", ("npm", "weather")),
        ("uvx mcp-weather", ("pypi", "mcp-weather")),
        ("uvx mcp-weather>=1.0", ("pypi", "mcp-weather")),
        ("dnx Example.Weather --yes", ("nuget", "Example.Weather")),
    ],
)
def test_what_is_not_pinned_is_to_be_looked_up(command: str, missing: tuple[str, str]) -> None:
    found = run(command)
    assert found.missing == missing
    pinned = found.with_version("3.2.1", "Tells <it>.", "MIT", "https://example.org")
    read = manifest(pinned)
    assert (read.version, read.packages[0].version, read.description, read.profile.license) == ("3.2.1", "3.2.1", "Tells <it>.", "MIT")
    assert found.without_version("Nobody knows.").problem == "Nobody knows."


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("node /home/me/server.js", "a program of your own machine"),
        ("python server.py", "a program of your own machine"),
        ("python -m mcp_weather", "installed on your own machine"),
        ("/opt/weather/bin/serve", "a program of your own machine"),
        ("./run.sh", "a program of your own machine"),
        ("bash -c curl", "a program of your own machine"),
        ("uv --directory /x run server.py", "a project of your own machine"),
        ("uv run server.py", "a project of your own machine"),
        ("dotnet run --project /x", "a project of your own machine"),
        ("npm start", "lies on your own machine"),
        ("npx ./server", "does not come from a package registry"),
        ("npx github:example/weather", "does not come from a package registry"),
        ("uvx --from git+https://canary-4711@example.org/x weather", "does not come from a package registry"),
        ("npx https://example.org/x.tgz", "does not come from a package registry"),
        ("npx --registry=https://evil.example weather", "is nothing that a toolbox does"),
        ("uvx --index-url https://evil.example weather", "is nothing that a toolbox does"),
        ("npx -p weather other", "own command only"),
        ("docker run -v /home/me:/data example/weather", "mounts files of the machine"),
        ("docker run --privileged example/weather", "all rights"),
        ("docker run --network=host example/weather", "joins a network"),
        ("docker run -p 80:80 example/weather", "opens a port"),
        ("docker compose up", "only `docker run IMAGE`"),
        ("docker run -i --rm", "cannot be the name"),
        ("npx", "does not say which package"),
        ("npx $(id)", "cannot be the name"),
    ],
)
def test_what_cannot_run_on_a_toolbox_is_refused_with_a_sentence(command: str, told: str) -> None:
    found = run(command)
    assert (found.document, told in found.problem) == (None, True), found.problem


def test_variables_become_settings_and_their_values_are_dropped() -> None:
    found = one(
        command="npx",
        args=["weather@1.2.3"],
        env={"API_KEY": CANARY, "CITY": CANARY, "EMPTY": "", "openaiKey": CANARY, "DATABASE_URL": CANARY},
    )
    settings = {setting.key: (setting.required, setting.secret) for setting in settings_of(manifest(found).packages[0])}
    assert settings == {
        "API_KEY": (True, True), "CITY": (True, False), "EMPTY": (False, False), "openaiKey": (True, True), "DATABASE_URL": (True, True),
    }  # fmt: skip
    assert any("are not kept" in note for note in found.notes)


def test_docker_passes_variables_on() -> None:
    args = ["run", "-i", "--rm", "-e", "TOKEN", "-e", f"MODE={CANARY}", f"--env=KEY={CANARY}", "example/weather", "--all"]
    found = one(command="docker", args=args, env={"TOKEN": CANARY})
    package = manifest(found).packages[0]
    assert {setting.key: setting.secret for setting in settings_of(package)} == {"TOKEN": True, "MODE": False, "KEY": True}
    assert [argument.value for argument in package.package_arguments] == ["--all"]


def test_secrets_among_the_arguments_become_settings() -> None:
    args = [
        "weather@1.2.3",
        "--api-key",
        CANARY,
        f"--token={CANARY}",
        "--city",
        "Rome",
        f"postgres://me:{CANARY}@db/x",
        "--header",
        f"Authorization: Bearer {CANARY}",
    ]
    package = manifest(one(command="npx", args=args)).packages[0]
    assert [(setting.key, setting.secret, setting.required) for setting in settings_of(package)] == [
        ("api-key", True, True), ("token", True, True), ("secret", True, True), ("header", True, True),
    ]  # fmt: skip
    assert [argument.value for argument in package.package_arguments if argument.value] == ["--city", "Rome"]


def test_what_the_configuration_leaves_open_is_asked_for() -> None:
    found = one(command="npx", args=["weather@1.2.3", "${input:api_key}", "--city=${CITY}"])
    settings = settings_of(manifest(found).packages[0])
    assert [(setting.key, setting.secret, setting.required) for setting in settings] == [("api_key", True, True), ("city", False, True)]


def test_paths_of_ones_own_machine_become_a_volume() -> None:
    read = manifest(one(command="npx", args=["files@1.2.3", "/Users/me/Desktop", "C:\\data", "--root=~/x", "/mcp"]))
    assert [(volume.name, volume.path) for volume in read.profile.volumes] == [("data", "/data")]
    assert [setting.default for setting in settings_of(read.packages[0])] == ["/data"] * 3
    assert [argument.value for argument in read.packages[0].package_arguments if argument.value] == ["/mcp"]


def test_an_address_becomes_a_remote() -> None:
    found = one(url="https://mcp.example.org/sse", headers={"Authorization": f"Bearer {CANARY}"})
    (remote,) = manifest(found).remotes
    assert (remote.type, remote.url, [header.name for header in remote.headers]) == (
        "sse",
        "https://mcp.example.org/sse",
        ["Authorization"],
    )
    assert manifest(one(type="http", url="https://mcp.example.org/mcp")).remotes[0].type == "streamable-http"
    assert manifest(run("npx -y mcp-remote https://mcp.example.org/sse")).remotes[0].url == "https://mcp.example.org/sse"
    for address in (
        "javascript:alert(1)",
        "file:///etc/passwd",
        f"https://mcp.example.org/?api_key={CANARY}",
        f"https://me:{CANARY}@example.org/",
    ):
        assert one(url=address).problem


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {"a": {"command": "uvx", "args": ["x==1.0"]}}}',
        '{"servers": {"a": {"type": "stdio", "command": "uvx", "args": ["x==1.0"]}}}',
        '{"mcp": {"servers": {"a": {"command": "uvx", "args": ["x==1.0"]}}}}',
        '{"context_servers": {"a": {"command": {"path": "uvx", "args": ["x==1.0"]}}}}',
        '{"a": {"command": "uvx", "args": ["x==1.0"]}}',
        '"a": {"command": "uvx", "args": ["x==1.0"]},',
        '{"command": "uvx", "args": ["x==1.0"]}',
        '{"command": "uvx x==1.0"}',
        '\ufeff{ /* mine */ "mcpServers": { // and\n "a": {"command": "uvx", "args": ["x==1.0",],},},}',
    ],
)
def test_the_forms_in_which_it_is_pasted(text: str) -> None:
    (found,) = read_configuration(text)
    assert manifest(found).packages[0].identifier == "x"


def test_what_looks_like_a_comment_inside_of_a_text_stays() -> None:
    (found,) = read_configuration('{"command": "uvx", "args": ["x==1.0", "https://example.org/a//b", "a /* b */ c", "x,]"]}')
    values = [argument.value for argument in manifest(found).packages[0].package_arguments]
    assert values == ["https://example.org/a//b", "a /* b */ c", "x,]"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", '"x"', '{"mcpServers": {}}', '{"mcpServers": []}', '{"a": 1}', "[" * 100_000, '{"mcpServers": {"a": NaN}}',
     json.dumps({"mcpServers": {f"s{number}": {} for number in range(51)}})],
)  # fmt: skip
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_configuration(text)


@pytest.mark.parametrize(
    "server",
    [None, 7, [], {}, {"command": 7}, {"command": ""}, {"command": "npx", "args": "x"}, {"command": "npx", "args": ["x@1.0.0"], "env": []},
     {"command": "npx", "args": ["x@1.0.0"], "env": "A=1"}, {"command": "npx", "args": ["x@1.0.0"], "env": {"A B": "1"}}, {"url": 7},
     {"command": "npx", "args": ["a"] * 500}, {"command": "npx", "args": ["x@1.0.0", None, {"a": 1}]}, {"url": "https://x" + "y" * 3000}],
)  # fmt: skip
def test_nonsense_in_one_server_stops_no_other(server: Any) -> None:
    given = {"mcpServers": {"odd": server, "good": {"command": "uvx", "args": ["x==1.0"]}}}
    odd, good = read_configuration(json.dumps(given))
    assert good.document is not None
    assert odd.problem or odd.document is not None


@pytest.mark.parametrize(
    "name", ["API_KEY", "apiKey", "GITHUB_TOKEN", "--api-key", "PASSWORD", "DB_PASS", "SECRET", "clientSecret", "AUTH", "PAT"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["CITY", "--verbose", "MONKEY", "TOKENIZER", "PATH", "KEYBOARD", "AUTHOR", "PASSAGE", "--max-tokens-count"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name) or name == "--max-tokens-count"


def test_words_that_tell_what_they_are() -> None:
    assert all(map(is_secret_word, ("ghp_abcdefghijkl1234", "sk-abcdefghijkl12345", "Bearer x", "redis://:pw@h/0", "a1" * 20)))
    assert not any(map(is_secret_word, ("--verbose", "Rome", "https://example.org/mcp", "@example/weather")))
    assert all(map(is_own_path, ("/Users/me", "~/x", "./x", "..", "C:\\x", "file:///x", "${HOME}/x")))
    assert not any(map(is_own_path, ("/mcp", "/data", "x/y", "https://example.org", "//cdn")))
