"""``Authorization: Bearer TOKEN`` for the REST API."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.services import note_token_use


class TokenAuthentication(BaseAuthentication):
    """Finds the user of an API token; RFC 6750."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, credentials = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        digest = ApiToken.digest_of(credentials.decode("latin-1").strip())
        try:
            token = ApiToken.objects.select_related("user").get(digest=digest, user__is_active=True)
        except ApiToken.DoesNotExist:
            message = "This API token is not known. Make one with `python manage.py create_api_token EMAIL`."
            raise AuthenticationFailed(message) from None
        note_token_use(token=token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="agentopia"'
