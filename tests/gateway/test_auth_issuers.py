"""Access tokens of an OAuth issuer that the operator named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings

from accounts.models import User
from accounts.services import create_api_token
from agentopia.lib.errors import Unavailable
from agents.models import Agent
from gateway import access_tokens
from gateway.auth import Visitor, authenticate
from gateway.refusals import Refused, headers_of
from tests.doubles.oauth_issuer import Issuer
from tests.gateway.asking import bearer, scope_of

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "http://127.0.0.1:8000/mcp/helper"


@pytest.fixture
def issuer(settings: Settings) -> Iterator[Issuer]:
    access_tokens._keys_of.cache_clear()
    issuer = Issuer()
    settings.AUTHORIZATION_SERVERS = [issuer.url]
    yield issuer
    issuer.stop()


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Helper", slug="helper")


def good(issuer: Issuer, **changes: Any) -> str:
    return issuer.token(**{"aud": HERE, "scope": "openid agent:helper", "email": "Ada@example.org", **changes})


async def answer(token: str, path: str = "/mcp/helper") -> tuple[int, str]:
    """How it is refused."""
    with pytest.raises(Refused) as caught:
        await authenticate(scope_of(path, bearer(token)), "helper")
    assert token not in str(headers_of(caught.value)) + str(caught.value)
    return caught.value.http_status, caught.value.code


async def test_a_token_of_a_named_issuer(issuer: Issuer, user: User, agent: Agent) -> None:
    expected = Visitor(user.pk, None, "OAuth: ada", None, agent.pk)
    assert await authenticate(scope_of("/mcp/helper", bearer(good(issuer))), "helper") == expected
    of_server = good(issuer, aud=f"{HERE}/weather")
    assert await authenticate(scope_of("/mcp/helper/weather", bearer(of_server)), "helper") == expected
    assert (
        await authenticate(scope_of("/mcp/helper/weather", bearer(good(issuer, aud=["https://else.example", HERE]))), "helper") == expected
    )
    assert issuer.asked.count("/keys") == 1, "keys are kept"


async def test_api_tokens_count_beside_them(issuer: Issuer, user: User, agent: Agent) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    assert (await authenticate(scope_of("/x", bearer(token)), "helper")).token_name == "mine"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "http://127.0.0.1:8000/mcp/other"},
        {"aud": "https://else.example/mcp/helper"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"iss": "https://else.example"},
        {"iss": None},
        {"email": "eve@example.org"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
    ],
)
async def test_what_does_not_count(issuer: Issuer, user: User, agent: Agent, changes: dict[str, Any]) -> None:
    assert (await answer(good(issuer, **changes)))[0] == 401


async def test_an_end_that_has_passed(issuer: Issuer, user: User, agent: Agent) -> None:
    assert await answer(good(issuer, exp=int(time.time()) - 60)) == (401, "token_expired")


async def test_a_scope_for_another_agent(issuer: Issuer, user: User, agent: Agent) -> None:
    assert await answer(good(issuer, scope="agent:other")) == (403, "token_of_others")
    assert await answer(good(issuer, scope=None)) == (403, "token_of_others")


async def test_a_token_for_one_server_does_not_open_the_agent(issuer: Issuer, user: User, agent: Agent) -> None:
    assert (await answer(good(issuer, aud=f"{HERE}/weather")))[0] == 401


async def test_forged_signatures(issuer: Issuer, user: User, agent: Agent) -> None:
    another = ec.generate_private_key(ec.SECP256R1())
    assert (await answer(good(issuer, key=another)))[0] == 401
    assert (await answer(good(issuer, headers={"kid": "unknown"})))[0] == 401
    unsigned = jwt.encode({"iss": issuer.url, "aud": HERE}, None, algorithm="none", headers={"kid": "one"})
    assert (await answer(unsigned))[0] == 401
    symmetric = good(issuer, key="x" * 64, algorithm="HS256")
    assert (await answer(symmetric))[0] == 401
    assert (await answer(good(issuer)[:-4] + "AAAA"))[0] == 401


async def test_a_deactivated_user(issuer: Issuer, user: User, agent: Agent) -> None:
    await User.objects.filter(pk=user.pk).aupdate(is_active=False)
    assert (await answer(good(issuer)))[0] == 401


async def test_an_issuer_that_tells_no_keys(issuer: Issuer, user: User, agent: Agent) -> None:
    issuer.metadata = {"issuer": "https://else.example", "jwks_uri": f"{issuer.url}/keys"}
    with pytest.raises(Unavailable):
        await authenticate(scope_of("/mcp/helper", bearer(good(issuer))), "helper")


async def test_without_the_setting_none_counts(issuer: Issuer, user: User, agent: Agent, settings: Settings) -> None:
    settings.AUTHORIZATION_SERVERS = []
    assert await answer(good(issuer)) == (401, "authentication_failed")
    assert issuer.asked == []
