"""``Authorization: Bearer TOKEN`` for the REST API."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.pauses import TooManyAttempts
from accounts.token_check import TokenRefused, checked_token


class TokenAuthentication(BaseAuthentication):
    """Finds the user of an API token; RFC 6750. One that is for agents alone is refused, whatever it asks for."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, credentials = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            token = checked_token(credentials.decode("latin-1").strip())
        except TokenRefused as error:
            raise AuthenticationFailed(error.message, error.code) from None
        except TooManyAttempts as error:
            raise Throttled(error.seconds, "Too many wrong API tokens came from your address.") from None
        if token.scope != ApiToken.Scope.ACCOUNT:
            raise PermissionDenied("This API token is for the gateway of chosen agents (/mcp/…) and nothing else.", "token_for_agents")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="agentopia"'
