"""The rules of the stateless era (`mcp_protocol.headers`) for headers as the gateway has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_protocol.headers import Given, header_value, parameter_headers, rules_of
from mcp_protocol.messages import Message
from mcp_protocol.versions import NAMED, VERSION

TWICE = b"\x00"
"""Stands for a header that appears more than once, which no real value can be."""

type Headers = Mapping[bytes, bytes]


def given(headers: Headers) -> Given:
    """The values of a header; two for one that is `TWICE`."""

    def values(name: str) -> Sequence[str]:
        value = headers.get(name.encode())
        if value is None:
            return ()
        return ("", "") if value == TWICE else (value.decode("latin-1"),)

    return values


def routing_lines(method: str, params: Message, meta: Message) -> bytes:
    """The headers that repeat what a message of the stateless era says, as lines."""
    named = params.get(NAMED.get(method, ""))
    pairs = [("MCP-Protocol-Version", str(meta.get(VERSION, ""))), ("Mcp-Method", method)]
    if named is not None:
        pairs.append(("Mcp-Name", str(named)))
    return _lines((name, header_value(value)) for name, value in pairs)


def parameter_lines(arguments: Any, schema: Any) -> bytes:
    """Those that repeat arguments."""
    return _lines(parameter_headers(arguments, rules_of(schema)))


def _lines(pairs: Any) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in pairs)
