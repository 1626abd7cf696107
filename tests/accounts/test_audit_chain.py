"""The audit's chain: appended to by anybody at once, refused to be changed, and telling where it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from accounts import audit
from accounts.audit import chain
from accounts.models import AuditCheck, AuditEvent, User
from toolboxes.models import Toolbox, ToolboxEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS, EACH = 6, 8


def note(name: str, **more: str) -> AuditEvent:
    return audit.record(action="thing.changed", target=audit.Target("thing", name, name), owner=None, **more)


def note_all(*names: str) -> None:
    for name in names:
        note(name)


@contextmanager
def past_the_triggers() -> Iterator[None]:
    """What only who owns the database can do."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditevent DISABLE TRIGGER USER")
        yield
        cursor.execute("ALTER TABLE accounts_auditevent ENABLE TRIGGER USER")


def run(*work: Callable[[], None]) -> list[BaseException]:
    """All at once, each with a connection of its own; what they raised."""
    failed: list[BaseException] = []

    def one(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(job,)) for job in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failed


def test_records_are_chained_when_their_transaction_is_committed() -> None:
    with transaction.atomic():
        first, second = note("a"), note("b", summary="Ümläut “quoted”\nand a second line")
        assert AuditEvent.objects.get(pk=first.pk).hash is None
    rows = list(AuditEvent.objects.order_by("position"))
    assert [(row.pk, row.position) for row in rows] == [(first.pk, 1), (second.pk, 2)]
    assert [row.previous for row in rows] == [chain.FIRST, rows[0].hash]
    assert rows[1].hash == chain.hash_of(str(rows[0].hash), 2, rows[1].body)
    assert chain.verify() == chain.Verdict(2, str(rows[1].hash), None)
    assert chain.head() == (2, rows[1].hash)


def test_the_database_refuses_changes() -> None:
    event = note("a")
    with pytest.raises(IntegrityError, match="append-only"):
        AuditEvent.objects.filter(pk=event.pk).update(summary="Nothing happened.")
    with pytest.raises(IntegrityError, match="append-only"):
        AuditEvent.objects.filter(pk=event.pk).update(hash=None, position=None)
    with pytest.raises(IntegrityError, match="append-only"):
        AuditEvent.objects.all().delete()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=note("b").pk).update(summary="As if it had been so from the beginning.")
    with connection.cursor() as cursor:
        cursor.execute("SET agentopia.audit_may_be_emptied = off")  # the tests' own connections may
        with pytest.raises(IntegrityError, match="not emptied"):
            cursor.execute("TRUNCATE accounts_auditevent")
        cursor.execute("RESET agentopia.audit_may_be_emptied")
    assert AuditEvent.objects.count() == 1


def test_a_forged_place_is_not_taken() -> None:
    AuditEvent.objects.create(
        action="a", target_type="t", target_id="1", target_name="n", body="{}", position=77, hash="f" * 64, previous=""
    )
    row = AuditEvent.objects.get()
    assert (row.position, row.previous) == (1, chain.FIRST)
    assert chain.verify().broken is None


def test_many_writers_at_once() -> None:
    def write(number: int) -> Callable[[], None]:
        def job() -> None:
            for n in range(EACH):
                with transaction.atomic():
                    note_all(f"{number}-{n}-a", f"{number}-{n}-b")

        return job

    assert run(*(write(number) for number in range(WRITERS))) == []
    assert chain.verify().broken is None
    assert chain.head()[0] == AuditEvent.objects.count() == WRITERS * EACH * 2


def test_a_long_transaction_holds_nobody_up() -> None:
    with transaction.atomic():
        slow = note("slow")
        assert run(lambda: note_all("quick")) == []
        assert AuditEvent.objects.get(target_name="quick").position == 1
    assert AuditEvent.objects.get(pk=slow.pk).position == 2
    assert chain.verify().broken is None


def test_foreign_keys_that_wait_do_not_lock_up_with_the_chain(user: User) -> None:
    """One holds a toolbox's row and then appends; the other appends and then refers to that row, which is checked at its commit."""
    toolbox = Toolbox.objects.create(owner=user, name="box", provider=Toolbox.Provider.OWN_SERVER)
    appended, locked = threading.Event(), threading.Event()

    def holds() -> None:
        with transaction.atomic():
            Toolbox.objects.select_for_update().get(pk=toolbox.pk)
            note("holds")
            locked.set()
            assert appended.wait(20)

    def refers() -> None:
        with transaction.atomic():
            note("refers")
            ToolboxEvent.objects.create(toolbox_id=toolbox.pk, kind="odd", text="Odd.")
            assert locked.wait(20)
            appended.set()

    for _ in range(5):
        appended.clear()
        locked.clear()
        assert run(holds, refers) == []
    assert chain.verify().position == 10


