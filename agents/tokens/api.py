"""REST: one's own API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiToken
from accounts.requests import user_of
from accounts.services import LONGEST_NAME, make_token, revoke_api_token
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import AgentopiaError, InvalidInput
from agents.services.tokens import make_agent_token
from agents.tokens.selectors import tokens_of

ERRORS = {400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer}


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token, which is told by its first characters. ``agents`` are the slugs of those that it is for; null: for everything."""

    agents = serializers.SerializerMethodField()

    class Meta:
        model = ApiToken
        fields = ("id", "name", "hint", "scope", "agents", "created_at", "last_used_at", "expires_at", "calls_per_minute")

    def get_agents(self, token: ApiToken) -> list[str] | None:
        if token.scope == ApiToken.Scope.ACCOUNT:
            return None
        return sorted(link.agent.slug for link in token.agent_tokens.all())


class NewTokenSerializer(serializers.Serializer[Any]):
    """With ``agents`` (ids) it is for the gateway of these alone, without for everything that you may do."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    agents = serializers.ListField(child=serializers.UUIDField(), required=False, allow_null=True, default=None)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    calls_per_minute = serializers.IntegerField(required=False, allow_null=True, default=None)


class MadeTokenSerializer(TokenSerializer):
    """``token`` is told this once."""

    token = serializers.CharField()

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")  # type: ignore[assignment]  # one more


class TokensView(generics.ListAPIView[ApiToken]):
    serializer_class = TokenSerializer
    queryset = ApiToken.objects.none()

    def get_queryset(self) -> QuerySet[ApiToken]:
        return tokens_of(user_of(self.request))

    @extend_schema(request=NewTokenSerializer, responses={201: MadeTokenSerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Make a token. A token can make such for agents alone, and none that lasts longer than it does itself."""
        wanted = NewTokenSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        agents = given.pop("agents")
        if isinstance(request.auth, ApiToken):
            given["expires_at"] = _bounded(request.auth, given["expires_at"], for_agents=agents is not None)
        user = user_of(request)
        made = make_token(user=user, **given) if agents is None else make_agent_token(user=user, agents=agents, **given)
        body = {**TokenSerializer(tokens_of(user).get(pk=made.row.pk)).data, "token": made.text}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class TokenView(APIView):
    @extend_schema(request=None, responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, token_id: int) -> Response:
        """Revoke a token: it counts no more from this moment."""
        revoke_api_token(user=user_of(request), token_id=token_id)
        return Response(status=204)


def _bounded(by: ApiToken, end: datetime | None, *, for_agents: bool) -> datetime | None:
    """When a token ends that another one makes: whoever holds a token cannot keep more by it than it gives."""
    if not for_agents:
        error = AgentopiaError("A token can make such for agents alone. Sign in to make this one.", code="sign_in_needed")
        error.http_status = 403
        raise error
    if by.expires_at is not None and end is not None and end > by.expires_at:
        problem = "It would last longer than the token that makes it."
        raise InvalidInput(problem, fields={"expires_at": problem})
    return end or by.expires_at
