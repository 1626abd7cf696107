"""The versions of MCP that are spoken here, and what each era calls things."""

from __future__ import annotations

from dtma import __version__
from dtma.mcp.connection import Era
from dtma.mcp.messages import Message

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Of the handshake era, newest first."""
STATELESS_VERSIONS = ("2026-07-28",)
"""Of the stateless era, newest first."""
ALL_VERSIONS = (*STATELESS_VERSIONS, *VERSIONS)

RESERVED = "io.modelcontextprotocol/"
VERSION = RESERVED + "protocolVersion"
CAPABILITIES = RESERVED + "clientCapabilities"
CLIENT_INFO = RESERVED + "clientInfo"
LOG_LEVEL = RESERVED + "logLevel"
SERVER_INFO = RESERVED + "serverInfo"
SUBSCRIPTION = RESERVED + "subscriptionId"

OURSELVES: Message = {"name": "agentopia-dtma", "version": __version__}
"""DTMA as a client."""
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Of log messages, most verbose first (RFC 5424)."""
GONE = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Requests that the stateless era does not know any more."""
INTERACTIVE = frozenset({"tools/call", "prompts/get", "resources/read", "tasks/result"})
"""The requests in whose course a server may want something of the client."""
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that ``Mcp-Name`` repeats."""


def era_of(version: object) -> Era | None:
    """The era of a version; None if it is not spoken here."""
    if version in STATELESS_VERSIONS:
        return Era.STATELESS
    return Era.HANDSHAKE if version in VERSIONS else None


def enveloped(params: Message | None, capabilities: Message, info: Message, level: str | None = None) -> Message:
    """Parameters of a request of the stateless era: what ``initialize`` once said is in each of them."""
    params = params or {}
    meta = params.get("_meta")
    meta = {**(meta if isinstance(meta, dict) else {}), VERSION: STATELESS_VERSIONS[0], CAPABILITIES: capabilities, CLIENT_INFO: info}
    if level is not None:
        meta[LOG_LEVEL] = level
    return {**params, "_meta": meta}


def version_of(opening: Message) -> str:
    """The version that a server speaks with DTMA, out of its ``InitializeResult`` or ``DiscoverResult``."""
    return str(opening.get("protocolVersion") or STATELESS_VERSIONS[0])


def info_of(opening: Message) -> Message:
    """What a server says it is (an ``Implementation``), out of the same; empty where it says nothing."""
    meta = opening.get("_meta")
    info = opening.get("serverInfo") or (meta.get(SERVER_INFO) if isinstance(meta, dict) else None)
    return info if isinstance(info, dict) else {}


def at_least(level: object, wanted: str) -> bool:
    """Whether a log message of this level is wanted by who asked for ``wanted``. A level that nobody knows is."""
    if level not in LEVELS or wanted not in LEVELS:
        return True
    return LEVELS.index(str(level)) >= LEVELS.index(wanted)
