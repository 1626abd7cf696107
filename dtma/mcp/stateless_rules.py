"""What a request of the stateless era must look like over HTTP (MCP 2026-07-28, basic and transports).

Headers repeat what the body says, so that what stands in between can route without reading it; where they differ, somebody is deceived.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from starlette.datastructures import Headers

from dtma.mcp.asgi import Refused
from dtma.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
    Message,
    params_of,
)
from dtma.mcp.versions import CAPABILITIES, GONE, NAMED, STATELESS_VERSIONS, VERSION

STATUS = {
    METHOD_NOT_FOUND: HTTPStatus.NOT_FOUND,
    **dict.fromkeys(
        (PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION), HTTPStatus.BAD_REQUEST
    ),
}
"""Of an answer that is an error with this code and nothing before it; all others are 200."""

_ENCODED = re.compile(r"=\?base64\?(.*)\?=")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.0+)?")
_REPEATED = ("mcp-protocol-version", "mcp-method", "mcp-name")

type Rule = tuple[tuple[str, ...], str]
"""The path of an argument, and the name of the header that repeats it."""


def unsupported(version: object, request_id: Any, instead: Sequence[str] = STATELESS_VERSIONS) -> Refused:
    """The refusal of a version that is not spoken here; ``instead`` are those that this client may use."""
    data = {"supported": list(instead), "requested": str(version)}
    text = f"MCP {version} is not spoken here. Use {' or '.join(instead)}."
    return Refused(HTTPStatus.BAD_REQUEST, UNSUPPORTED_VERSION, text, data, request_id)


def check(headers: Headers, request: Message) -> Message:
    """The request's ``_meta``, whose envelope is complete and agrees with the headers; raises ``Refused``."""
    request_id, method, params = request["id"], request["method"], params_of(request)
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        _refuse(request_id, INVALID_PARAMS, f"params._meta must be an object with {VERSION} and {CAPABILITIES}.")
    missing = [key for key in (VERSION, CAPABILITIES) if key not in meta]
    if missing:
        _refuse(request_id, INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    version = meta[VERSION]
    _check_headers(headers, request_id, version, method, params)
    if version not in STATELESS_VERSIONS:
        raise unsupported(version, request_id)
    if method in GONE:
        text = f"{method} does not exist in MCP {version}."
        raise Refused(HTTPStatus.NOT_FOUND, METHOD_NOT_FOUND, text, None, request_id)
    if not isinstance(meta[CAPABILITIES], dict):
        _refuse(request_id, INVALID_PARAMS, f"params._meta: {CAPABILITIES} must be an object.")
    return meta


def _check_headers(headers: Headers, request_id: Any, version: object, method: str, params: Message) -> None:
    for name in _REPEATED:
        if len(headers.getlist(name)) > 1:
            _refuse(request_id, HEADER_MISMATCH, f"The header {name} appears more than once.")
    if headers.get("mcp-protocol-version", "").strip() != version:
        _refuse(request_id, HEADER_MISMATCH, "The header MCP-Protocol-Version is not what params._meta says.")
    if headers.get("mcp-method", "").strip() != method:
        _refuse(request_id, HEADER_MISMATCH, "The header Mcp-Method is not the method of the body.")
    named = params.get(NAMED.get(method, ""))
    if named is not None and decoded(headers.get("mcp-name")) != named:
        _refuse(request_id, HEADER_MISMATCH, f"The header Mcp-Name is not the {NAMED[method]} of the body.")


def decoded(header: str | None) -> str | None:
    """The value of a header, which may be base64 of UTF-8 (``=?base64?…?=``); None if that is malformed or there is none."""
    if header is None:
        return None
    header = header.strip()
    encoded = _ENCODED.fullmatch(header)
    if encoded is None:
        return header
    try:
        value = base64.b64decode(encoded[1], validate=True)
        return value.decode() if base64.b64encode(value).decode() == encoded[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


class ParameterHeaders:
    """``Mcp-Param-*``: the arguments that a tool's schema marks with ``x-mcp-header``. ``tools`` are the definitions as last listed."""

    def __init__(self, tools: Callable[[], Sequence[Message]]) -> None:
        self._tools = tools
        self._of: Sequence[Message] = ()
        self._rules: dict[str, list[Rule]] = {}

    def check(self, headers: Headers, request: Message) -> None:
        """Raises ``Refused`` where a header and an argument of a tool call disagree."""
        params = params_of(request)
        for path, name in self._rules_for(params.get("name")):
            given = headers.getlist(f"mcp-param-{name}")
            value = _rendered(_at(params.get("arguments"), path))
            if value is None and not given:
                continue
            if value is None or len(given) != 1 or not _agrees(decoded(given[0]), value):
                _refuse(request["id"], HEADER_MISMATCH, f"The header Mcp-Param-{name} is not the argument {'.'.join(path)} of the body.")

    def _rules_for(self, tool: Any) -> list[Rule]:
        tools = self._tools()
        if tools is not self._of:
            self._of = tools
            self._rules = {str(tool["name"]): _rules(tool.get("inputSchema")) for tool in tools}
        return self._rules.get(tool, []) if isinstance(tool, str) else []


def _rules(schema: Any) -> list[Rule]:
    rules = list(_marked(schema, ()))
    names = [name.lower() for _, name in rules]
    # Clients drop a tool whose marks are wrong, so none of its headers can be expected.
    valid = all(_TOKEN.fullmatch(name) for name in names) and len(set(names)) == len(names)
    return rules if valid else []


def _marked(schema: Any, path: tuple[str, ...]) -> Iterator[Rule]:
    properties = schema.get("properties") if isinstance(schema, dict) and len(path) < 16 else None
    if not isinstance(properties, dict):
        return
    for name, definition in properties.items():
        if isinstance(definition, dict):
            header = definition.get("x-mcp-header")
            if isinstance(header, str) and definition.get("type") in ("string", "integer", "boolean"):
                yield (*path, name), header
            yield from _marked(definition, (*path, name))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _rendered(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None


def _agrees(header: str | None, value: str) -> bool:
    if header is None:
        return False
    return header == value or (_DECIMAL.fullmatch(header) is not None and header.partition(".")[0] == value)


def _refuse(request_id: Any, code: int, text: str) -> NoReturn:
    raise Refused(HTTPStatus.BAD_REQUEST, code, text, None, request_id)
