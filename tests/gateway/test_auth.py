"""Who is let in to the gateway, and what is told to those who are not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from accounts import pauses
from accounts.models import ApiToken, User
from accounts.services import create_api_token, revoke_api_token
from agentopia.lib.errors import NotFound
from agents.models import Agent
from agents.services.tokens import make_agent_token
from gateway import known_tokens
from gateway.auth import Visitor, authenticate
from gateway.refusals import Refused, headers_of
from tests.gateway.asking import bearer, scope_of

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 10.0


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Helper", slug="helper")


@pytest.fixture
def other_agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Other", slug="other")


@pytest_asyncio.fixture
async def heard() -> AsyncIterator[None]:
    """This process hears of changes, as a web process does."""
    async with known_tokens.following():
        await until(lambda: known_tokens._following.is_heard)
        yield


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(LIMIT):
        while not true():  # noqa: ASYNC110 (what is waited for sends no event)
            await asyncio.sleep(0.005)


async def refused(scope: Any, slug: str = "helper") -> Refused:
    with pytest.raises(Refused) as caught:
        await authenticate(scope, slug)
    return caught.value


def told(error: Refused) -> dict[str, str]:
    """The parameters of the answer's WWW-Authenticate."""
    headers = dict(headers_of(error))
    scheme, _, parameters = headers[b"www-authenticate"].decode().partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', parameters))


async def test_a_token_of_the_account_opens_every_agent(user: User, agent: Agent, other_agent: Agent) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    row = await ApiToken.objects.aget()
    for each in (agent, other_agent):
        assert await authenticate(scope_of("/x", bearer(token)), each.slug) == Visitor(user.pk, row.pk, "mine", None, each.pk)
    await row.arefresh_from_db()
    assert row.last_used_at is not None
    with pytest.raises(NotFound):
        await authenticate(scope_of("/x", bearer(token)), "no-such")


async def test_a_token_for_agents_opens_these_alone(user: User, agent: Agent, other_agent: Agent) -> None:
    made = await sync_to_async(make_agent_token)(user=user, name="one", agents=[agent.pk], calls_per_minute=7)
    visitor = await authenticate(scope_of("/mcp/helper", bearer(made.text)), "helper")
    assert (visitor.agent_id, visitor.token_per_minute) == (agent.pk, 7)
    for slug in ("other", "no-such"):
        error = await refused(scope_of(f"/mcp/{slug}", bearer(made.text)), slug)
        assert (error.http_status, error.code) == (403, "token_of_others")
        said = told(error)
        assert (said["error"], said["scope"]) == ("insufficient_scope", f"agent:{slug}")
        assert said["resource_metadata"] == f"http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp/{slug}"


async def test_another_users_agent(user: User, stranger: User, agent: Agent) -> None:
    """Agents of others do not exist for a token, whichever kind it is."""
    token = await sync_to_async(create_api_token)(user=stranger, name="hers")
    with pytest.raises(NotFound):
        await authenticate(scope_of("/x", bearer(token)), "helper")
    hers = await Agent.objects.acreate(owner=stranger, name="Helper", slug="helper")
    visitor = await authenticate(scope_of("/x", bearer(token)), "helper")
    assert (visitor.user_id, visitor.agent_id) == (stranger.pk, hers.pk)


async def test_without_a_token(agent: Agent) -> None:
    error = await refused(scope_of("/mcp/helper"))
    assert error.http_status == 401
    said = told(error)
    assert "error" not in said, "RFC 6750: none where no token was shown"
    assert said["scope"] == "agent:helper"
    assert said["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp/helper")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Basic YWJjOmRlZg==")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer agt_one"), (b"authorization", b"Bearer agt_two")],
    ],
)
async def test_what_is_no_token(agent: Agent, headers: list[tuple[bytes, bytes]]) -> None:
    assert (await refused(scope_of("/mcp/helper", *headers))).code == "token_missing"


@pytest.mark.parametrize("wrong", ["agt_wrong", "x" * 5000, "agt_\xff"])
async def test_a_wrong_token(agent: Agent, wrong: str) -> None:
    error = await refused(scope_of("/mcp/helper", (b"authorization", b"Bearer " + wrong.encode("latin-1"))))
    assert error.http_status == 401
    assert told(error)["error"] == "invalid_token"
    assert wrong not in str(error)


