"""A transaction that is ended for a deadlock is done again."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connections, transaction

from accounts.models import User
from agentopia.lib.deadlocks import over_deadlocks

WAITS = 30


@pytest.fixture
def users(transactional_db: None) -> list[User]:
    return [User.objects.create_user(f"{name}@example.org", "correct horse battery") for name in ("ada", "eve")]


def test_both_of_two_that_wait_for_each_other_are_done(users: list[User]) -> None:
    both_hold_one = threading.Barrier(2)
    tries: list[str] = []

    def change(name: str, first: User, second: User) -> None:
        @over_deadlocks
        @transaction.atomic
        def work() -> None:
            User.objects.select_for_update().get(pk=first.pk)
            tries.append(name)
            if tries.count(name) == 1:
                both_hold_one.wait(WAITS)
            User.objects.select_for_update().get(pk=second.pk)

        try:
            work()
            done.append(name)
        finally:
            connections.close_all()

    done: list[str] = []
    threads = [threading.Thread(target=change, args=args) for args in (("one", *users), ("other", *reversed(users)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAITS)
    assert sorted(done) == ["one", "other"]
    assert len(tries) == 3


def test_other_errors_are_raised_at_once() -> None:
    tries = 0

    @over_deadlocks
    def work() -> None:
        nonlocal tries
        tries += 1
        raise OperationalError("the database is away")

    with pytest.raises(OperationalError, match="away"):
        work()
    assert tries == 1
