"""How much a request may send: what is larger is refused in the usual form, whatever its head says of its length."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

import httpx2
import pytest

from accounts.models import User
from agentopia.lib import bodies
from chat import attaching
from chat.api_messages import MessagesView
from chat.models import Attachment, Conversation, ModelProvider, Run
from chat.services import messages as services
from tests.chat.api.conftest import Send

pytestmark = pytest.mark.django_db(transaction=True)
MB = 2**20


@pytest.fixture(autouse=True)
def provider(user: User) -> ModelProvider:
    return ModelProvider.objects.create(owner=user, kind="openai", name="Mine", base_url="http://127.0.0.1:9/v1", default_model="small")


@pytest.fixture
def path(conversation: Conversation) -> str:
    return f"/api/v1/conversations/{conversation.pk}/messages/"


def message(*sizes: int) -> bytes:
    """With files of so many bytes."""
    files = [{"name": f"{number}.bin", "base64": b64encode(b"x" * size).decode()} for number, size in enumerate(sizes)]
    return json.dumps({"text": "Look.", "attachments": files}).encode()


def pieces(body: bytes) -> Iterator[bytes]:
    """Sent in chunks: nobody tells how long it is."""
    for begin in range(0, len(body), MB // 4):
        yield body[begin : begin + MB // 4]


def test_all_that_a_message_may_have_fits() -> None:
    assert attaching.LARGEST_BODY > services.MOST_BYTES / 3 * 4
    assert services.LARGEST_ATTACHMENT < services.MOST_BYTES < attaching.LARGEST_BODY < bodies.LARGEST


@pytest.mark.parametrize("in_chunks", [False, True])
def test_files_are_taken_however_they_are_sent(served: str, bearer: str, path: str, in_chunks: bool) -> None:
    body = message(9 * MB, 10)
    headers = {"Authorization": bearer, "Content-Type": "application/json"}
    answer = httpx2.post(f"{served}{path}", content=pieces(body) if in_chunks else body, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    assert sorted(Attachment.objects.values_list("size", flat=True)) == [10, 9 * MB]


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_message_that_is_too_large_is_not_parsed(
    served: str, bearer: str, path: str, in_chunks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MessagesView, "largest_body", MB)
    body = b"{" * (2 * MB)
    headers = {"Authorization": bearer, "Content-Type": "application/json"}
    answer = httpx2.post(f"{served}{path}", content=pieces(body) if in_chunks else body, headers=headers, timeout=60)
    told = answer.json()
    assert (answer.status_code, told["code"], told["retryable"], told["fields"]) == (413, "too_large", False, {})
    assert "send some with another message" in told["detail"]
    assert not Run.objects.exists()


@pytest.mark.parametrize("in_chunks", [False, True])
def test_no_request_may_be_larger_than_all_may_be(served: str, bearer: str, in_chunks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.bounded, "__defaults__", (MB,))
    body = b"x" * (3 * MB)
    with httpx2.Client(timeout=60) as client:
        answer = client.post(f"{served}/accounts/login/", content=pieces(body) if in_chunks else body)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert client.get(f"{served}/api/v1/conversations/", headers={"Authorization": bearer}).status_code == 200


def test_what_the_files_are_together_counts_too(send: Send, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_BYTES", 3 * MB)
    status, answer = send("POST", path, json.loads(message(2 * MB, 2 * MB)))
    assert (status, list(answer["fields"])) == (400, ["attachments"])
    assert "3 MB together" in answer["detail"]
    assert not Run.objects.exists()


def test_what_is_no_json_is_said(send: Send, served: str, bearer: str, path: str) -> None:
    headers = {"Authorization": bearer, "Content-Type": "application/json"}
    for body in (b"{", b"\xff", b'{"text": NaN}', b"[" * 100_000):
        answer = httpx2.post(f"{served}{path}", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "parse_error"), body[:20]
