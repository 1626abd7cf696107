"""Access tokens of OAuth 2.1 issuers that the operator named (AUTHORIZATION_SERVERS), beside Agentopia's own API tokens.

An issuer's tokens are signed JWTs (RFC 9068). One counts for an agent where its ``iss`` is such an issuer, its ``aud`` is the address that
is asked for (RFC 8707), its ``scope`` has `agent:NAME`, and its verified ``email`` is that of a user. The issuer's keys are found by its
metadata (RFC 8414, else OpenID Connect's) and kept.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jwt

from accounts.models import User
from accounts.token_check import TokenRefused, expired
from agentopia.lib.errors import Unavailable

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures with a key pair alone: whoever can check a token must not be able to make one."""
LEEWAY_SECONDS = 30
TIMEOUT_SECONDS = 5
NEEDED = ("iss", "aud", "exp", "sub")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token says that counts."""

    user_id: int
    subject: str
    expires_at: datetime
    scopes: frozenset[str]


def verified(credentials: str, audiences: tuple[str, ...], issuers: tuple[str, ...]) -> AccessToken:
    """A token of one of the ``issuers`` for one of the ``audiences``; blocks.

    Raises `TokenRefused`, and `Unavailable` where the issuer does not tell its keys.
    """
    try:
        claimed = jwt.decode(credentials, options={"verify_signature": False})
        issuer = claimed.get("iss")
        if issuer not in issuers:
            raise _refused("It is of no issuer that is known here.")
        key = _keys_of(issuer).get_signing_key_from_jwt(credentials)
        claims = jwt.decode(
            credentials, key.key, list(ALGORITHMS), audience=list(audiences), issuer=issuer, leeway=LEEWAY_SECONDS,
            options={"require": list(NEEDED)},
        )  # fmt: skip
    except jwt.ExpiredSignatureError:
        raise expired() from None
    except jwt.PyJWKClientConnectionError:
        raise Unavailable("The issuer of this access token does not tell its keys now.") from None
    except jwt.PyJWTError as error:
        raise _refused(f"{error}.") from None
    return _of_user(claims)


def _of_user(claims: dict[str, Any]) -> AccessToken:
    email = claims.get("email") if claims.get("email_verified") is True else None
    user = User.objects.filter(email=str(email).lower(), is_active=True).first() if email else None
    if user is None:
        raise _refused("It names no user of this server by a verified e-mail address.")
    scopes = claims.get("scope") or ""
    named = scopes.split() if isinstance(scopes, str) else map(str, scopes)
    return AccessToken(user.pk, str(claims["sub"]), datetime.fromtimestamp(claims["exp"], UTC), frozenset(named))


def _refused(why: str) -> TokenRefused:
    return TokenRefused(f"This access token does not count here. {why}")


@cache
def _keys_of(issuer: str) -> jwt.PyJWKClient:
    """The issuer's keys, read once and again every five minutes, or when one is not among them. Raises `Unavailable`."""
    return jwt.PyJWKClient(_key_address(issuer), timeout=TIMEOUT_SECONDS)


def _key_address(issuer: str) -> str:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    for where in (f"{origin}/.well-known/oauth-authorization-server{path}", f"{origin}{path}/.well-known/openid-configuration"):
        try:
            with urllib.request.urlopen(where, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (the operator wrote the issuer's address)
                told = json.load(answer)
        except (OSError, ValueError):
            continue
        if isinstance(told, dict) and told.get("issuer") == issuer and isinstance(told.get("jwks_uri"), str):
            return str(told["jwks_uri"])
    raise Unavailable("The issuer of this access token does not tell where its keys are.")
