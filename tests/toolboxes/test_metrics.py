"""How busy toolboxes were: a ring of figures for each, rolled up, and bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from dtma_wire import HostLoad
from toolboxes.metrics import Point, series
from toolboxes.models import Metric, RollUp, Toolbox
from toolboxes.models.metrics import SLOTS
from toolboxes.services.metrics import measure, place, roll_up

NOW = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def report(toolbox: Toolbox, at: datetime, busy: float = 50.0) -> None:
    load = HostLoad(cpu_percent=busy, load=busy / 100, memory_used_bytes=int(busy * 1000), disk_used_bytes=7)
    measure(toolbox_id=toolbox.pk, at=at, load=load)
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=at)


def report_for(toolbox: Toolbox, begin: datetime, length: timedelta, busy: float = 50.0) -> None:
    for number in range(int(length / (15 * SECOND))):
        report(toolbox, begin + number * 15 * SECOND, busy)


def reported(points: list[Point]) -> list[Point]:
    return [point for point in points if not point.is_gap]


def test_the_last_hour_has_a_gap_where_nothing_was_reported(toolbox: Toolbox) -> None:
    report_for(toolbox, NOW - HOUR, 30 * MINUTE)
    report_for(toolbox, NOW - 20 * MINUTE, 20 * MINUTE)
    points = series(toolbox, "hour", NOW)
    assert (len(points), points[0].at, points[-1].at) == (240, NOW - HOUR, NOW - 15 * SECOND)
    gap = [point.at for point in points if point.is_gap]
    assert gap == [NOW - 30 * MINUTE + n * 15 * SECOND for n in range(40)]
    assert (points[0].cpu_percent, points[0].load, points[0].memory_used_bytes, points[0].disk_used_bytes) == (50, 0.5, 50_000, 7)


def test_a_heartbeat_that_is_a_little_later_each_time_makes_no_gap(toolbox: Toolbox) -> None:
    for number in range(200):
        report(toolbox, NOW - 59 * MINUTE + number * 15.2 * SECOND)
    assert len(reported(series(toolbox, "hour", NOW))) >= 202, "202 slots, three of which lie between two heartbeats"


def test_three_missed_heartbeats_are_a_gap_however_they_lie(toolbox: Toolbox) -> None:
    report(toolbox, NOW - 10 * MINUTE)
    report(toolbox, NOW - 9 * MINUTE)
    assert len(reported(series(toolbox, "hour", NOW))) == 2


def test_what_lay_in_a_slot_a_round_ago_does_not_show(toolbox: Toolbox) -> None:
    report(toolbox, NOW - HOUR - 5 * MINUTE)
    report(toolbox, NOW - MINUTE)
    assert [point.at for point in reported(series(toolbox, "hour", NOW))] == [NOW - MINUTE]
    report(toolbox, NOW + 55 * MINUTE)
    assert Metric.objects.filter(toolbox=toolbox).count() == 2, "the later one took the first one's place"


def test_minutes_and_ten_minutes_are_averages(toolbox: Toolbox) -> None:
    begin = datetime(2026, 5, 1, 11, 0, tzinfo=UTC)
    report_for(toolbox, begin, 10 * MINUTE, busy=20)
    report(toolbox, begin + 5 * MINUTE + 15 * SECOND, busy=60)
    report_for(toolbox, begin + 10 * MINUTE, 10 * MINUTE, busy=80)
    now = begin + 21 * MINUTE
    roll_up(now=now)
    day = {point.at: point.cpu_percent for point in series(toolbox, "day", now)}
    assert (day[begin], day[begin + 5 * MINUTE], day[begin + 15 * MINUTE]) == (20, 30, 80)
    week = reported(series(toolbox, "week", now))
    assert [(point.at, point.cpu_percent, point.memory_used_bytes) for point in week] == [
        (begin, 21, 21_000),
        (begin + 10 * MINUTE, 80, 80_000),
    ]
    assert len(series(toolbox, "month", now)) == 4320


def test_rolling_up_again_changes_nothing(toolbox: Toolbox) -> None:
    report_for(toolbox, NOW - 30 * MINUTE, 30 * MINUTE)
    roll_up(now=NOW)
    before = list(Metric.objects.order_by("pk").values())
    roll_up(now=NOW)
    assert list(Metric.objects.order_by("pk").values()) == before
    RollUp.objects.all().delete()
    roll_up(now=NOW)
    assert list(Metric.objects.order_by("pk").values()) == before


def test_what_happened_while_beat_was_away_is_made_up_for(toolbox: Toolbox) -> None:
    roll_up(now=NOW - 2 * HOUR)
    report_for(toolbox, NOW - 2 * HOUR, 2 * HOUR)
    roll_up(now=NOW)
    day = reported(series(toolbox, "day", NOW))
    assert len(day) == 59, "as far back as what it is made of is kept"
    assert RollUp.objects.get(resolution=60).until == NOW.replace(second=0)


def test_a_minute_waits_until_all_of_it_has_been_heard(toolbox: Toolbox) -> None:
    begin = place(NOW, 60)[1]
    report_for(toolbox, begin - MINUTE, MINUTE)
    roll_up(now=begin + 5 * SECOND)
    assert not Metric.objects.filter(resolution=60).exists()
    roll_up(now=begin + 25 * SECOND)
    assert Metric.objects.filter(resolution=60).count() == 1


def test_a_toolbox_never_has_more_rows_than_its_rings_have_slots(toolbox: Toolbox) -> None:
    assert sum(SLOTS.values()) == 6000
    for resolution, slots in SLOTS.items():
        places = {place(NOW + n * timedelta(seconds=resolution), resolution)[0] for n in range(3 * slots)}
        assert places == set(range(slots))
    for _ in range(3):
        for number in range(300):
            report(toolbox, NOW + number * 15 * SECOND)
    assert Metric.objects.filter(toolbox=toolbox, resolution=15).count() == 240


def test_an_unknown_window(toolbox: Toolbox) -> None:
    with pytest.raises(KeyError):
        series(toolbox, "year")


def test_where_heartbeats_are_rarer_the_time_between_them_is_no_gap(toolbox: Toolbox, settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 60
    for number in range(10):
        report(toolbox, NOW - 10 * MINUTE + number * MINUTE)
    assert len(reported(series(toolbox, "hour", NOW))) == 37
