"""Answers on the wire."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.gateway.web import web

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_answer_arrives_in_one_piece_one_without_a_body_and_the_last_whole() -> None:
    with web() as url:
        host = urlsplit(url)
        with socket.create_connection((host.hostname, host.port), timeout=10) as connection:
            connection.sendall(b"POST /mcp/none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 ")
            assert json.loads(body)
            connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            pieces = b"".join(iter(lambda: connection.recv(65536), b""))
    assert pieces.startswith(b"HTTP/1.1 200 ")
    assert pieces.endswith(b"\r\n\r\n")
