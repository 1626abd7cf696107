"""What the versions of MCP mean for DTMA."""

from __future__ import annotations

from dtma import __version__
from dtma.mcp.connection import Era
from mcp_protocol.messages import Message
from mcp_protocol.versions import CAPABILITIES, CLIENT_INFO, LEVELS, LOG_LEVEL, SERVER_INFO, STATELESS_VERSIONS, VERSION, VERSIONS

OURSELVES: Message = {"name": "agentopia-dtma", "version": __version__}
"""DTMA as a client."""
INTERACTIVE = frozenset({"tools/call", "prompts/get", "resources/read", "tasks/result"})
"""The requests in whose course a server may want something of the client."""


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
