"""Calls that cannot be made: each is refused with a sentence, and each has its receipt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agents.models import ToolCall
from agents.services import close_interrupted_calls
from dtma_wire import Phase
from mcp_registry.models import McpServer


def call(api: APIClient, server: McpServer, tool: str = "echo", arguments: object = None) -> tuple[int, dict[str, object]]:
    answer = api.post(f"/api/v1/servers/{server.pk}/tools/{tool}/call/", {"arguments": arguments}, format="json")
    return answer.status_code, answer.data


@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [({}, "message", "required"), ({"message": 7}, "message", "not of type 'string'")],
)
def test_arguments_that_do_not_fit_the_schema(
    api: APIClient, make_server: Callable[..., McpServer], arguments: object, field: str, told: str
) -> None:
    status, answer = call(api, make_server(), arguments=arguments)
    assert (status, answer["code"]) == (400, "invalid_arguments")
    assert told in answer["fields"][field]  # type: ignore[index]
    receipt = ToolCall.objects.get(pk=str(answer["call"]))
    assert (receipt.status, receipt.arguments, receipt.error_code) == ("refused", arguments, "invalid_arguments")


@pytest.mark.parametrize("arguments", ["x", [1], 7])
def test_arguments_that_are_no_object(api: APIClient, make_server: Callable[..., McpServer], arguments: object) -> None:
    assert call(api, make_server(), arguments=arguments)[0] == 400


def test_a_tool_that_is_not_there(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    status, answer = call(api, make_server(), tool="shout", arguments={})
    assert (status, answer["code"]) == (404, "tool_not_found")
    assert ToolCall.objects.get(pk=str(answer["call"])).tool_name == "shout"


def test_a_server_that_does_not_run(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    status, answer = call(api, make_server(phase=Phase.STOPPED, name="idle"), arguments={"message": "hi"})
    assert (status, answer["code"]) == (409, "server_not_running")


def test_a_toolbox_that_does_not_answer(transactional_db: None, api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    status, answer = call(api, server, arguments={"message": "hi"})
    assert (status, answer["code"], answer["retryable"]) == (503, "toolbox_unreachable", True)
    receipt = ToolCall.objects.get(pk=str(answer["call"]))
    assert (receipt.status, receipt.error_code) == ("failed", "toolbox_unreachable")
    assert receipt.duration_ms is not None


def test_the_servers_secrets_are_masked_in_receipts(transactional_db: None, api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    McpServer.objects.filter(pk=server.pk).update(secrets={"API_KEY": "canary-4711"})
    _, answer = call(api, server, arguments={"message": "my key is canary-4711"})
    assert ToolCall.objects.get(pk=str(answer["call"])).arguments == {"message": "my key is ••••••"}


def test_receipts_outlive_their_server(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    server = make_server(name="gone")
    call(api, server, arguments={})
    server.delete()
    assert (ToolCall.objects.get().server, ToolCall.objects.get().server_name) == (None, "gone")


def test_receipts_of_calls_whose_process_died_are_ended(api: APIClient, make_server: Callable[..., McpServer]) -> None:
    call(api, make_server(), arguments={})
    ToolCall.objects.update(status="running", deadline=timezone.now())
    assert close_interrupted_calls() == 1
    assert ToolCall.objects.get().error_code == "interrupted"
