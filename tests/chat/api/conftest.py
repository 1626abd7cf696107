"""What tests of the chat's REST API share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import create_api_token
from tests.gateway.web import web

type Send = Callable[..., tuple[int, Any]]


@pytest.fixture
def send(api: APIClient) -> Send:
    """Asks as the user does: ``send("POST", path, body)`` → status and JSON."""
    return lambda method, path, body=None: sent(api, method, path, body)


@pytest.fixture
def eves(stranger: User) -> Send:
    """The same, as another user."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_token(user=stranger, name='test')}")
    return lambda method, path, body=None: sent(client, method, path, body)


def sent(client: APIClient, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = client.generic(method, path) if body is None else getattr(client, method.lower())(path, body, format="json")
    return answer.status_code, answer.json() if getattr(answer, "content", None) else None


@pytest.fixture
def served(transactional_db: None) -> Iterator[str]:
    """The address of a real web process, in a thread of this one."""
    with web() as url:
        yield url


@pytest.fixture
def bearer(user: User) -> str:
    return f"Bearer {create_api_token(user=user, name='test')}"
