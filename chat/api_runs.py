"""REST: runs with their steps, and what was given in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from chat.selectors import attachment_for, run_for
from chat.serializers import RunWithStepsSerializer


def run_shown(user: User, run_id: UUID) -> Any:
    """One run as JSON."""
    return RunWithStepsSerializer(run_for(user, run_id)).data


class RunView(APIView):
    @extend_schema(responses={200: RunWithStepsSerializer, 404: ErrorSerializer})
    def get(self, request: Request, run_id: UUID) -> Response:
        """A run with its tool calls. A call that waits for you says where it is approved or refused."""
        return Response(run_shown(user_of(request), run_id))


class AttachmentView(APIView):
    @extend_schema(
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The content, to be kept as a file."),
            404: ErrorSerializer,
        }
    )
    def get(self, request: Request, attachment_id: UUID) -> HttpResponse:
        """What you gave with a message. Its media type is not told: it is whatever was said of it, and no browser is to show it as that."""
        attachment = attachment_for(user_of(request), attachment_id)
        headers = {
            "Content-Disposition": content_disposition_header(True, attachment.name) or "attachment",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(bytes(attachment.content), content_type="application/octet-stream", headers=headers)