def roll_back(name: str) -> None:
    with transaction.atomic():
        note(name)
        transaction.set_rollback(True)


def test_what_was_rolled_back_leaves_no_gap() -> None:
    note("a")
    roll_back("never")
    with transaction.atomic():
        note("b")
        roll_back("nor this")
        note("c")
    assert list(AuditEvent.objects.order_by("position").values_list("target_name", "position")) == [("a", 1), ("b", 2), ("c", 3)]
    assert chain.verify().broken is None


def test_a_connection_that_is_killed_holds_nobody_up() -> None:
    pid = threading.Event(), []

    def dies() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                note("never")
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # so that it holds the chain's lock already
                cursor.execute("SELECT pg_backend_pid()")
                pid[1].append(cursor.fetchone()[0])
            pid[0].set()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(30)")

    def kills() -> None:
        assert pid[0].wait(20)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", pid[1])
        note("after")

    failed = run(dies, kills)
    assert [type(error) for error in failed] == [OperationalError]
    assert list(AuditEvent.objects.values_list("target_name", "position")) == [("after", 1)]
    assert chain.verify().broken is None


@pytest.mark.parametrize("column", ["summary", "body", "previous", "hash"])
def test_a_changed_record_is_found(column: str) -> None:
    note_all("a", "b", "c")
    with past_the_triggers():
        AuditEvent.objects.filter(target_name="b").update(**{column: "{}"})
    broken = chain.verify().broken
    assert broken is not None
    assert (broken.position, broken.how) == (2, "changed")


def test_a_removed_record_is_found() -> None:
    note_all("a", "b", "c", "d")
    with past_the_triggers():
        AuditEvent.objects.filter(target_name__in=("b", "c")).delete()
    broken = chain.verify().broken
    assert broken is not None
    assert (broken.position, broken.how) == (2, "removed")
    assert "place 2 to 3" in broken.sentence


def test_a_removed_record_whose_gap_was_closed_is_found() -> None:
    note_all("a", "b", "c")
    with past_the_triggers():
        AuditEvent.objects.filter(target_name="b").delete()
        last = AuditEvent.objects.get(target_name="c")
        AuditEvent.objects.filter(pk=last.pk).update(position=2, hash=chain.hash_of(str(last.previous), 2, last.body))
    broken = chain.verify().broken
    assert broken is not None
    assert (broken.position, broken.how) == (2, "removed")


def test_an_inserted_record_is_found() -> None:
    note_all("a", "b")
    forged = note("forged")
    with past_the_triggers():
        first, last = AuditEvent.objects.get(target_name="a"), AuditEvent.objects.get(target_name="b")
        AuditEvent.objects.filter(pk=forged.pk).update(position=99)
        AuditEvent.objects.filter(pk=last.pk).update(position=3, hash=chain.hash_of(str(last.previous), 3, last.body))
        fit = chain.hash_of(str(first.hash), 2, forged.body or AuditEvent.objects.get(pk=forged.pk).body)
        AuditEvent.objects.filter(pk=forged.pk).update(position=2, previous=first.hash, hash=fit)
    broken = chain.verify().broken
    assert broken is not None
    assert (broken.position, broken.how) == (2, "inserted")


def test_a_record_past_the_triggers_is_found() -> None:
    note("a")
    with past_the_triggers():
        forged = note("forged")
    broken = chain.verify().broken
    assert broken is not None
    assert (broken.record, broken.how) == (forged.pk, "inserted")


def test_a_cut_end_is_found_by_the_noted_head() -> None:
    note_all("a", "b")
    noted = chain.head()[1]
    note("c")
    assert chain.verify(noted).broken is None
    with past_the_triggers():
        AuditEvent.objects.filter(target_name__in=("b", "c")).delete()
    assert chain.verify().broken is None
    broken = chain.verify(noted).broken
    assert broken is not None
    assert broken.how == "removed"


def test_it_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "PAGE", 2)
    note_all(*"abcde")
    assert chain.verify().position == 5


def test_the_commands() -> None:
    note_all("a", "b")
    said = StringIO()
    call_command("audit", "head", stdout=said)
    head = said.getvalue().split()[-1]
    call_command("audit", "verify", "--head", head, stdout=said)
    assert "2 records" in said.getvalue()
    assert AuditCheck.objects.get().position == 2
    exported = StringIO()
    call_command("audit", "export", "--search", "b", stdout=exported)
    assert exported.getvalue().count("\n") == 1
    with past_the_triggers():
        AuditEvent.objects.filter(target_name="a").update(actor="eve@example.org")
    with pytest.raises(CommandError, match="place 1, was changed"):
        call_command("audit", "verify", stdout=said)
    assert AuditCheck.objects.count() == 2
