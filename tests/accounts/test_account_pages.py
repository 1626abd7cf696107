"""The pages of one's own account: API tokens and the password."""

from __future__ import annotations

import re

from django.test import Client
from rest_framework.test import APIClient

from accounts import pauses, services
from accounts.models import ApiToken, AuditEvent, User
from accounts.services import create_api_token

OLD, NEW = "correct horse battery", "a staple that is new"


def tried(token: str, address: str = "192.0.2.1") -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client.get("/api/v1/servers/", REMOTE_ADDR=address).status_code


def test_a_token_is_shown_once_and_works(browser: Client, user: User) -> None:
    assert "No token yet" in browser.get("/account/tokens/").content.decode()
    answer = browser.post("/account/tokens/", {"name": "pipeline"})
    assert answer["Cache-Control"].count("no-store") == 1
    found = re.search(r"agt_[\w-]{43}", answer.content.decode())
    assert found is not None
    assert tried(found[0]) == 200
    page = browser.get("/account/tokens/").content.decode()
    assert found[0] not in page
    assert "pipeline" in page
    assert found[0][:10] in page
    event = AuditEvent.objects.get(action="token.made")
    assert (event.actor, event.via) == (user.email, "page")
    assert found[0] not in str(list(AuditEvent.objects.values()))


def test_a_revoked_token_is_refused(browser: Client, user: User) -> None:
    token = create_api_token(user=user, name="old")
    assert tried(token) == 200
    assert browser.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 302
    assert tried(token) == 401
    assert AuditEvent.objects.filter(action="token.revoked", target_name__startswith="old").exists()


def test_another_users_token(browser: Client, stranger: User) -> None:
    create_api_token(user=stranger, name="theirs")
    assert "theirs" not in browser.get("/account/tokens/").content.decode()
    assert browser.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404
    assert ApiToken.objects.count() == 1


def test_what_is_wrong_with_a_token_is_said(browser: Client, user: User, monkeypatch: object) -> None:
    assert browser.post("/account/tokens/", {"name": " "}).status_code == 422
    for n in range(services.MOST_TOKENS):
        ApiToken.objects.create(user=user, name="n", digest=str(n), hint="h")
    answer = browser.post("/account/tokens/", {"name": "one more"})
    assert answer.status_code == 422
    assert "Revoke those that are not used" in answer.content.decode()


def test_wrong_tokens_are_bounded_by_address(user: User) -> None:
    right = create_api_token(user=user, name="right")
    answers = [tried("agt_wrong") for _ in range(pauses.TOKENS.free + 3)]
    assert answers[: pauses.TOKENS.free] == [401] * pauses.TOKENS.free
    assert set(answers[pauses.TOKENS.free :]) == {429}
    assert tried("agt_wrong", "192.0.2.2") == 401
    assert tried(right) == 200, "the programs of one address are not one program"
    assert AuditEvent.objects.filter(action="token.refused", address="192.0.2.1").count() == 1


def test_a_refusal_says_when(db: None) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer agt_wrong")
    for _ in range(pauses.TOKENS.free + 1):
        answer = client.get("/api/v1/servers/")
    assert (answer.status_code, answer.data["code"], answer.data["retryable"]) == (429, "throttled", True)
    assert 0 < int(answer["Retry-After"]) <= pauses.TOKENS.pauses[0]


def test_the_password_is_changed(browser: Client, user: User) -> None:
    other = Client()
    other.force_login(user)
    answer = browser.post("/account/password/", {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}, follow=True)
    assert "Your password is changed" in answer.content.decode()
    assert other.get("/servers/").status_code == 302, "other browsers are signed out"
    assert Client().login(email=user.email, password=NEW)
    event = AuditEvent.objects.get(action="user.password_changed")
    assert event.changes == {"password": ["set", "changed"]}
    assert NEW not in str(list(AuditEvent.objects.values()))


def test_guesses_at_the_old_password_are_bounded_too(browser: Client, user: User) -> None:
    form = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    for _ in range(pauses.ACCOUNT.free):
        assert browser.post("/account/password/", form).status_code == 422
    answer = browser.post("/account/password/", form | {"old_password": OLD})
    assert "Too many attempts. Try again in" in answer.content.decode()
    assert user.check_password(OLD)
