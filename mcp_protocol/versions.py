"""The versions of MCP that are spoken, and what each era calls things."""

from __future__ import annotations

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Of the handshake era, newest first."""
STATELESS_VERSIONS = ("2026-07-28",)
"""Of the stateless era, newest first."""
STATELESS = STATELESS_VERSIONS[0]
ALL_VERSIONS = (*STATELESS_VERSIONS, *VERSIONS)
PRIMED_SINCE = "2025-11-25"
"""Older clients stumble over an event without a message."""

RESERVED = "io.modelcontextprotocol/"
VERSION = RESERVED + "protocolVersion"
CAPABILITIES = RESERVED + "clientCapabilities"
CLIENT_INFO = RESERVED + "clientInfo"
LOG_LEVEL = RESERVED + "logLevel"
SERVER_INFO = RESERVED + "serverInfo"
SUBSCRIPTION = RESERVED + "subscriptionId"

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Of log messages, most verbose first (RFC 5424)."""
GONE = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""Requests that the stateless era does not know any more."""
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that ``Mcp-Name`` repeats."""
