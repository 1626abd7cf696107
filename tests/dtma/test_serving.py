"""DTMA's HTTP, on the wire."""

from __future__ import annotations

import json
import socket

import pytest

from tests.dtma.agent import Agent
from tests.dtma.authority import any_toolbox


def ask(agent: Agent, *lines: str) -> socket.socket:
    """Send a request; returns the connection."""
    connection = any_toolbox().wrap_socket(socket.create_connection(("127.0.0.1", agent.port), timeout=10))
    connection.sendall("\r\n".join([*lines, "Host: localhost", "", ""]).encode())
    return connection


def test_an_answer_arrives_in_one_piece(agent: Agent) -> None:
    with ask(agent, "GET /v1/servers/unknown/mcp HTTP/1.1") as connection:
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["code"] == "server_not_found"


def test_an_answer_without_a_body_and_the_last_on_a_connection_arrive_whole(agent: Agent) -> None:
    with ask(agent, "HEAD /v1/info HTTP/1.1", "Connection: close") as connection:
        pieces = b"".join(iter(lambda: connection.recv(65536), b""))
    assert pieces.startswith(b"HTTP/1.1 200 ")
    assert pieces.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /v1/nothing HTTP/1.1", b"404"),
        ("POST /v1/info HTTP/1.1", b"405"),
        ("GET /v1/servers/a/b/mcp HTTP/1.1", b"404"),
        ("GET /v1/servers//mcp HTTP/1.1", b"404"),
    ],
)
def test_what_there_is_no_route_for_is_an_error_body_like_everything_else(agent: Agent, request_line: str, status: bytes) -> None:
    with ask(agent, request_line) as connection:
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert json.loads(body)["code"] == "invalid"
