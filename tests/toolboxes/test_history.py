"""What heartbeats, and their absence, add to a toolbox's history, and how long that is kept."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from dtma_wire import Heartbeat
from mcp_registry.services.heartbeats import take_heartbeat
from tests.conftest import heartbeat_of
from toolboxes.models import Metric, Toolbox, ToolboxEvent, silence_after
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.heartbeats import Heard, record_heartbeat
from toolboxes.services.retention import EVENTS_KEPT, EVENTS_KEPT_ALWAYS, forget_old
from toolboxes.services.silence import note_silence


def beat(toolbox: Toolbox, sequence: int, *, version: str = "0.1.0", skew_seconds: float = 0, engine_problem: str = "") -> Heartbeat:
    heartbeat = heartbeat_of(sequence=sequence, engine_problem=engine_problem)
    sent_at = timezone.now() + timedelta(seconds=skew_seconds)
    heartbeat = heartbeat.model_copy(update={"sent_at": sent_at, "info": heartbeat.info.model_copy(update={"dtma_version": version})})
    assert take_heartbeat(toolbox=toolbox, heartbeat=heartbeat).known
    return heartbeat


def history(toolbox: Toolbox) -> list[tuple[str, str, str]]:
    """Oldest first, without how the toolbox came to be."""
    events = toolbox.events.exclude(kind="created").order_by("pk")
    return [(event.kind, event.severity, event.text) for event in events]


def test_the_first_heartbeat_is_told(toolbox: Toolbox) -> None:
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=None, shown_silent=True)
    beat(toolbox, 1)
    assert history(toolbox) == [("first_heartbeat", "info", "It reported for the first time.")]


def test_a_toolbox_that_falls_silent_and_reports_again(toolbox: Toolbox) -> None:
    beat(toolbox, 1)
    later = timezone.now() + silence_after() * 2
    note_silence(now=later)
    note_silence(now=later)
    beat(toolbox, 2)
    assert history(toolbox) == [("silent", "warning", "It stopped reporting."), ("reports_again", "info", "It reports again.")]


def test_one_whose_certificates_were_revoked_did_not_stop_by_itself(toolbox: Toolbox) -> None:
    beat(toolbox, 1)
    revoke_certificates(toolbox=toolbox, reason="test")
    note_silence(now=timezone.now() + silence_after() * 2)
    assert [kind for kind, _, _ in history(toolbox)] == ["revoked"]
    assert Toolbox.objects.get(pk=toolbox.pk).shown_silent


def test_many_that_fall_silent_at_once(toolbox: Toolbox) -> None:
    boxes = [
        Toolbox(owner=toolbox.owner, name=f"b{n}", provider="own_server", enrolled_at=toolbox.enrolled_at, shown_silent=False)
        for n in range(1200)
    ]
    Toolbox.objects.bulk_create(boxes)
    note_silence(now=timezone.now())
    assert ToolboxEvent.objects.filter(kind="silent").count() == 1200
    assert not Toolbox.objects.get(pk=toolbox.pk).shown_silent


def test_an_engine_that_goes_and_comes_back(toolbox: Toolbox) -> None:
    beat(toolbox, 1)
    for sequence, problem in enumerate(("Docker does not answer.", "Docker does not answer.", ""), start=2):
        beat(toolbox, sequence, engine_problem=problem)
    assert history(toolbox) == [
        ("engine_gone", "warning", "Its container engine does not answer: Docker does not answer."),
        ("engine_back", "info", "Its container engine answers again."),
    ]


def test_a_dtma_of_another_version(toolbox: Toolbox) -> None:
    beat(toolbox, 1)
    beat(toolbox, 2, version="0.2.0")
    beat(toolbox, 3, version="0.2.0")
    assert history(toolbox) == [("version_changed", "info", "Its DTMA was 0.1.0 and is 0.2.0 now.")]


def test_a_clock_that_is_off_is_told_once(toolbox: Toolbox) -> None:
    for sequence, skew in enumerate((-58, -7200, -7200, -40, -62), start=1):
        beat(toolbox, sequence, skew_seconds=skew)
    ((kind, severity, text),) = history(toolbox)
    assert (kind, severity) == ("clock_off", "warning")
    assert text.startswith("Its clock is 2 hours behind.")


def test_a_dtma_that_was_set_back_is_heard_again_once_nothing_newer_was_for_long(toolbox: Toolbox) -> None:
    record_heartbeat(toolbox=toolbox, heartbeat=heartbeat_of(epoch=5, sequence=9))
    old = heartbeat_of(epoch=3, sequence=1)
    assert record_heartbeat(toolbox=toolbox, heartbeat=old) is Heard.OVERTAKEN
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=timezone.now() - silence_after() * 2)
    building = heartbeat_of(epoch=3, sequence=2).model_copy(update={"since": 1})
    assert record_heartbeat(toolbox=toolbox, heartbeat=building) is Heard.SET_BACK
    assert record_heartbeat(toolbox=toolbox, heartbeat=old) is Heard.NEXT
    toolbox.refresh_from_db()
    assert (toolbox.epoch, toolbox.sequence) == (3, 1)


def test_history_has_an_end(toolbox: Toolbox) -> None:
    now = timezone.now()
    quiet = Toolbox.objects.create(owner=toolbox.owner, name="quiet", provider="own_server")
    ToolboxEvent.objects.bulk_create(
        [ToolboxEvent(toolbox=toolbox, kind="x", text=str(n), at=now - timedelta(minutes=n)) for n in range(EVENTS_KEPT + 50)]
        + [ToolboxEvent(toolbox=quiet, kind="x", text=str(n), at=now - timedelta(days=80 + n)) for n in range(EVENTS_KEPT_ALWAYS + 50)]
    )
    forget_old(now=now + timedelta(seconds=1))
    assert toolbox.events.filter(kind="x").count() in (EVENTS_KEPT, EVENTS_KEPT - 1), "the newest, of which one may be of its making"
    assert quiet.events.count() == EVENTS_KEPT_ALWAYS, "the newest however old"
    assert quiet.events.filter(text="0").exists()
    assert not toolbox.events.filter(text=str(EVENTS_KEPT + 40)).exists()


def test_figures_of_a_removed_toolbox_go_after_a_while(toolbox: Toolbox) -> None:
    now = timezone.now()
    Metric.objects.create(toolbox=toolbox, resolution=15, slot=0, at=now, load=0.1, memory_used_bytes=1, disk_used_bytes=1)
    Toolbox.objects.filter(pk=toolbox.pk).update(deleted_at=now)
    forget_old(now=now)
    assert Metric.objects.exists()
    forget_old(now=now + timedelta(days=31))
    assert not Metric.objects.exists()
