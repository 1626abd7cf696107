"""Who asks at the gateway: ``Authorization: Bearer TOKEN`` (RFC 6750), and what is told to those who are not let in (RFC 9728).

The token is never handed on to anything behind the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.conf import settings

from accounts.acting import API, Acting, acting
from accounts.addresses import address_of_scope
from accounts.pauses import TooManyAttempts
from accounts.services import TOKEN_PREFIX
from accounts.token_check import TokenRefused
from agentopia.lib.errors import NotFound
from agents.toolsets.cache import agent_of
from gateway import origins
from gateway.known_tokens import KnownToken, kept_token, known_access_token, known_token
from gateway.metadata import challenge, resource_path, scope_of
from gateway.refusals import Refused

IN_THE_ADDRESS = frozenset({"access_token", "token", "api_key", "apikey", "authorization"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is let in to one agent, by which token."""

    user_id: int
    token_id: int | None
    """Of the API token; None where an access token of another issuer was shown."""
    token_name: str
    token_per_minute: int | None
    """How many calls a minute the token allows; None: no limit of its own."""
    agent_id: UUID


async def authenticate(scope: dict[str, Any] | Any, agent_slug: str) -> Visitor:
    """The visitor of an ASGI ``scope`` who asks for the agent of this name.

    Raises `Refused` (400, 401, 403, 429; its headers belong to the answer), `NotFound` for a token that is for all of its user's agents
    where there is none of this name, and `Unavailable` where that cannot be found out now.
    """
    token = await _token_of(scope, agent_slug)
    if token.scopes is not None and scope_of(agent_slug) not in token.scopes:
        raise _for_others(scope, agent_slug)
    if token.agents is None:
        return _visitor(token, await agent_of(token.user_id, agent_slug))
    try:
        agent_id = await agent_of(token.user_id, agent_slug)
    except NotFound:
        agent_id = None
    if agent_id is None or agent_id not in token.agents:
        raise _for_others(scope, agent_slug)
    return _visitor(token, agent_id)


def _visitor(token: KnownToken, agent_id: UUID) -> Visitor:
    return Visitor(token.user_id, token.id, token.name, token.per_minute, agent_id)


async def _token_of(scope: dict[str, Any], slug: str) -> KnownToken:
    credentials = _credentials(scope, slug)
    is_of_issuer = settings.AUTHORIZATION_SERVERS and not credentials.startswith(TOKEN_PREFIX)
    audiences = _audiences(scope, slug) if is_of_issuer else ()
    try:
        if (token := kept_token(credentials, audiences)) is not None:
            return token
        with acting(Acting(via=API, address=address_of_scope(scope))):
            return await (known_access_token(credentials, audiences) if is_of_issuer else known_token(credentials))
    except TokenRefused as error:
        told = challenge(scope, error="invalid_token", error_description=_for_programs(error.message))
        raise Refused(401, error.message, code=error.code, headers=(told,)) from None
    except TooManyAttempts as error:
        message = "Too many wrong tokens came from your address."
        wait = (b"retry-after", b"%d" % error.seconds)
        raise Refused(429, message, code=error.code, headers=(wait,), retryable=True) from None


def _audiences(scope: dict[str, Any], slug: str) -> tuple[str, ...]:
    """For which addresses an access token may be: the one that is asked for, and that of the whole agent."""
    base = origins.base_of(scope)
    return f"{base}{resource_path(scope)}", f"{base}/mcp/{slug}"


def _credentials(scope: dict[str, Any], slug: str) -> str:
    query = scope.get("query_string", b"")
    if query and any(name.lower() in IN_THE_ADDRESS for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
        raise Refused(400, "A token does not belong into the address, where others read it. Send it as “Authorization: Bearer …”, and "
                      "revoke the one that was sent.", code="token_in_address")  # fmt: skip
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, credentials = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    if scheme.lower() != b"bearer" or not credentials.strip():
        message = "Send an API token of Agentopia with every request: “Authorization: Bearer …”."
        raise Refused(401, message, code="token_missing", headers=(challenge(scope, scope=scope_of(slug)),))
    return credentials.decode("latin-1").strip()


def _for_others(scope: dict[str, Any], slug: str) -> Refused:
    message = f"This token is not for an agent “{slug}”."
    told = challenge(scope, error="insufficient_scope", scope=scope_of(slug), error_description="The token is for other agents")
    return Refused(403, message, code="token_of_others", headers=(told,))


def _for_programs(sentence: str) -> str:
    """What RFC 6750 allows in a description: printable ASCII without quotes and backslashes."""
    return "".join(letter for letter in sentence if " " <= letter <= "~" and letter not in '"\\')
