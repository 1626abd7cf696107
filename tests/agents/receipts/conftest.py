"""Receipts and approvals as they lie in the database, whoever wrote them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

import pytest
from django import forms
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, Approval, ToolCall
from mcp_registry.models import McpServer, Tool

WRITE_TOOL: dict[str, Any] = {
    "name": "write_file",
    "description": "Writes a file.\nWhat was there is lost.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "path": {"type": "string", "title": "Path"},
            "content": {"type": "string", "maxLength": 10_000},
            "mode": {"enum": ["overwrite", "append"]},
            "token": {"type": "string", "format": "password"},
        },
        "required": ["path", "content"],
    },
    "annotations": {"destructiveHint": True, "openWorldHint": False},
}


class Receipt(Protocol):
    """Writes the receipt of a call."""

    def __call__(self, **fields: Any) -> ToolCall: ...


@pytest.fixture
def receipt(user: User) -> Receipt:
    def make(**fields: Any) -> ToolCall:
        now = timezone.now()
        values: dict[str, Any] = {
            "user": user, "via": "gateway", "server_name": "files", "tool_name": "read_file", "status": "succeeded",
            "arguments": {"path": "/srv/a.txt"}, "result": {"content": [{"type": "text", "text": "the text of it"}]},
            "created_at": now, "ended_at": now, "deadline": now + timedelta(minutes=1),
            "queue_ms": 0.4, "duration_ms": 12.5, "server_ms": 9.0,
            "cpu_seconds": 0.004, "peak_memory_bytes": 2_000_000, "egress_bytes": 1500,
        }  # fmt: skip
        return ToolCall.objects.create(**{**values, **fields})

    return make


@pytest.fixture
def agent(user: User) -> Agent:
    return Agent.objects.create(owner=user, name="Scribe", slug="scribe")


@pytest.fixture
def files(make_server: Callable[..., McpServer]) -> McpServer:
    """A server with a secret and a tool that destroys."""
    server = make_server(name="files")
    McpServer.objects.filter(pk=server.pk).update(secrets={"API_KEY": "canary-4711"})
    Tool.objects.create(server=server, position=9, name="write_file", definition=WRITE_TOOL, digest="d" * 64)
    server.refresh_from_db()
    return server


class Waiting(Protocol):
    """Writes a call that waits."""

    def __call__(self, arguments: dict[str, Any] | None = None, **fields: Any) -> Approval: ...


@pytest.fixture
def waiting(user: User, agent: Agent, files: McpServer, receipt: Receipt) -> Waiting:
    def make(arguments: dict[str, Any] | None = None, **fields: Any) -> Approval:
        given = {"path": "/srv/notes.txt", "content": "one\ntwo"} if arguments is None else arguments
        call = receipt(
            status="waiting", agent=agent, agent_name=agent.name, server=files, server_name=files.name, tool_name="write_file",
            definition_digest="d" * 64, arguments=given, result=None, ended_at=None, duration_ms=None, server_ms=None, cpu_seconds=None,
            peak_memory_bytes=None, egress_bytes=None, client="claude-code 2.1",
        )  # fmt: skip
        values: dict[str, Any] = {
            "owner": user,
            "agent": agent,
            "reason": "Its grant asks before what may destroy.",
            "arguments": given,
            "expires_at": timezone.now() + timedelta(minutes=10),
        }
        return Approval.objects.create(call=call, **{**values, **fields})

    return make


def as_sent(form: forms.Form) -> dict[str, str]:
    """By the names of its fields, what a browser sends of a form as it is shown."""
    sent = {}
    for bound in form:
        widget = bound.field.widget
        shown = None if isinstance(widget, forms.PasswordInput) else widget.format_value(bound.value())
        text = str((shown[0] if isinstance(shown, list) else shown) or "")
        if isinstance(widget, forms.Select):
            text = text if text in {str(value) for value, _ in widget.choices} else ""
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        sent[bound.name] = lines.replace("\n", "\r\n" if isinstance(widget, forms.Textarea) else "")
    return sent
