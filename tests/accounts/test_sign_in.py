"""Signing in and out, and how often one may guess."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from redis.exceptions import RedisError

from accounts import pauses
from accounts.models import AuditEvent, User

PASSWORD = "correct horse battery"
FAILED = "user.sign_in_failed"


def sign_in(email: str = "ada@example.org", password: str = "wrong", client: Client | None = None, address: str = "192.0.2.1") -> Any:
    return (client or Client()).post("/accounts/login/", {"username": email, "password": password}, REMOTE_ADDR=address)


def said(answer: HttpResponse) -> str:
    return answer.content.decode()


def test_in_and_out_is_recorded(user: User) -> None:
    client = Client()
    assert sign_in(password=PASSWORD, client=client).status_code == 302
    assert client.get("/servers/").status_code == 200
    assert client.post("/accounts/logout/", REMOTE_ADDR="192.0.2.1").status_code == 302
    assert client.get("/servers/").status_code == 302
    events = AuditEvent.objects.order_by("pk").values_list("action", "actor", "owner_id", "address", "via")
    assert list(events) == [(action, user.email, user.pk, "192.0.2.1", "page") for action in ("user.signed_in", "user.signed_out")]


def test_a_failure_is_recorded_without_the_password(user: User) -> None:
    answer = sign_in(password="canary-4711")
    assert answer.status_code == 200
    assert "canary" not in said(answer)
    event = AuditEvent.objects.get(action=FAILED)
    assert (event.actor, event.owner_id, event.target_id, event.address) == ("", user.pk, str(user.pk), "192.0.2.1")
    sign_in(email="nobody@example.org")
    sign_in(email="canary-4711", password="ada@example.org")  # the wrong way round
    names = AuditEvent.objects.filter(action=FAILED, owner_id=None).order_by("pk").values_list("target_name", flat=True)
    assert list(names) == ["nobody@example.org", "something that is no e-mail address"]
    assert "canary" not in str(list(AuditEvent.objects.values()))


def test_pauses_grow_and_say_when(user: User) -> None:
    account = pauses.Attempt(pauses.ACCOUNT, user.email)
    for _ in range(pauses.ACCOUNT.free - 1):
        assert "try again in" not in said(sign_in())
    for pause in (15, 30, 60, 120):
        answer = sign_in()
        assert f"You can try again in {pauses.in_words(pause)}." in said(answer)
        refused = sign_in(password=PASSWORD)
        assert refused.status_code == 429
        assert 0 < int(refused["Retry-After"]) <= pause
        assert "Too many attempts. Try again in" in said(refused)
        assert 0 < account.left() <= pause
        cache.delete(account._key("until"))  # as if it were over
    assert sign_in(password=PASSWORD).status_code == 302
    assert "try again in" not in said(sign_in()), "a success forgets what was before"


def test_an_account_that_is_not_there_looks_the_same(user: User) -> None:
    answers = {}
    for email in (user.email, "nobody@example.org"):
        texts = [said(sign_in(email=email)) for _ in range(pauses.ACCOUNT.free + 1)]
        answers[email] = [_without_token(text).replace(email, "EMAIL") for text in texts]
    assert answers[user.email] == answers["nobody@example.org"]
    User.objects.filter(pk=user.pk).update(is_active=False)
    cache.delete(pauses.Attempt(pauses.ACCOUNT, user.email)._key("until"))
    assert "inactive" not in said(sign_in(password=PASSWORD))


def _without_token(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "csrf" not in line.lower())


def test_an_address_is_slowed_whatever_accounts_it_tries(user: User) -> None:
    for n in range(pauses.ADDRESS.free):
        sign_in(email=f"u{n}@example.org")
    assert sign_in(password=PASSWORD).status_code == 429
    assert sign_in(password=PASSWORD, address="192.0.2.2").status_code == 302, "others are not"


def test_attempts_in_a_pause_change_nothing(user: User) -> None:
    for _ in range(pauses.ACCOUNT.free):
        sign_in()
    before = AuditEvent.objects.count()
    left = pauses.Attempt(pauses.ACCOUNT, user.email).left()
    for _ in range(10):
        assert sign_in(password=PASSWORD).status_code == 429
    assert pauses.Attempt(pauses.ACCOUNT, user.email).left() <= left
    assert AuditEvent.objects.count() == before
    cache.delete(pauses.Attempt(pauses.ACCOUNT, user.email)._key("until"))
    assert sign_in(password=PASSWORD).status_code == 302


def test_signing_in_gives_nothing_back_of_what_an_address_guessed(user: User) -> None:
    """Else who has an account could guess at others' for ever, signing in now and then."""
    for n in range(pauses.ADDRESS.free - 1):
        sign_in(email=f"u{n}@example.org")
    assert sign_in(password=PASSWORD).status_code == 302
    sign_in(email="one@example.org")
    assert sign_in(email="more@example.org").status_code == 429


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_further(user: User) -> None:
    tried: list[int] = []
    gate = threading.Barrier(16)

    def guess() -> None:
        gate.wait(20)
        tried.append(sign_in().status_code)
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(tried) == 16
    assert tried.count(200) <= pauses.ACCOUNT.free


def test_the_admin_has_no_other_door(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/login/?next=/admin/"
    assert client.post("/admin/login/?next=/admin/", {"username": user.email, "password": PASSWORD}).status_code == 302
    assert "_auth_user_id" not in client.session
    answer = client.post("/accounts/login/?next=/admin/", {"username": user.email, "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/"
    assert client.get("/admin/password_change/", follow=True).redirect_chain[-1][0] == "/account/password/"
    client.post("/admin/logout/")
    assert AuditEvent.objects.filter(action="user.signed_out").exists()


def test_who_may_not_use_the_admin_is_told_so(browser: Client) -> None:
    assert browser.get("/admin/", follow=True).status_code == 403


def test_without_redis_nobody_guesses(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def get(self, key: str, default: Any = None) -> Any:
            raise RedisError(key)

    monkeypatch.setattr(pauses, "cache", Down())
    answer = sign_in(password=PASSWORD)
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert "Redis does not answer" in said(answer)
