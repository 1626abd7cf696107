"""What servers used: told by heartbeats, stored once in a ring, rolled up, and read as evenly spaced points with what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from dtma_wire import Heartbeat, Phase, ServerUsage
from mcp_registry.metrics.series import Mark, MarkKind, Point, marks, newest, series
from mcp_registry.models import Deployment, Drift, McpServer, ServerMetric
from mcp_registry.models.metrics import SERVER_SLOTS
from mcp_registry.services.heartbeats import take_heartbeat, take_quiet
from mcp_registry.services.metrics import MINUTE, note_restarts, roll_up, shares, store_usage
from mcp_registry.services.observation import observe
from tests.conftest import heartbeat_of, reporting, state_of
from tests.intake import enrolled, peer_of, post
from toolboxes.models import Toolbox
from toolboxes.services.quiet_heartbeats import Beat

NOW = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
SECOND, MIN, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MB = 2**20


def usage(server: McpServer | str, **changes: Any) -> ServerUsage:
    values: dict[str, Any] = {
        "id": str(server.pk) if isinstance(server, McpServer) else server,
        "seconds": 60, "cpu_percent": 25.0, "memory_bytes": 64 * MB, "memory_limit_bytes": 512 * MB,
        "received_bytes": 6000, "sent_bytes": 600, "out_of_memory_kills": 0,
        **changes,
    }  # fmt: skip
    return ServerUsage(**values)


def told(*usages: ServerUsage, **changes: Any) -> Heartbeat:
    return heartbeat_of().model_copy(update={"usage": usages, "usage_first": 1, **changes})


def tell(server: McpServer, at: datetime, **changes: Any) -> None:
    store_usage(told=[(server.toolbox_id, at, told(usage(server, **changes)))])


def tell_for(server: McpServer, begin: datetime, minutes: int, **changes: Any) -> None:
    for number in range(1, minutes + 1):
        tell(server, begin + number * MIN, **changes)


def stored(server: McpServer, resolution: int = 60) -> list[ServerMetric]:
    return list(ServerMetric.objects.filter(server=server, resolution=resolution).order_by("at"))


@pytest.fixture
def server(make_server: Callable[..., McpServer]) -> McpServer:
    return make_server()


# --- storing ---


def test_a_minute_is_told_to_the_minutes_that_it_speaks_of(server: McpServer) -> None:
    tell(server, NOW)
    first, second = stored(server)
    assert (first.at, second.at) == (NOW - 90 * SECOND, NOW - 30 * SECOND)
    assert [first.seconds, second.seconds] == pytest.approx([30, 30])
    assert (first.received_bytes, second.received_bytes) == (3000, 3000)
    tell(server, NOW + MIN, cpu_percent=75.0, received_bytes=60)
    _, second, third = stored(server)
    assert second.seconds == pytest.approx(60)
    assert (second.cpu_percent, second.received_bytes, second.sent_bytes) == (50, 3030, 600)
    assert (third.cpu_percent, third.memory_bytes, third.memory_limit_bytes) == (75, 64 * MB, 512 * MB)


@pytest.mark.parametrize("seconds", [0.0, 0.4, 14.9, 29.999, 30.0, 60.0, 61.3, 90.0, 150.0, 151.0, 7200.0])
@pytest.mark.parametrize("past", [0, 1, 30, 59])
def test_the_parts_of_a_time_are_all_of_it(seconds: float, past: int) -> None:
    parts = shares(NOW.replace(second=past), seconds)
    assert (parts[0][1], parts[-1][2]) == (0.0, 1.0)
    assert [share_to for _, _, share_to in parts[:-1]] == [share_from for _, share_from, _ in parts[1:]]
    assert [begin for begin, _, _ in parts] == sorted({begin for begin, _, _ in parts})
    assert len(parts) <= 4
    assert all(MINUTE.place(begin)[1] == begin for begin, _, _ in parts)


def test_no_byte_is_lost_between_minutes(server: McpServer) -> None:
    at = NOW
    for number in range(40):
        at += 61.7 * SECOND
        tell(server, at, seconds=61.7, received_bytes=1001 + number, sent_bytes=1, out_of_memory_kills=number % 2)
    rows = stored(server)
    assert sum(row.received_bytes or 0 for row in rows) == sum(1001 + number for number in range(40))
    assert sum(row.sent_bytes or 0 for row in rows) == 40
    assert sum(row.out_of_memory_kills for row in rows) == 20
    assert sum(row.seconds for row in rows) == pytest.approx(40 * 61.7)
    assert [later.at - row.at for row, later in pairwise(rows)] == [MIN] * (len(rows) - 1), "no minute is left out"


def test_what_is_told_after_an_outage_is_no_spike(server: McpServer) -> None:
    tell(server, NOW, seconds=3600, received_bytes=3600_000)
    (row,) = stored(server)
    assert (row.at, row.seconds) == (NOW - 30 * SECOND, 3600)
    assert series(server, "hour", NOW + MIN)[-1].received_per_second == 1000


def test_a_figure_that_cannot_be_told_is_not_zero(server: McpServer) -> None:
    tell(server, NOW, seconds=20, cpu_percent=None, memory_bytes=None, memory_limit_bytes=None, received_bytes=None, sent_bytes=None)
    (row,) = stored(server)
    assert (row.cpu_percent, row.memory_bytes, row.received_bytes) == (None, None, None)
    tell(server, NOW + 20 * SECOND, seconds=20)
    (row,) = stored(server)
    assert (row.cpu_percent, row.memory_bytes, row.received_bytes, row.memory_limit_bytes) == (25, 64 * MB, 6000, 512 * MB)


def test_what_lay_in_a_slot_a_round_ago_is_written_over(server: McpServer) -> None:
    tell(server, NOW, seconds=20, out_of_memory_kills=5)
    tell(server, NOW + timedelta(days=1), seconds=20, sent_bytes=7)
    (row,) = stored(server)
    assert (row.at, row.seconds, row.sent_bytes, row.out_of_memory_kills) == (NOW + timedelta(days=1) - 30 * SECOND, 20, 7, 0)


def test_of_unknown_servers_and_those_of_others_nothing_is_stored(server: McpServer, stranger: User) -> None:
    other = Toolbox.objects.create(owner=stranger, name="other", provider="own_server")
    lies = [usage(server), usage(str(uuid4())), usage("no-id"), usage("")]
    store_usage(told=[(other.pk, NOW, told(*lies))])
    assert not ServerMetric.objects.exists()


def test_nonsense_is_stored_as_what_can_be(server: McpServer) -> None:
    huge = {"received_bytes": 2**70, "sent_bytes": -5, "memory_bytes": 2**80, "out_of_memory_kills": 10**12, "cpu_percent": float("inf")}
    for seconds in (float("inf"), float("nan"), -7.0, 1e300):
        tell(server, NOW, seconds=seconds, **huge)
    store_usage(told=[(server.toolbox_id, NOW, told(usage(server), usage(server, sent_bytes=9)))])
    assert len(stored(server)) == 2
    assert all(point.cpu_percent is None or point.cpu_percent < 1e9 for point in series(server, "hour", NOW + MIN))


# --- heartbeats ---


def beat(server: McpServer, sequence: int, *usages: ServerUsage, first: int | None = None, **changes: Any) -> Heartbeat:
    changes = {"unchanged": (str(server.pk),), "since": sequence - 1, **changes}
    if usages:
        changes |= {"usage": usages, "usage_first": sequence if first is None else first}
    return heartbeat_of(sequence=sequence).model_copy(update=changes)


def quietly(toolbox: Toolbox, heartbeat: Heartbeat) -> bool:
    """Whether it was taken with a batch."""
    taken = take_quiet(beats=[Beat(toolbox=toolbox.pk, serial=peer_of(toolbox).serial, at=timezone.now(), heartbeat=heartbeat)])
    return toolbox.pk in taken


@pytest.mark.parametrize("quiet", [True, False])
def test_a_repeated_heartbeat_counts_once(server: McpServer, quiet: bool) -> None:
    toolbox = server.toolbox
    take_heartbeat(toolbox=toolbox, heartbeat=beat(server, 1, since=0))

    def take(heartbeat: Heartbeat) -> None:
        if not (quiet and quietly(toolbox, heartbeat)):
            take_heartbeat(toolbox=toolbox, heartbeat=heartbeat)

    def sent() -> int:
        return sum(row.sent_bytes or 0 for row in stored(server))

    second = beat(server, 2, usage(server, sent_bytes=10))
    take(second)
    assert sent() == 10
    take(second)
    assert sent() == 10, "a replay"
    take(beat(server, 3, usage(server, sent_bytes=10), first=2, since=1))
    assert sent() == 10, "its answer was lost, so it is told again"
    take(beat(server, 9, usage(server, sent_bytes=100), since=7))
    assert sent() == 10, "a gap: it is told again"
    take(beat(server, 10, usage(server, sent_bytes=100), first=9, since=0))
    assert sent() == 110
    again = beat(server, 1, usage(server, sent_bytes=1000), epoch=2, since=0)
    take(again)
    assert sent() == 1110, "a DTMA that began anew"


@pytest.mark.django_db(transaction=True)  # the intake has threads of its own
def test_a_heartbeat_that_tells_of_servers_tells_their_use_too(server: McpServer) -> None:
    loud = beat(server, 1, usage(server), since=0, servers=(state_of(server, Phase.RUNNING),), unchanged=())
    assert post(server.toolbox, loud).status == 200
    assert sum(row.seconds for row in stored(server)) == pytest.approx(60)


@pytest.mark.parametrize("ahead", [timedelta(days=400), -timedelta(hours=3)])
def test_our_clock_counts_not_the_toolbox_s(server: McpServer, ahead: timedelta) -> None:
    heartbeat = beat(server, 1, usage(server), since=0, sent_at=timezone.now() + ahead)
    before = timezone.now()
    take_heartbeat(toolbox=server.toolbox, heartbeat=heartbeat)
    rows = stored(server)
    assert before - 3 * MIN < rows[0].at <= rows[-1].at <= timezone.now()


def test_a_batch_of_many_is_one_statement_more(user: User, server: McpServer) -> None:
    boxes = []
    for number in range(6):
        box = reporting(enrolled(Toolbox.objects.create(owner=user, name=f"box-{number}", provider="own_server")))
        servers = [McpServer(owner=user, toolbox=box, name=f"s-{number}-{n}", manifest={}, phase="running") for n in range(20)]
        McpServer.objects.bulk_create(servers)
        take_heartbeat(toolbox=box, heartbeat=heartbeat_of().model_copy(update={"unchanged": tuple(str(one.pk) for one in servers)}))
        boxes.append((box, servers))

    def beats(sequence: int, *, with_usage: bool) -> list[Beat]:
        return [
            Beat(
                toolbox=box.pk,
                serial=peer_of(box).serial,
                at=timezone.now(),
                heartbeat=heartbeat_of(sequence=sequence).model_copy(
                    update={
                        "unchanged": tuple(str(one.pk) for one in servers),
                        "usage": tuple(usage(one) for one in servers) if with_usage else (),
                        "usage_first": sequence,
                    }
                ),
            )
            for box, servers in boxes
        ]

    counts = []
    for sequence, with_usage in ((2, False), (3, True)):
        batch = beats(sequence, with_usage=with_usage)
        with CaptureQueriesContext(connection) as queries:
            assert len(take_quiet(beats=batch)) == 6
        counts.append(len(queries))
    assert counts[1] == counts[0] + 1
    assert ServerMetric.objects.values("server").distinct().count() == 120


# --- restarts ---


def test_restarts_are_what_the_server_s_own_counter_grew_by(server: McpServer) -> None:
    def heard(restarts: int, phase: Phase = Phase.RUNNING) -> int:
        server.refresh_from_db()
        observe(server_id=server.pk, state=state_of(server, phase, restarts=restarts))
        return sum(row.restarts for row in stored(server))

    assert heard(0) == 0
    assert heard(2, Phase.CRASHED) == 2
    assert heard(2) == 2
    assert heard(3, Phase.CRASHED) == 3
    assert heard(1, Phase.CRASHED) == 4, "a new DTMA counts from nought"


def test_a_minute_with_a_restart_alone_is_still_a_gap(server: McpServer) -> None:
    note_restarts(toolbox_id=server.toolbox_id, server_id=server.pk, at=NOW - 10 * MIN, restarts=1)
    assert all(point.is_gap for point in series(server, "hour", NOW))
    assert newest(server, NOW - 9 * MIN) is None
    tell(server, NOW - 10 * MIN, seconds=10)
    (row,) = stored(server)
    assert (row.restarts, row.cpu_percent) == (1, 25)


# --- rolling up ---


def test_ten_minutes_are_averages_and_sums(server: McpServer) -> None:
    begin = datetime(2026, 5, 1, 11, 0, tzinfo=UTC)
    tell_for(server, begin, 5, cpu_percent=10.0, out_of_memory_kills=1)
    tell_for(server, begin + 5 * MIN, 5, cpu_percent=50.0, memory_bytes=128 * MB)
    note_restarts(toolbox_id=server.toolbox_id, server_id=server.pk, at=begin + 3 * MIN, restarts=2)
    Toolbox.objects.filter(pk=server.toolbox_id).update(last_seen_at=begin + 20 * MIN)
    roll_up(now=begin + 20 * MIN)
    ten = stored(server, 600)[0]
    assert (ten.at, ten.memory_bytes) == (begin, 96 * MB)
    assert [ten.seconds, ten.cpu_percent] == pytest.approx([600, 30])
    assert (ten.received_bytes, ten.sent_bytes, ten.restarts, ten.memory_limit_bytes) == (60_000, 6000, 2, 512 * MB)
    before = list(ServerMetric.objects.order_by("pk").values())
    roll_up(now=begin + 20 * MIN)
    assert list(ServerMetric.objects.order_by("pk").values()) == before
    point = next(point for point in series(server, "week", begin + 15 * MIN) if not point.is_gap)
    assert point.at == begin
    assert [point.cpu_percent, point.received_per_second] == pytest.approx([30, 100])


def test_ten_minutes_wait_until_all_of_them_is_told(server: McpServer) -> None:
    begin = datetime(2026, 5, 1, 11, 0, tzinfo=UTC)
    tell_for(server, begin, 10)
    Toolbox.objects.filter(pk=server.toolbox_id).update(last_seen_at=begin + HOUR)
    roll_up(now=begin + 12 * MIN)
    assert stored(server, 600) == []
    roll_up(now=begin + 13 * MIN)
    assert len(stored(server, 600)) == 1


def test_a_server_never_has_more_rows_than_its_rings_have_slots(server: McpServer) -> None:
    assert sum(SERVER_SLOTS.values()) == 2448
    for number in range(0, 3 * 1440, 7):
        tell(server, NOW + number * MIN, seconds=10)
    assert len(stored(server)) <= 1440


# --- reading ---


def test_the_last_hour_has_a_gap_where_nothing_was_told(server: McpServer) -> None:
    begin = NOW + 30 * SECOND - HOUR
    tell_for(server, begin, 20)
    tell_for(server, begin + 30 * MIN, 30)
    points = series(server, "hour", NOW)
    assert (len(points), points[0].at, points[-1].at) == (60, begin, begin + 59 * MIN)
    assert [point.at for point in points if point.is_gap] == [begin + n * MIN for n in range(20, 30)]
    assert points[0] == Point(begin, 25, 64 * MB, 512 * MB, 100, 10)
    assert (len(series(server, "day", NOW)), len(series(server, "week", NOW))) == (1440, 1008)
    with pytest.raises(KeyError):
        series(server, "year", NOW)


def test_minutes_that_are_to_be_told_soon_are_no_gap(server: McpServer) -> None:
    tell_for(server, NOW - HOUR, 58)
    points = series(server, "hour", NOW)
    assert not points[-1].is_gap
    assert len(points) < 60
    assert series(server, "hour", NOW + 30 * MIN)[-1].is_gap, "it has stopped"
    found = newest(server, NOW)
    assert found is not None
    assert found.cpu_percent == 25


def test_what_happened_is_told_with_its_time(server: McpServer) -> None:
    now = timezone.now()
    Deployment.objects.filter(server=server).update(created_at=now - 20 * MIN)
    Deployment.objects.create(server=server, kind="restart", generation=2, status="superseded", created_at=now - 19 * MIN)
    Deployment.objects.create(server=server, kind="configure", generation=3, status="failed", created_at=now - 18 * MIN)
    Drift.objects.create(server=server, what="crashed", phase="crashed", generation=1, sentence="It ended with 1.", at=now - 10 * MIN)
    Drift.objects.create(server=server, what="missing", phase="absent", generation=1, sentence="It was gone.", at=now - 9 * MIN)
    note_restarts(toolbox_id=server.toolbox_id, server_id=server.pk, at=now - 9 * MIN, restarts=2)
    tell(server, now - 5 * MIN, out_of_memory_kills=1)
    assert [(mark.kind, mark.count, mark.text) for mark in marks(server, "hour")] == [
        (MarkKind.DEPLOYMENT, 1, "Deployed"),
        (MarkKind.DEPLOYMENT, 1, "The change failed"),
        (MarkKind.CRASH, 1, "It ended with 1."),
        (MarkKind.RESTART, 2, "Its toolbox started it again 2 times"),
        (MarkKind.OUT_OF_MEMORY, 1, "A process was killed at the memory limit"),
    ]
    assert marks(server, "hour", now + 2 * HOUR) == []
    assert len(marks(server, "day", now + 2 * HOUR)) == 5


def test_marks_of_a_week_are_of_minutes_first_and_ten_minutes_before_that(server: McpServer) -> None:
    long_ago = NOW - timedelta(days=3)
    tell(server, long_ago, seconds=10, out_of_memory_kills=1)
    Toolbox.objects.filter(pk=server.toolbox_id).update(last_seen_at=NOW + HOUR)
    roll_up(now=long_ago + HOUR)
    tell(server, NOW - 23 * HOUR, seconds=10, out_of_memory_kills=2)
    roll_up(now=NOW)
    found = [mark for mark in marks(server, "week", NOW) if mark.kind is MarkKind.OUT_OF_MEMORY]
    assert found == [
        Mark(datetime(2026, 4, 28, 12, 0, tzinfo=UTC), MarkKind.OUT_OF_MEMORY, 1, "A process was killed at the memory limit"),
        Mark(datetime(2026, 4, 30, 13, 0, tzinfo=UTC), MarkKind.OUT_OF_MEMORY, 2, "2 processes were killed at the memory limit"),
    ]


def test_figures_are_json_that_a_heartbeat_can_carry(server: McpServer) -> None:
    heartbeat = told(usage(server))
    assert Heartbeat.model_validate(json.loads(heartbeat.model_dump_json())).usage == heartbeat.usage
