"""For whom and from where a request is, how large it may be, and the metadata of the gateway's addresses."""

from __future__ import annotations

from typing import Any

import pytest

from agentopia.settings import ENVIRONMENT
from gateway import metadata, origins
from gateway.refusals import Refused
from tests.gateway.asking import HOST, answer_of, scope_of

WELL_KNOWN = "/.well-known/oauth-protected-resource/mcp/helper"


def refused(scope: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        origins.check(scope)
    return caught.value.http_status, caught.value.code


@pytest.mark.parametrize("host", [b"127.0.0.1:8000", b"localhost", b"LOCALHOST:9", b"[::1]:8000", b"testserver"])
def test_our_own_names(host: bytes) -> None:
    """pytest-django adds the last of them to ALLOWED_HOSTS."""
    origins.check(scope_of(host=(b"host", host)))


@pytest.mark.parametrize(
    "host", [b"evil.example", b"127.0.0.1.evil.example:8000", b"localhost:8000@evil.example", b"", b"2130706433", b"a b"]
)
def test_another_name_is_misdirected(host: bytes) -> None:
    """A page that rebinds its own name to our address arrives with its own name."""
    assert refused(scope_of(host=(b"host", host))) == (421, "wrong_host")


def test_no_host_and_two() -> None:
    assert refused(scope_of(host=None)) == (421, "wrong_host")
    assert refused(scope_of("/mcp/helper", HOST)) == (421, "wrong_host")


@pytest.mark.parametrize("origin", [b"http://127.0.0.1:8000", b"HTTP://127.0.0.1:8000", b"https://127.0.0.1:8000"])
def test_our_own_pages(origin: bytes) -> None:
    origins.check(scope_of("/mcp/helper", (b"origin", origin)))


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"", b"http://127.0.0.1:8001", b"http://127.0.0.1:8000.evil.example", b"file://"]
)
def test_foreign_pages(origin: bytes) -> None:
    assert refused(scope_of("/mcp/helper", (b"origin", origin))) == (403, "wrong_origin")


def test_two_origins() -> None:
    assert refused(scope_of("/mcp/helper", *[(b"origin", b"http://127.0.0.1:8000")] * 2)) == (403, "wrong_origin")


def test_trusted_pages(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://agents.example.org"]
    origins.check(scope_of("/mcp/helper", (b"origin", b"https://agents.example.org")))
    assert refused(scope_of("/mcp/helper", (b"origin", b"http://agents.example.org"))) == (403, "wrong_origin")


def test_what_is_too_large() -> None:
    assert refused(scope_of("/mcp/helper", (b"x", b"y" * origins.LARGEST_HEADERS))) == (431, "headers_too_large")
    assert refused(scope_of("/mcp/helper", *[(b"x", b"y")] * origins.MOST_HEADERS)) == (431, "headers_too_large")
    for length in (str(origins.LARGEST_BODY + 1).encode(), b"-1", b"lots", "²".encode("latin-1")):
        assert refused(scope_of("/mcp/helper", (b"content-length", length))) == (413, "too_large")


def sending(*parts: bytes, gone: bool = False) -> Any:
    """What a client sends, in these parts."""
    messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Any:
        return next(left)

    return receive


async def test_a_body() -> None:
    assert await origins.body_of(scope_of(), sending(b"ab", b"cd")) == b"abcd"
    assert await origins.body_of(scope_of(), sending()) == b""
    assert await origins.body_of(scope_of(), sending(b"ab", gone=True)) is None
    with pytest.raises(Refused) as caught:
        await origins.body_of(scope_of(), sending(*[b"x" * 2**20] * 9))
    assert caught.value.http_status == 413


async def test_the_metadata(settings: Any) -> None:
    answer = await answer_of(metadata.application, scope_of(WELL_KNOWN, method="GET"))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["resource"] == "http://127.0.0.1:8000/mcp/helper"
    assert answer.json["scopes_supported"] == ["agent:helper"]
    assert answer.json["bearer_methods_supported"] == ["header"]
    assert "authorization_servers" not in answer.json
    settings.AUTHORIZATION_SERVERS = ["https://issuer.example.org"]
    of_server = await answer_of(metadata.application, scope_of(f"{WELL_KNOWN}/weather", method="GET"))
    assert of_server.json["resource"] == "http://127.0.0.1:8000/mcp/helper/weather"
    assert of_server.json["authorization_servers"] == ["https://issuer.example.org"]


async def test_the_metadata_names_the_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENVIRONMENT, "public_url", "https://agents.example.org/")
    answer = await answer_of(metadata.application, scope_of(WELL_KNOWN, method="GET"))
    assert answer.json["resource"] == "https://agents.example.org/mcp/helper"
    name, value = metadata.challenge(scope_of("/mcp/helper"), error="invalid_token")
    assert (name, value.count(b'resource_metadata="https://agents.example.org/.well-known/')) == (b"www-authenticate", 1)


@pytest.mark.parametrize(
    ("path", "method", "host", "status"),
    [
        (WELL_KNOWN, "POST", HOST, 405),
        (WELL_KNOWN, "GET", (b"host", b"evil.example"), 421),
        ("/.well-known/oauth-protected-resource/mcp/", "GET", HOST, 404),
        ("/.well-known/oauth-protected-resource/mcp/a/b/c", "GET", HOST, 404),
        ('/.well-known/oauth-protected-resource/mcp/a"b', "GET", HOST, 404),
    ],
)
async def test_other_metadata(path: str, method: str, host: Any, status: int) -> None:
    assert (await answer_of(metadata.application, scope_of(path, method=method, host=host))).status == status


async def test_a_head_has_no_body() -> None:
    answer = await answer_of(metadata.application, scope_of(WELL_KNOWN, method="HEAD"))
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
