"""Heartbeats in which nothing happened: taken many at once, and yet each as if it were alone."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg import sql

from accounts.models import User
from dtma_wire import Heartbeat, HostLoad, Wanted
from mcp_registry.heartbeats.collector import Collector
from mcp_registry.models import Deployment, McpServer
from mcp_registry.services.heartbeats import Taken, take_quiet
from tests.conftest import heartbeat_of
from tests.intake import Answer, apost, enrolled, peer_of, post
from toolboxes.models import Certificate, Metric, Toolbox, ToolboxEvent
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.quiet_heartbeats import Beat

SERVERS = 3
LOAD = HostLoad(cpu_percent=12.5, load=0.5, memory_used_bytes=2**30, disk_used_bytes=2**34)


def make_toolbox(owner: User, name: str) -> Toolbox:
    """One that has told all that there is to tell, in the first heartbeat of its first epoch."""
    toolbox = enrolled(Toolbox.objects.create(owner=owner, name=name, provider="own_server"))
    servers = [
        McpServer(
            owner=owner,
            toolbox=toolbox,
            name=f"{name}-{number}",
            manifest={},
            phase="running",
            observed_generation=1,
            observed_revision=1 << 32,
        )
        for number in range(SERVERS)
    ]
    McpServer.objects.bulk_create(servers)
    assert post(toolbox, quiet(toolbox, sequence=1, since=0)).wanted.resend is False
    return toolbox


def quiet(toolbox: Toolbox, sequence: int = 2, since: int = 1, without: McpServer | None = None) -> Heartbeat:
    """The heartbeat of a toolbox on which nothing changed."""
    servers = [str(server.pk) for server in McpServer.objects.filter(toolbox=toolbox) if server != without]
    changes = {"unchanged": tuple(servers), "since": since, "load": LOAD}
    return heartbeat_of(sequence=sequence, revision=(1 << 32) + 9).model_copy(update=changes)


@pytest.fixture
def fleet(transactional_db: None, user: User) -> list[Toolbox]:
    return [make_toolbox(user, f"box{number}") for number in range(8)]


def post_all(heartbeats: list[tuple[Toolbox, Heartbeat]]) -> list[Answer]:
    """At the same moment, so that they are taken together."""

    async def all_at_once() -> list[Answer]:
        return await asyncio.gather(*(apost(body, peer) for body, peer in prepared))

    prepared = [(heartbeat.model_dump_json().encode(), peer_of(toolbox)) for toolbox, heartbeat in heartbeats]
    return async_to_sync(all_at_once)()


def beat(toolbox: Toolbox, heartbeat: Heartbeat) -> Beat:
    return Beat(toolbox=toolbox.pk, serial=peer_of(toolbox).serial, at=timezone.now(), heartbeat=heartbeat)


def test_a_batch_takes_no_more_statements_than_one_heartbeat(fleet: list[Toolbox]) -> None:
    counts = []
    for sequence, some in ((2, fleet[:1]), (3, fleet)):
        beats = [beat(toolbox, quiet(toolbox, sequence)) for toolbox in some]
        with CaptureQueriesContext(connection) as queries:
            assert take_quiet(beats=beats) == {toolbox.pk: Taken() for toolbox in some}
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 5, "the transaction's beginning and end among them"


def test_each_of_a_batch_is_stored_and_answered(fleet: list[Toolbox]) -> None:
    before = timezone.now()
    answers = post_all([(toolbox, quiet(toolbox)) for toolbox in fleet])
    assert all(answer.wanted.resend is False for answer in answers)
    for toolbox in Toolbox.objects.all():
        assert (toolbox.epoch, toolbox.sequence, toolbox.load["cpu_percent"], toolbox.info["hostname"]) == (1, 2, 12.5, "box")
        assert toolbox.last_seen_at is not None
        assert toolbox.last_seen_at >= before
        assert abs(toolbox.skew_seconds) < 5
        (metric,) = Metric.objects.filter(toolbox=toolbox, at__lte=toolbox.last_seen_at).order_by("-at")[:1]
        assert (metric.resolution, metric.memory_used_bytes) == (15, 2**30)


def test_replays_gaps_and_news_are_told_apart_in_one_batch(fleet: list[Toolbox]) -> None:
    replay, gap, news, lost = fleet[:4]
    missing = McpServer.objects.filter(toolbox=lost).first()
    answers = post_all(
        [
            (replay, quiet(replay, sequence=1, since=0)),
            (gap, quiet(gap, sequence=9, since=7)),
            (news, quiet(news)),
            (lost, quiet(lost, without=missing)),
        ]
    )
    assert [answer.wanted.resend for answer in answers] == [False, True, False, False]
    assert [Toolbox.objects.get(pk=toolbox.pk).sequence for toolbox in (replay, gap, news, lost)] == [1, 1, 2, 2]
    assert missing is not None
    missing.refresh_from_db()
    assert (missing.phase, missing.deployment and missing.deployment.kind) == ("absent", "repair")
    assert Deployment.objects.count() == 1


def test_one_toolbox_cannot_hide_what_another_lost(fleet: list[Toolbox]) -> None:
    lost, liar = fleet[:2]
    missing = McpServer.objects.filter(toolbox=lost).first()
    assert missing is not None
    lie = quiet(liar)
    lie = lie.model_copy(update={"unchanged": (*lie.unchanged, str(missing.pk))})
    post_all([(lost, quiet(lost, without=missing)), (liar, lie)])
    missing.refresh_from_db()
    assert missing.phase == "absent"


def test_the_answer_says_what_is_wanted_of_that_toolbox(fleet: list[Toolbox]) -> None:
    started, stopped, deleted = McpServer.objects.filter(toolbox=fleet[0]).order_by("name")
    for server, desired in ((started, "running"), (stopped, "stopped"), (deleted, "absent")):
        # Each was tried, and failed in a way that is left to the user: nothing is under way that would tell the toolbox.
        deployment = Deployment.objects.create(server=server, kind="start", generation=2, status="running")
        McpServer.objects.filter(pk=server.pk).update(desired=desired, generation=2, deployment=deployment)
    answers = post_all([(toolbox, quiet(toolbox)) for toolbox in fleet])
    wanted = sorted(answers[0].wanted.wanted, key=lambda each: [str(started.pk), str(stopped.pk), str(deleted.pk)].index(each.id))
    assert wanted == [
        Wanted(id=str(started.pk), generation=2, desired="running"),
        Wanted(id=str(stopped.pk), generation=2, desired="stopped"),
        Wanted(id=str(deleted.pk), generation=2, desired="absent", volumes="remove"),
    ]
    assert all(answer.wanted.wanted == () for answer in answers[1:])


def test_a_heartbeat_that_tells_of_servers_is_answered_with_what_is_wanted_too(fleet: list[Toolbox]) -> None:
    server = McpServer.objects.filter(toolbox=fleet[0]).first()
    assert server is not None
    deployment = Deployment.objects.create(server=server, kind="stop", generation=3, status="running")
    McpServer.objects.filter(pk=server.pk).update(desired="stopped", generation=3, deployment=deployment)
    everything = quiet(fleet[0], since=0).model_copy(update={"orphans": ()})
    assert post(fleet[0], everything).wanted.wanted == (Wanted(id=str(server.pk), generation=3, desired="stopped"),)


def test_revocation_and_expiry_count_at_once(fleet: list[Toolbox]) -> None:
    revoked, expired, removed, other = fleet[:4]
    now = timezone.now()
    last = Certificate.objects.get(toolbox=revoked)
    revoke_certificates(toolbox=revoked, reason="test")
    assert last.revoked_at is None, "the row was changed, not the object here"
    Certificate.objects.filter(toolbox=expired).update(not_after=now - timedelta(seconds=1))
    Toolbox.objects.filter(pk=removed.pk).update(deleted_at=now)
    answers = post_all([(toolbox, quiet(toolbox)) for toolbox in (revoked, expired, removed, other)])
    assert [answer.status for answer in answers] == [403, 403, 403, 200]
    assert [json.loads(answer.body)["code"] for answer in answers[:3]] == ["forbidden", "certificate_expired", "forbidden"]
    assert list(Toolbox.objects.filter(sequence=2)) == [other]


def test_what_cannot_be_stored_harms_nobody_else(fleet: list[Toolbox]) -> None:
    heartbeat = quiet(fleet[0])
    bad = heartbeat.model_copy(update={"info": heartbeat.info.model_copy(update={"hostname": "a\0b"})})
    answers = post_all([(fleet[0], bad), *((toolbox, quiet(toolbox)) for toolbox in fleet[1:])])
    assert [answer.status for answer in answers] == [400, *[200] * (len(fleet) - 1)]
    assert Toolbox.objects.filter(sequence=2).count() == len(fleet) - 1


def test_a_toolbox_that_another_process_holds_is_not_waited_for(fleet: list[Toolbox]) -> None:
    beats = [beat(toolbox, quiet(toolbox)) for toolbox in fleet]
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM toolboxes_toolbox WHERE id = %s FOR UPDATE", [fleet[0].pk])
        assert take_quiet(beats=beats).keys() == {toolbox.pk for toolbox in fleet[1:]}
        other.rollback()
    finally:
        other.close()
    assert take_quiet(beats=beats).keys() == {fleet[0].pk}


def test_a_toolbox_that_was_silent_reports_again_with_the_others(fleet: list[Toolbox]) -> None:
    Toolbox.objects.filter(pk__in=[toolbox.pk for toolbox in fleet[:2]]).update(shown_silent=True)
    assert len(take_quiet(beats=[beat(toolbox, quiet(toolbox)) for toolbox in fleet])) == len(fleet)
    assert not Toolbox.objects.filter(shown_silent=True).exists()
    again = ToolboxEvent.objects.filter(kind="reports_again").values_list("toolbox", flat=True)
    assert set(again) == {toolbox.pk for toolbox in fleet[:2]}


@contextmanager
def no_database() -> Iterator[None]:
    """Every connection is cut, and no other is let in."""
    name = connection.settings_dict["NAME"]
    parameters = {**connection.get_connection_params(), "dbname": "postgres"}
    allowed = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if parameters.get(key)}
    connection.close()
    with psycopg.connect(**allowed, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def test_while_the_database_is_away_toolboxes_are_told_to_come_again(fleet: list[Toolbox], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.pool, "timeout", 1.0)  # the time for which each try waits for a connection
    heartbeats = [(toolbox, quiet(toolbox)) for toolbox in fleet]
    bodies = [(heartbeat.model_dump_json().encode(), peer_of(toolbox)) for toolbox, heartbeat in heartbeats]

    async def all_at_once() -> list[Answer]:
        return await asyncio.gather(*(apost(body, peer) for body, peer in bodies))

    with no_database():
        for answer in async_to_sync(all_at_once)():
            assert (answer.status, json.loads(answer.body)["retryable"]) == (503, True)
    end = time.monotonic() + 60
    while any(answer.status != 200 for answer in async_to_sync(all_at_once)()):
        assert time.monotonic() < end
    assert Toolbox.objects.filter(sequence=2).count() == len(fleet), "nothing is lost: they came again"


async def test_nothing_piles_up_while_the_database_is_away() -> None:
    asked, may_fail = asyncio.Event(), asyncio.Event()

    async def away(*, beats: Collection[Beat]) -> dict[UUID, Taken]:
        asked.set()
        await may_fail.wait()
        raise OperationalError("the connection is lost")

    first, second, *others = [Beat(uuid.uuid4(), serial="1", at=timezone.now(), heartbeat=heartbeat_of()) for _ in range(5)]
    collector = Collector(away)
    may_fail.set()
    with pytest.raises(OperationalError):
        await collector.put(first)
    asked.clear()
    may_fail.clear()
    tries = asyncio.create_task(collector.put(second))
    await asked.wait()
    for each in others:  # answered at once, while one tries whether the database is back
        with pytest.raises(OperationalError):
            await collector.put(each)
    may_fail.set()
    with pytest.raises(OperationalError):
        await tries
