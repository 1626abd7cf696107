"""API tokens."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import ApiToken, User


def test_the_command_prints_a_token_and_nothing_else(user: User) -> None:
    printed = StringIO()
    call_command("create_api_token", "Ada@Example.org", stdout=printed)
    token = printed.getvalue().removesuffix("\n")
    assert token == token.strip()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/api/v1/toolboxes/").status_code == 200


def test_the_command_names_a_user_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match=r"nobody@example\.org"):
        call_command("create_api_token", "nobody@example.org")


def test_only_a_hash_is_stored(user: User, api: APIClient) -> None:
    token = api._credentials["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    stored = ApiToken.objects.values().get()
    assert token not in str(stored)
    assert token.startswith(stored["hint"])


def test_a_wrong_token_is_refused_with_what_to_do(db: None) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer agt_nonsense")
    answer = client.get("/api/v1/servers/")
    assert (answer.status_code, answer.data["code"]) == (401, "authentication_failed")
    assert "create_api_token" in answer.data["detail"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_of_a_user_who_was_locked_out_is_refused(user: User, api: APIClient) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert api.get("/api/v1/servers/").status_code == 401


def test_use_is_noted_but_not_at_every_request(user: User, api: APIClient) -> None:
    api.get("/api/v1/toolboxes/")
    first = ApiToken.objects.get().last_used_at
    api.get("/api/v1/toolboxes/")
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
