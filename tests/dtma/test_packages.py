"""Looking up packages: the toolbox asks the registries that it installs from."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from dtma.builds.lookup import Lookup, _read
from dtma.errors import NotDone, UnknownPackage
from dtma_client import DtmaClient, DtmaFault, PackageNotFound
from tests.dtma.agent import Agent

UNKNOWN = "there-is-no-such-package-4711"


@pytest.mark.parametrize(("kind", "name"), [("npm", "@modelcontextprotocol/server-everything"), ("pypi", "mcp-server-time")])
async def test_what_the_registries_say_of_a_package(client: DtmaClient, kind: Any, name: str) -> None:
    told = await client.package(kind, name)
    assert told.name == name
    assert told.version in told.versions
    assert 1 < len(told.versions) <= 20
    assert "MCP" in told.description or "Model Context Protocol" in told.description
    assert told.license
    assert told.homepage.startswith("https://")


async def test_the_same_question_again_is_answered_from_memory() -> None:
    class Asked:
        """A shelf and a workshop; ``times`` is how often a registry was asked."""

        reference, times = "base", 0

        async def base(self, family: str, report: Any) -> Asked:
            return self

        async def answer(self, *about: Any) -> str:
            self.times += 1
            return '{"name": "x", "version": "1.0.0", "versions": ["1.0.0"]}'

    asked: Any = Asked()
    lookup = Lookup(asked, asked)
    together = await asyncio.gather(*(lookup.look_up("npm", "x") for _ in range(5)))
    assert together == [await lookup.look_up("npm", "x")] * 5
    assert asked.times == 1
    await lookup.look_up("npm", "y")
    assert asked.times == 2


@pytest.mark.parametrize("kind", ["npm", "pypi"])
async def test_an_unknown_package_is_said_to_be_that(client: DtmaClient, kind: Any) -> None:
    with pytest.raises(PackageNotFound, match=f"no package “{UNKNOWN}” on {kind}"):
        await client.package(kind, UNKNOWN)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("npm", "$(touch /tmp/x)"),
        ("npm", "a;b"),
        ("npm", "../../etc/passwd"),
        ("npm", "https://example.org/x.tgz"),
        ("pypi", "a --index-url=https://example.org"),
        ("pypi", "--help"),
        ("pypi", "a" * 300),
    ],
)
async def test_what_cannot_be_a_name_reaches_nobody(client: DtmaClient, kind: Any, name: str) -> None:
    with pytest.raises(DtmaFault, match="cannot be the name of a package") as caught:
        await client.package(kind, name)
    assert not caught.value.retryable


async def test_a_name_that_looks_like_an_option_is_no_option(client: DtmaClient) -> None:
    with pytest.raises(PackageNotFound):
        await client.package("npm", "-g")


async def test_other_kinds_are_refused(agent: Agent) -> None:
    async with agent.http() as http, http.get("/v1/packages/nuget/Example") as answer:
        assert answer.status == 400
        assert "not of nuget" in (await answer.json())["message"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("not json", "cannot be read"),
        ("[]", "could not look up"),
        ('{"problem": "ENOTFOUND: no such host"}', "ENOTFOUND"),
        ('{"name": "x"}', "no version"),
        ('{"name": "x", "version": "1.0; rm -rf /"}', "no version"),
    ],
)
def test_an_answer_that_is_none_is_told_as_that(answer: str, told: str) -> None:
    with pytest.raises(NotDone, match=told):
        _read("npm", "x", answer)


def test_only_what_is_wanted_of_an_answer_is_passed_on() -> None:
    versions = '["1.0.0", "bad version", {"a": 1}' + ', "2.0"' * 40 + "]"
    described = '"description": "a\\n\\u0000\\u202eb' + "c" * 900 + '", "license": {"type": "MIT"}, "homepage": "javascript:alert(1)"'
    told = _read("npm", "x", '{"name": "x", "version": "1.0.0", "more": 1, "versions": ' + versions + ", " + described + "}")
    assert told.versions == ("1.0.0", *["2.0"] * 19)
    assert told.description.startswith("a b")
    assert len(told.description) == 300
    assert (told.license, told.homepage) == ("MIT", "")
    with pytest.raises(UnknownPackage):
        _read("npm", "x", '{"missing": true}')


async def test_who_answers_too_late_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        async def base(self, family: str, report: object) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr("dtma.builds.lookup.SECONDS", 0.05)
    slow: Any = Slow()
    with pytest.raises(NotDone, match="did not say within"):
        await Lookup(slow, slow).look_up("npm", "x")


async def test_the_route_takes_get_alone(agent: Agent) -> None:
    async with agent.http() as http:
        answers: list[aiohttp.ClientResponse] = [await http.request(verb, "/v1/packages/npm/x") for verb in ("POST", "PUT", "DELETE")]
    assert [answer.status for answer in answers] == [405] * 3
