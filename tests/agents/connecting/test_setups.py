"""Each set-up is what its client can read, with the user's own address and the token in the right place."""

from __future__ import annotations

import json
import shlex
import tomllib
from typing import Any

import pytest

from agents.connecting.setups import PLACEHOLDER, Part, Setup, Target, setups

URL = "https://agents.example.org/mcp/helper"
TOKEN = "agt_A-b_c"
MADE = {setup.key: setup for setup in setups(Target("helper", URL, TOKEN))}
BEARER = f"Bearer {TOKEN}"


def read(part: Part) -> Any:
    """As its client would read it: JSON and TOML as values, a line of a shell as words."""
    readers = {"json": json.loads, "toml": tomllib.loads, "sh": shlex.split}
    return readers[part.language](part.text)


def only(key: str) -> Any:
    (part,) = MADE[key].parts
    return read(part)


@pytest.mark.parametrize("setup", MADE.values(), ids=lambda setup: setup.key)
def test_every_set_up_can_be_read_and_names_the_address(setup: Setup) -> None:
    assert all(read(part) for part in setup.parts)
    assert URL in "".join(part.text for part in setup.parts)
    assert setup.then
    assert PLACEHOLDER not in "".join(part.text for part in setup.parts)


def test_claude_code() -> None:
    assert only("claude-code") == ["claude", "mcp", "add", "--transport", "http", "helper", URL, "--header", f"Authorization: {BEARER}"]


@pytest.mark.parametrize("key", ["claude-desktop", "stdio"])
def test_clients_that_start_a_local_server(key: str) -> None:
    server = only(key)["mcpServers"]["helper"]
    assert server["command"] == "npx"
    assert server["args"][:3] == ["-y", "mcp-remote", URL]
    assert server["args"][-2:] == ["--header", "Authorization:${AUTHORIZATION}"]
    assert server["env"] == {"AUTHORIZATION": BEARER}
    assert "--allow-http" not in server["args"]


def test_plain_http_has_to_be_allowed_by_name_unless_it_is_this_machine() -> None:
    def arguments(url: str) -> list[str]:
        made = {setup.key: setup for setup in setups(Target("helper", url, TOKEN))}
        found: list[str] = read(made["stdio"].parts[0])["mcpServers"]["helper"]["args"]
        return found

    assert "--allow-http" in arguments("http://agents.internal/mcp/helper")
    assert "--allow-http" not in arguments("http://127.0.0.1:8000/mcp/helper")


@pytest.mark.parametrize(("key", "field"), [("cursor", "url"), ("windsurf", "serverUrl"), ("gemini-cli", "httpUrl"), ("other", "url")])
def test_clients_with_an_address_and_headers(key: str, field: str) -> None:
    server = only(key)["mcpServers"]["helper"]
    assert server[field] == URL
    assert server["headers"] == {"Authorization": BEARER}


def test_vs_code_asks_for_the_token() -> None:
    content = only("vs-code")
    server = content["servers"]["helper"]
    (asked,) = content["inputs"]
    assert (server["type"], server["url"]) == ("http", URL)
    assert server["headers"]["Authorization"] == f"Bearer ${{input:{asked['id']}}}"
    assert asked["password"] is True
    assert not MADE["vs-code"].parts[0].holds(TOKEN), "the file is one that is committed"


def test_codex_reads_the_token_from_a_variable() -> None:
    table, variable = MADE["codex"].parts
    server = read(table)["mcp_servers"]["helper"]
    assert server["url"] == URL
    assert not table.holds(TOKEN)
    assert read(variable) == ["export", f"{server['bearer_token_env_var']}={TOKEN}"]


def test_a_program_of_ones_own() -> None:
    words = only("curl")
    assert URL in words
    assert f"Authorization: {BEARER}" in words
    assert json.loads(words[words.index("-d") + 1])["method"] == "initialize"


def test_without_a_token_there_is_a_word_in_its_place() -> None:
    without = setups(Target("helper", URL))
    assert sum(part.holds(PLACEHOLDER) for setup in without for part in setup.parts) >= 8
    assert [len(setup.parts) for setup in without] == [len(setup.parts) for setup in MADE.values()]
