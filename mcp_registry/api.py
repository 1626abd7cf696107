"""REST: catalogue, servers, their deployments, tools and logs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer, Pagination
from agentopia.lib.errors import InvalidInput
from mcp_registry import selectors
from mcp_registry.configuring.api import configure
from mcp_registry.configuring.serializers import ChangeSerializer
from mcp_registry.logs.reading import TAIL_LIMIT, read_log
from mcp_registry.models import Deployment, McpServer, Tool
from mcp_registry.serializers import (
    DeploymentSerializer,
    DeployRequestSerializer,
    LogLineSerializer,
    ServerSerializer,
    ToolSerializer,
)
from mcp_registry.services.servers import (
    delete_server,
    deploy_server,
    restart_server,
    start_server,
    stop_server,
)
from toolboxes.dtma import wait_for
from toolboxes.selectors import toolbox_for

ACTIONS = {"start": start_server, "stop": stop_server, "restart": restart_server}
ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


class ServersView(generics.ListAPIView[McpServer]):
    serializer_class = ServerSerializer

    def get_queryset(self) -> Any:
        return selectors.servers_for(user_of(self.request))

    @extend_schema(request=DeployRequestSerializer, responses={201: ServerSerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Deploy an entry. Answers at once; watch the server's `status` or its deployments."""
        wanted = DeployRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user, data = user_of(request), wanted.validated_data
        server = deploy_server(
            owner=user,
            entry=selectors.entry_for(user, data["entry"]),
            toolbox=toolbox_for(user, data["toolbox"]) if data.get("toolbox") else None,
            name=data["name"],
            config=data["config"],
            secrets=data["secrets"],
            package=data["package"],
            shared_volumes=data["shared_volumes"],
            force=data["force"],
            version=data["version"],
            shares_tools=data["shares_tools"],
        )
        return Response(ServerSerializer(selectors.server_for(user, server.pk)).data, status=status.HTTP_201_CREATED)


class ServerView(APIView):
    @extend_schema(responses={200: ServerSerializer, 404: ErrorSerializer})
    def get(self, request: Request, server_id: UUID) -> Response:
        """One server."""
        return Response(ServerSerializer(selectors.server_for(user_of(request), server_id)).data)

    @extend_schema(request=ChangeSerializer, responses={200: ServerSerializer, 202: ServerSerializer, **ERRORS})
    def patch(self, request: Request, server_id: UUID) -> Response:
        """Change settings, secrets, limits and folders; what is not named stays. Answers at once; 200 where nothing had to be deployed."""
        return configure(request, server_id)

    @extend_schema(
        responses={202: ServerSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
        parameters=[OpenApiParameter("volumes", str, enum=["keep", "remove"], description="Of its data; `remove` unless told.")],
    )
    def delete(self, request: Request, server_id: UUID) -> Response:
        """Delete a server, and its volumes unless they are kept. It is `deleting` until its toolbox has confirmed, then it is not found."""
        volumes = request.query_params.get("volumes", "remove")
        if volumes not in ("keep", "remove"):
            raise InvalidInput("“volumes” is keep or remove.", fields={"volumes": "Choose keep or remove."})
        delete_server(owner=user_of(request), server_id=server_id, keep_volumes=volumes == "keep")
        return Response(ServerSerializer(selectors.server_for(user_of(request), server_id)).data, status=status.HTTP_202_ACCEPTED)


class ServerActionView(APIView):
    @extend_schema(
        request=None,
        responses={202: ServerSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
        parameters=[OpenApiParameter("action", str, OpenApiParameter.PATH, enum=list(ACTIONS))],
    )
    def post(self, request: Request, server_id: UUID, action: str) -> Response:
        """Start, stop or restart. Answers at once; watch the server's `status`."""
        ACTIONS[action](owner=user_of(request), server_id=server_id)
        return Response(ServerSerializer(selectors.server_for(user_of(request), server_id)).data, status=status.HTTP_202_ACCEPTED)


class DeploymentsView(generics.ListAPIView[Deployment]):
    """A server's deployments, newest first, with their steps and times."""

    serializer_class = DeploymentSerializer
    queryset = Deployment.objects.none()

    def get_queryset(self) -> Any:
        return selectors.deployments_of(selectors.server_for(user_of(self.request), self.kwargs["server_id"]))


class AllTools(Pagination):
    """A server's tools belong together: as many as fit one page."""

    default_limit = Pagination.max_limit


class ToolsView(generics.ListAPIView[Tool]):
    """A server's tools, as last discovered."""

    serializer_class = ToolSerializer
    queryset = Tool.objects.none()

    pagination_class = AllTools

    def get_queryset(self) -> Any:
        return selectors.tools_of(selectors.server_for(user_of(self.request), self.kwargs["server_id"]))


class LogsView(APIView):
    @extend_schema(
        responses={200: LogLineSerializer(many=True), 404: ErrorSerializer, 503: ErrorSerializer},
        parameters=[OpenApiParameter("tail", int, description=f"How many of the last lines; 100 unless told, {TAIL_LIMIT} at most.")],
    )
    def get(self, request: Request, server_id: UUID) -> Response:
        """The last lines that a server printed."""
        server = selectors.server_for(user_of(request), server_id)
        lines = wait_for(read_log, server, _tail(request.query_params.get("tail", "100")))
        return Response([line.model_dump(mode="json") for line in lines])


def _tail(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= TAIL_LIMIT:
        raise InvalidInput(f"“tail” is a number from 1 to {TAIL_LIMIT}.", fields={"tail": "Not such a number."})
    return int(text)
