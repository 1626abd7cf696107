"""REST: going to another version."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from mcp_registry import selectors
from mcp_registry.models import Upgrade
from mcp_registry.services.upgrades import approve_upgrade, cancel_upgrade, request_upgrade
from mcp_registry.upgrading.serializers import UpgradeRequestSerializer, UpgradeSerializer
from mcp_registry.upgrading.shown import upgrades_of

DECISIONS = {"approve": approve_upgrade, "cancel": cancel_upgrade}
ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


class UpgradeView(APIView):
    @extend_schema(request=UpgradeRequestSerializer, responses={202: UpgradeSerializer, **ERRORS})
    def post(self, request: Request, server_id: UUID) -> Response:
        """Go to another version of the server's entry. Answers at once; watch `upgrades/`."""
        wanted = UpgradeRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        upgrade = request_upgrade(owner=user_of(request), server_id=server_id, **wanted.validated_data)
        return Response(UpgradeSerializer(upgrade).data, status=status.HTTP_202_ACCEPTED)


class UpgradeDecisionView(APIView):
    @extend_schema(
        request=None,
        responses={202: UpgradeSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
        parameters=[OpenApiParameter("decision", str, OpenApiParameter.PATH, enum=list(DECISIONS))],
    )
    def post(self, request: Request, server_id: UUID, decision: str) -> Response:
        """Switch to the version that was tried though tools of it are gone or changed (`approve`), or keep the old one (`cancel`)."""
        upgrade = DECISIONS[decision](owner=user_of(request), server_id=server_id)
        return Response(UpgradeSerializer(upgrade).data, status=status.HTTP_202_ACCEPTED)


class UpgradesView(generics.ListAPIView[Upgrade]):
    """A server's upgrades, newest first."""

    serializer_class = UpgradeSerializer
    queryset = Upgrade.objects.none()

    def get_queryset(self) -> Any:
        return upgrades_of(selectors.server_for(user_of(self.request), self.kwargs["server_id"]))
