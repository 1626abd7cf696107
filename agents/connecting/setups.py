"""What has to be written where, for each kind of MCP client. Pure: from an address, a name and a token to texts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PLACEHOLDER = "YOUR_TOKEN"
VARIABLE = "AGENTOPIA_TOKEN"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Target:
    """What is connected to: ``name`` as the client will call it, ``token`` or `PLACEHOLDER`."""

    name: str
    url: str
    token: str = PLACEHOLDER

    @property
    def header(self) -> str:
        return f"Bearer {self.token}"


@dataclass(frozen=True)
class Part:
    """One text to copy: where it goes, in what language (``json``, ``toml``, ``sh``), and whether the token is in it."""

    where: str
    language: str
    text: str

    @property
    def is_line(self) -> bool:
        """Whether it is one line, as a command is."""
        return "\n" not in self.text

    def holds(self, token: str) -> bool:
        """Whether this text is to be kept as a secret is."""
        return token in self.text


@dataclass(frozen=True)
class Setup:
    """All that one client needs."""

    key: str
    client: str
    parts: tuple[Part, ...]
    then: str
    """What to do after it, and how to see that it works."""


def setups(target: Target) -> list[Setup]:
    """For every client that is known, the usual ones first."""
    return [make(target) for make in CLIENTS]


def claude_code(to: Target) -> Setup:
    command = ["claude", "mcp", "add", "--transport", "http", to.name, to.url, "--header", f"Authorization: {to.header}"]
    return Setup(
        "claude-code",
        "Claude Code",
        (Part("In a terminal, in your project's folder", "sh", _line(command)),),
        "“claude mcp list” shows it as connected. With “--scope user” it is there in all of your projects.",
    )


def claude_desktop(to: Target) -> Setup:
    return Setup(
        "claude-desktop",
        "Claude Desktop",
        (
            Part(
                "claude_desktop_config.json (Settings, Developer, Edit Config)", "json", _json({"mcpServers": {to.name: through_stdio(to)}})
            ),
        ),
        "It needs Node.js on your machine. Quit Claude Desktop and start it again; the tools are under the slider beside the message box.",
    )


def cursor(to: Target) -> Setup:
    content = {"mcpServers": {to.name: {"url": to.url, "headers": {"Authorization": to.header}}}}
    return Setup(
        "cursor",
        "Cursor",
        (Part("~/.cursor/mcp.json, or .cursor/mcp.json in a project", "json", _json(content)),),
        "Settings, Tools & MCP shows it with a green dot. Keep a project's file out of version control while the token is in it.",
    )


def vs_code(to: Target) -> Setup:
    asked = {"type": "promptString", "id": "agentopia-token", "description": "API token of Agentopia", "password": True}
    server = {"type": "http", "url": to.url, "headers": {"Authorization": "Bearer ${input:agentopia-token}"}}
    return Setup(
        "vs-code",
        "VS Code",
        (Part(".vscode/mcp.json", "json", _json({"inputs": [asked], "servers": {to.name: server}})),),
        "VS Code asks for the token when it starts the server, and keeps it safe: nothing secret is in the file. Then choose Agent mode.",
    )


def codex(to: Target) -> Setup:
    table = f"[mcp_servers.{to.name}]\nurl = {_toml(to.url)}\nbearer_token_env_var = {_toml(VARIABLE)}\n"
    return Setup(
        "codex",
        "Codex",
        (
            Part("~/.codex/config.toml", "toml", table),
            Part("In the shell that starts Codex", "sh", f"export {VARIABLE}={shlex.quote(to.token)}"),
        ),
        "“/mcp” in Codex lists its tools.",
    )


def windsurf(to: Target) -> Setup:
    content = {"mcpServers": {to.name: {"serverUrl": to.url, "headers": {"Authorization": to.header}}}}
    return Setup(
        "windsurf",
        "Windsurf",
        (Part("~/.codeium/windsurf/mcp_config.json", "json", _json(content)),),
        "Press “Refresh” in Cascade's list of MCP servers.",
    )


def gemini_cli(to: Target) -> Setup:
    content = {"mcpServers": {to.name: {"httpUrl": to.url, "headers": {"Authorization": to.header}}}}
    return Setup(
        "gemini-cli",
        "Gemini CLI",
        (Part("~/.gemini/settings.json", "json", _json(content)),),
        "“/mcp” in Gemini CLI lists its tools.",
    )


def other_http(to: Target) -> Setup:
    content = {"mcpServers": {to.name: {"type": "http", "url": to.url, "headers": {"Authorization": to.header}}}}
    return Setup(
        "other",
        "Another client",
        (Part("Wherever it keeps its MCP servers; most take this shape", "json", _json(content)),),
        "The transport is Streamable HTTP. Where a form asks for a header, it is “Authorization” with “Bearer” and the token.",
    )


def only_stdio(to: Target) -> Setup:
    return Setup(
        "stdio",
        "A client that knows only local servers",
        (Part("Wherever it keeps its MCP servers", "json", _json({"mcpServers": {to.name: through_stdio(to)}})),),
        "The program mcp-remote is fetched by Node.js and passes everything on.",
    )


def own_program(to: Target) -> Setup:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "curl", "version": "1"},
    }}  # fmt: skip
    headers = (f"Authorization: {to.header}", "Content-Type: application/json", "Accept: application/json, text/event-stream")
    command = ["curl", "--fail-with-body", to.url, *(word for each in headers for word in ("-H", each)), "-d", json.dumps(body)]
    return Setup(
        "curl",
        "A program of your own",
        (Part("In a terminal, to see that it answers", "sh", _line(command)),),
        "Every MCP SDK has a client for Streamable HTTP that takes the address and headers.",
    )


CLIENTS: tuple[Callable[[Target], Setup], ...] = (
    claude_code,
    claude_desktop,
    cursor,
    vs_code,
    codex,
    windsurf,
    gemini_cli,
    other_http,
    only_stdio,
    own_program,
)


def through_stdio(to: Target) -> dict[str, Any]:
    """A local server that passes everything on. The header is in a variable: some clients on Windows break arguments with spaces."""
    parts = urlsplit(to.url)
    plain = ["--allow-http"] if parts.scheme == "http" and parts.hostname not in LOOPBACK else []
    arguments = ["-y", "mcp-remote", to.url, "--transport", "http-only", *plain, "--header", "Authorization:${AUTHORIZATION}"]
    return {"command": "npx", "args": arguments, "env": {"AUTHORIZATION": to.header}}


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _toml(text: str) -> str:
    """A basic string of TOML, which a string of JSON is."""
    return json.dumps(text)


def _line(words: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
