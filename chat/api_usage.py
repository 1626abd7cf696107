"""REST: what models were used for and cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from chat.providers.months import Month
from chat.providers.usage import BY, Line, Sums, lines, used_by

PARAMETERS = [
    OpenApiParameter("month", str, description="As in `2026-11`, of UTC; the current one unless told."),
    OpenApiParameter("by", str, enum=list(BY), description="`agent` unless told."),
]


class UsageSumsSerializer(serializers.Serializer[Any]):
    """``cost_usd`` leaves out the ``unpriced_requests``, whose price is not known; null: that is all of them."""

    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost_usd = serializers.DecimalField(max_digits=18, decimal_places=6, allow_null=True)
    unpriced_requests = serializers.IntegerField()


class UsageLineSerializer(UsageSumsSerializer):
    """What was used by an agent, or of a model of a provider. ``id`` is the agent's or the provider's; null: that was deleted."""

    id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField(help_text="Of the agent or the provider: as it is called now, or was called last.")
    model = serializers.CharField(help_text="As its provider calls it; empty where it is summed by agent.")
    shared = serializers.BooleanField(help_text="The provider is an admin's.")


class UsageSerializer(UsageSumsSerializer):
    """A month. The 100 lines that cost most are in ``results``; the sums are of all."""

    month = serializers.CharField()
    by = serializers.ChoiceField(choices=list(BY))
    results = UsageLineSerializer(many=True)


class UsageView(APIView):
    @extend_schema(parameters=PARAMETERS, responses={200: UsageSerializer, 400: ErrorSerializer})
    def get(self, request: Request) -> Response:
        """What your agents used of models in a month and what that cost, with what was spent in conversations that are deleted by now."""
        user, given = user_of(request), request.query_params
        by = given.get("by", "agent")
        if by not in BY:
            problem = f"It is one of {', '.join(BY)}."
            raise InvalidInput(f"by: {problem}", fields={"by": problem})
        month = Month.parse(given["month"]) if "month" in given else Month.now()
        found = {"month": str(month), "by": by, **_told(used_by(user, month)), "results": [_told(line) for line in lines(user, month, by)]}
        return Response(UsageSerializer(found).data)


def _told(sums: Sums | Line) -> dict[str, Any]:
    """By the names of REST."""
    told = asdict(sums)
    return {**told, "cost_usd": told.pop("cost"), "unpriced_requests": told.pop("unpriced")}
