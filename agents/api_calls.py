"""REST: receipts of tool calls, what they cost in sum, and the decision on those that wait for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput, NotFound
from agents.approvals import Verdict, decide
from agents.models import Approval, ToolCall
from agents.receipts_pages.export import FIELDS, KINDS, streamed
from agents.receipts_pages.query import CallQuery
from agents.receipts_pages.selectors import call_for, calls_for
from agents.receipts_pages.totals import BY, totals

FILTERS = {
    "agent": "An agent's id or name.",
    "server": "A server's id or name.",
    "tool": "A tool's name.",
    "status": "waiting, running, succeeded, tool_error, failed, refused or cancelled; `problems` for all that did not end well.",
    "via": "api, form, gateway or chat.",
    "token": "The number of an API token.",
    "run": "The id of what belongs together: a session of the gateway, a run of the chat.",
    "search": "Words in names and errors.",
    "from": "A day (UTC), as 2026-11-01.",
    "to": "A day (UTC), included.",
}
PARAMETERS = [OpenApiParameter(name, str, description=meaning) for name, meaning in FILTERS.items()]
RENAMED = {"from": "since", "to": "until"}
ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


class WaitingSerializer(serializers.ModelSerializer[Approval]):
    """What a person said of a call, or has to say until ``expires_at``."""

    class Meta:
        model = Approval
        fields = ("id", "status", "reason", "was_edited", "note", "created_at", "expires_at", "decided_at", "used_at")


class CallSerializer(serializers.ModelSerializer[ToolCall]):
    """A receipt. Secrets in it are masked and long values cut. ``approval`` is null where nobody was asked."""

    approval = serializers.SerializerMethodField()

    class Meta:
        model = ToolCall
        fields: ClassVar = [*FIELDS, "approval"]

    def get_approval(self, call: ToolCall) -> WaitingSerializer | None:
        approval = getattr(call, "approval", None)
        return None if approval is None else WaitingSerializer(approval).data  # type: ignore[return-value]  # for the schema


class ApproveSerializer(serializers.Serializer[Any]):
    arguments = serializers.DictField(required=False, child=serializers.JSONField(allow_null=True), help_text="Instead of those asked for.")
    remember_seconds = serializers.IntegerField(
        required=False, min_value=1, help_text="The agent's calls of that tool need nobody so long."
    )


class RefuseSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=500, help_text="Told to who asked.")


class TotalSerializer(serializers.Serializer[Any]):
    """Of ``shared`` calls, which overlapped with others on their server, CPU time and egress are counted with each of them."""

    server = serializers.CharField()
    tool = serializers.CharField()
    agent = serializers.CharField()
    calls = serializers.IntegerField()
    problems = serializers.IntegerField()
    refused = serializers.IntegerField()
    shared = serializers.IntegerField()
    cpu_seconds = serializers.FloatField(allow_null=True)
    egress_bytes = serializers.IntegerField(allow_null=True)
    peak_memory_bytes = serializers.IntegerField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)


class TotalsSerializer(serializers.Serializer[Any]):
    """``begin``: where there are too many calls, only those after it are summed."""

    begin = serializers.DateTimeField(allow_null=True)
    results = TotalSerializer(many=True)


class CallPagination(CursorPagination):
    """By a cursor, so that a page stays what it was while calls come in."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = ("-created_at", "-id")


def query_of(given: Mapping[str, Any]) -> CallQuery:
    """The filters; raises `InvalidInput` for those that cannot be used."""
    renamed = {RENAMED.get(name, name): given.get(name) for name in FILTERS}
    query = CallQuery.parse(renamed)
    wrong = {
        name: f"It cannot be “{given[name]}”."
        for name in FILTERS
        if str(given.get(name) or "").strip() and not getattr(query, RENAMED.get(name, name))
    }
    if wrong:
        raise InvalidInput(" ".join(f"{name}: {problem}" for name, problem in wrong.items()), fields=wrong)
    return query


class CallsView(generics.ListAPIView[ToolCall]):
    serializer_class = CallSerializer
    pagination_class = CallPagination
    queryset = ToolCall.objects.none()

    def get_queryset(self) -> Any:
        return calls_for(user_of(self.request), query_of(self.request.query_params)).select_related("approval").defer("approval__arguments")

    @extend_schema(parameters=PARAMETERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Receipts of your calls and your agents', newest first, of those that were refused too."""
        return super().get(request, *args, **kwargs)


class CallView(APIView):
    @extend_schema(responses={200: CallSerializer, 404: ErrorSerializer})
    def get(self, request: Request, call_id: UUID) -> Response:
        """One receipt."""
        return Response(_shown(user_of(request), call_id))


class ApproveView(APIView):
    @extend_schema(request=ApproveSerializer, responses={200: CallSerializer, **ERRORS})
    def post(self, request: Request, call_id: UUID) -> Response:
        """Let a call that waits be made, with other arguments if you give them; once, unless you allow its like for a while."""
        wanted = ApproveSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = user_of(request)
        decide(owner=user, approval_id=_approval_of(user, call_id), verdict=Verdict.APPROVE, by=user, **wanted.validated_data)
        return Response(_shown(user, call_id))


class RefuseView(APIView):
    @extend_schema(request=RefuseSerializer, responses={200: CallSerializer, **ERRORS})
    def post(self, request: Request, call_id: UUID) -> Response:
        """Let a call that waits not be made."""
        wanted = RefuseSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = user_of(request)
        decide(owner=user, approval_id=_approval_of(user, call_id), verdict=Verdict.REFUSE, by=user, **wanted.validated_data)
        return Response(_shown(user, call_id))


class ExportView(APIView):
    @extend_schema(
        parameters=[*PARAMETERS, OpenApiParameter("as", str, enum=list(KINDS), description="JSON Lines (`ndjson`) unless told.")],
        responses={200: OpenApiResponse(OpenApiTypes.STR, description="A receipt a line, oldest first."), 400: ErrorSerializer},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Receipts as JSON Lines or CSV, sent as they are read."""
        kind = KINDS.get(request.query_params.get("as", "ndjson"))
        if kind is None:
            raise InvalidInput("as: It is ndjson or csv.", fields={"as": "It is ndjson or csv."})
        lines = streamed(user_of(request), query_of(request.query_params), kind)
        headers = {
            "Content-Disposition": f'attachment; filename="calls.{kind.suffix}"',
            "Content-Type": f"{kind.media_type}; charset=utf-8",
        }
        return StreamingHttpResponse(lines, headers=headers)


class TotalsView(APIView):
    @extend_schema(
        parameters=[*PARAMETERS, OpenApiParameter("by", str, enum=list(BY), description="`tool` unless told.")],
        responses={200: TotalsSerializer, 400: ErrorSerializer},
    )
    def get(self, request: Request) -> Response:
        """What calls cost in sum: of the last week where no time is given."""
        by = request.query_params.get("by", "tool")
        if by not in BY:
            raise InvalidInput(f"by: It is one of {', '.join(BY)}.", fields={"by": f"It is one of {', '.join(BY)}."})
        found = totals(user_of(request), by, query_of(request.query_params))
        rows = [{name: value for name, value in asdict(row).items() if name != "link"} for row in found.rows]
        return Response({"begin": found.begin, "results": rows})


def _shown(user: User, call_id: UUID) -> Any:
    return CallSerializer(call_for(user, call_id)).data


def _approval_of(user: User, call_id: UUID) -> UUID:
    approval = Approval.objects.filter(owner=user, call=call_id, call__user=user).values_list("pk", flat=True).first()
    if approval is None:
        raise NotFound("You have no such call that waits for approval.", code="approval_not_found")
    return approval
