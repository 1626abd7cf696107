"""REST: one toolbox. It is here because its removal takes its servers along."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from toolboxes.api import ToolboxView as ReadToolboxView
from toolboxes.selectors import described_toolbox_for
from toolboxes.serializers import ToolboxSerializer
from toolboxes.services.jobs import remove_toolbox


class ToolboxView(ReadToolboxView):
    @extend_schema(responses={202: ToolboxSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, toolbox_id: UUID) -> Response:
        """Remove a toolbox with its servers and their data. It is `removing` until all is gone, then it is not found."""
        user = user_of(request)
        remove_toolbox(owner=user, toolbox_id=toolbox_id)
        return Response(ToolboxSerializer(described_toolbox_for(user, toolbox_id)).data, status=status.HTTP_202_ACCEPTED)
