"""What a request of the stateless era must look like over HTTP (MCP 2026-07-28, basic and transports).

Headers repeat what the body says, so that what stands in between can route without reading it; where they differ, somebody is deceived.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from mcp_protocol.messages import HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, Message, ProtocolError, params_of, unsupported
from mcp_protocol.versions import CAPABILITIES, GONE, NAMED, STATELESS_VERSIONS, VERSION

REPEATED = ("mcp-protocol-version", "mcp-method", "mcp-name")

_ENCODED = re.compile(r"=\?base64\?(.*)\?=")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.0+)?")
_DEEPEST = 16

type Given = Callable[[str], Sequence[str]]
"""All values of a request's header, by its name in small letters."""
type Rule = tuple[tuple[str, ...], str]
"""The path of an argument, and the name of the header that repeats it."""


def check(given: Given, request: Message) -> Message:
    """The request's ``_meta``, whose envelope is complete and agrees with the headers; raises `ProtocolError`."""
    request_id, method, params = request["id"], request["method"], params_of(request)
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        _refuse(request_id, INVALID_PARAMS, f"params._meta must be an object with {VERSION} and {CAPABILITIES}.")
    missing = [key for key in (VERSION, CAPABILITIES) if key not in meta]
    if missing:
        _refuse(request_id, INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    version = meta[VERSION]
    _check_repeated(given, request_id, version, method, params)
    if version not in STATELESS_VERSIONS:
        raise unsupported(version, request_id, STATELESS_VERSIONS)
    if method in GONE:
        text = f"{method} does not exist in MCP {version}."
        raise ProtocolError(METHOD_NOT_FOUND, text, status=HTTPStatus.NOT_FOUND, request_id=request_id)
    if not isinstance(meta[CAPABILITIES], dict):
        _refuse(request_id, INVALID_PARAMS, f"params._meta: {CAPABILITIES} must be an object.")
    return meta


def _check_repeated(given: Given, request_id: Any, version: object, method: str, params: Message) -> None:
    found = {}
    for name in REPEATED:
        values = given(name)
        if len(values) > 1:
            _refuse(request_id, HEADER_MISMATCH, f"The header {name} appears more than once.")
        found[name] = values[0].strip() if values else None
    if (found["mcp-protocol-version"] or "") != version:
        _refuse(request_id, HEADER_MISMATCH, "The header MCP-Protocol-Version is not what params._meta says.")
    if (found["mcp-method"] or "") != method:
        _refuse(request_id, HEADER_MISMATCH, "The header Mcp-Method is not the method of the body.")
    named = params.get(NAMED.get(method, ""))
    if named is not None and decoded(found["mcp-name"]) != named:
        _refuse(request_id, HEADER_MISMATCH, f"The header Mcp-Name is not the {NAMED[method]} of the body.")


def check_parameters(given: Given, request: Message, rules: Sequence[Rule]) -> None:
    """``Mcp-Param-*``: the arguments that a tool's schema marks with ``x-mcp-header``; raises `ProtocolError` where they disagree."""
    for path, name in rules:
        values = given(f"mcp-param-{name.lower()}")
        value = rendered(_at(params_of(request).get("arguments"), path))
        if value is None and not values:
            continue
        if value is None or len(values) != 1 or not _agrees(decoded(values[0]), value):
            _refuse(request["id"], HEADER_MISMATCH, f"The header Mcp-Param-{name} is not the argument {'.'.join(path)} of the body.")


def parameter_headers(arguments: Any, rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    """The same headers for these arguments."""
    for path, name in rules:
        value = rendered(_at(arguments, path))
        if value is not None:
            yield f"Mcp-Param-{name}", header_value(value)


def rules_of(schema: Any) -> list[Rule]:
    """The marked arguments of a tool's schema."""
    rules = list(_marked(schema, ()))
    names = [name.lower() for _, name in rules]
    # Clients drop a tool whose marks are wrong, so none of its headers can be expected.
    return rules if all(map(_TOKEN.fullmatch, names)) and len(set(names)) == len(names) else []


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


def header_value(value: str) -> str:
    """A value as a header may carry it."""
    if _PLAIN.fullmatch(value) and not _ENCODED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode()}?="


def rendered(value: Any) -> str | None:
    """An argument as its header has it; None for what no header repeats."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None


def _marked(schema: Any, path: tuple[str, ...]) -> Iterator[Rule]:
    properties = schema.get("properties") if isinstance(schema, Mapping) and len(path) < _DEEPEST else None
    if not isinstance(properties, Mapping):
        return
    for name, definition in properties.items():
        if isinstance(definition, Mapping):
            header = definition.get("x-mcp-header")
            if isinstance(header, str) and definition.get("type") in ("string", "integer", "boolean"):
                yield (*path, name), header
            yield from _marked(definition, (*path, name))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _agrees(header: str | None, value: str) -> bool:
    if header is None:
        return False
    return header == value or (_DECIMAL.fullmatch(header) is not None and header.partition(".")[0] == value)


def _refuse(request_id: Any, code: int, text: str) -> NoReturn:
    raise ProtocolError(code, text, status=HTTPStatus.BAD_REQUEST, request_id=request_id)