@pytest.mark.parametrize("query", [b"access_token=agt_x", b"a=1&Token=agt_x", b"api_key="])
async def test_a_token_in_the_address(user: User, agent: Agent, query: bytes) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    error = await refused(scope_of("/mcp/helper", bearer(token), query=query))
    assert (error.http_status, error.code) == (400, "token_in_address")
    assert "agt_x" not in str(error)


async def test_a_token_whose_time_is_over(user: User, agent: Agent, heard: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends at its moment, though this process has just let it in."""
    end = timezone.now() + timedelta(hours=1)
    made = await sync_to_async(make_agent_token)(user=user, name="short", agents=[agent.pk], expires_at=end)
    await authenticate(scope_of("/x", bearer(made.text)), "helper")
    monkeypatch.setattr("gateway.known_tokens.timezone.now", lambda: end)
    error = await refused(scope_of("/mcp/helper", bearer(made.text)))
    assert (error.http_status, error.code) == (401, "token_expired")
    assert told(error)["error"] == "invalid_token"


async def test_what_is_known_is_not_looked_up(user: User, agent: Agent, heard: None, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    await authenticate(scope_of("/x", bearer(token)), "helper")
    monkeypatch.setattr(known_tokens, "_read", lambda credentials: pytest.fail("it was looked up"))
    assert (await authenticate(scope_of("/x", bearer(token)), "helper")).token_name == "mine"


async def test_a_token_is_looked_up_anew_after_a_while(user: User, agent: Agent, heard: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should an announcement be lost, a revoked token lives no longer than this."""
    monkeypatch.setattr(known_tokens, "FRESH_SECONDS", -1.0)
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    await authenticate(scope_of("/x", bearer(token)), "helper")
    await sync_to_async(delete_unheard)()
    assert (await refused(scope_of("/x", bearer(token)))).http_status == 401


def delete_unheard() -> None:
    """As a process would that cannot reach Redis."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_apitoken")


async def test_nothing_is_kept_where_revocations_are_not_heard(user: User, agent: Agent) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    await authenticate(scope_of("/x", bearer(token)), "helper")
    assert known_tokens._kept == {}
    await sync_to_async(revoke_api_token)(user=user, token_id=(await ApiToken.objects.aget()).pk)
    assert (await refused(scope_of("/x", bearer(token)))).http_status == 401


async def revoke(user: User, row: ApiToken) -> None:
    await sync_to_async(revoke_api_token)(user=user, token_id=row.pk)


async def deactivate(user: User, row: ApiToken) -> None:
    user.is_active = False
    await user.asave()


async def delete_in_the_admin(user: User, row: ApiToken) -> None:
    await ApiToken.objects.filter(pk=row.pk).adelete()


@pytest.mark.parametrize("take_away", [revoke, deactivate, delete_in_the_admin])
async def test_a_token_that_was_taken_away_stops_at_once(user: User, agent: Agent, heard: None, take_away: Any) -> None:
    """Long before it would be looked up anew, whichever process took it away."""
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    await authenticate(scope_of("/x", bearer(token)), "helper")
    assert known_tokens._kept
    before = asyncio.get_running_loop().time()
    await take_away(user, await ApiToken.objects.aget())
    await until(lambda: not known_tokens._kept)
    assert asyncio.get_running_loop().time() - before < known_tokens.FRESH_SECONDS / 2
    assert (await refused(scope_of("/x", bearer(token)))).http_status == 401


async def test_calls_at_once_look_once(user: User, agent: Agent, heard: None, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    looked = []
    read = known_tokens._read
    monkeypatch.setattr(known_tokens, "_read", lambda credentials: looked.append(1) or read(credentials))
    await asyncio.gather(*(authenticate(scope_of("/x", bearer(token)), "helper") for _ in range(50)))
    assert len(looked) == 1


async def test_guesses_are_slowed_and_right_tokens_are_not(user: User, agent: Agent, heard: None) -> None:
    token = await sync_to_async(create_api_token)(user=user, name="mine")
    answers = [(await refused(scope_of("/mcp/helper", bearer(f"agt_{n}")))) for n in range(pauses.TOKENS.free + 2)]
    assert {error.http_status for error in answers[: pauses.TOKENS.free]} == {401}
    assert {error.http_status for error in answers[pauses.TOKENS.free :]} == {429}
    assert int(dict(headers_of(answers[-1]))[b"retry-after"]) > 0
    assert (await authenticate(scope_of("/x", bearer(token)), "helper")).user_id == user.pk
