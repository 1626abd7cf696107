"""Reads the turns of a conversation for its page: as many queries, however many turns there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Func, JSONField, Q, QuerySet
from django.utils import timezone

from agentopia.lib.errors import NotFound
from agents.models import Approval
from chat.live import told
from chat.models import Attachment, Conversation, Question, Run, RunEvent, Step
from chat.pages import ended
from chat.pages.flow import DELTAS, CallNews, Flow
from chat.pages.results import media_of
from chat.pages.turns import ShownCall, Turn
from chat.pages.versions import History, history_of
from chat.selectors import said_in

SHOWN_TURNS = 8
"""So many are shown at first; earlier ones come when they are asked for."""
PAST_TURNS, BEFORE_IT = 24, 2
"""Of what a conversation was: so many at first, so many of them before the one that is looked at."""
MEDIA = frozenset({"image", "audio", "resource"})
"""Kinds of content that a page may show without being asked."""


@dataclass(frozen=True)
class Stretch:
    """Turns in their order; whether there are others before them, and the one that comes after where that is not shown either."""

    turns: list[Turn]
    has_earlier: bool
    following: UUID | None = None


def newest_turns(conversation: Conversation, before: int | None = None) -> Stretch:
    """The newest; those ``before`` a number."""
    said = light(said_in(conversation))
    rows = (said if before is None else said.filter(number__lt=before)).order_by("-number")[: SHOWN_TURNS + 1]
    runs = list(rows)[::-1]
    return Stretch(_turns(conversation, runs[-SHOWN_TURNS:]), len(runs) > SHOWN_TURNS)


def some_turns(conversation: Conversation, ids: Iterable[UUID]) -> list[Turn]:
    """Those of them that are part of the conversation."""
    return _turns(conversation, list(light(said_in(conversation)).filter(pk__in=list(ids))))


def past_turns(conversation: Conversation, version: UUID, before: int | None = None) -> Stretch:
    """What the conversation was when ``version`` was a part of it: that turn, some before and those that followed; or, with ``before`` a
    number, earlier ones. Raises `NotFound`.
    """
    history = history_of(conversation)
    rows = {row.id: row for row in history.rows}
    if version not in rows:
        raise NotFound("There is no such message in this conversation.", code="run_not_found")
    ids = history.stood_with(version)
    if before is None:
        first = max(0, ids.index(version) - BEFORE_IT)
        last = first + PAST_TURNS
    else:
        last = sum(rows[one].number < before for one in ids)
        first = max(0, last - SHOWN_TURNS)
    runs = list(light(conversation.runs.defer("messages").order_by("number")).filter(pk__in=ids[first:last]))
    following = ids[last] if before is None and last < len(ids) else None
    return Stretch(_turns(conversation, runs, history), first > 0, following)


def light(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Without what was given to the model, but whether that is known; with the provider's name, not its key."""
    known = runs.defer("messages", "context").annotate(was_given=Q(context__isnull=False))
    return known.select_related("provider").defer("provider__api_key")


def _turns(conversation: Conversation, runs: list[Run], history: History | None = None) -> list[Turn]:
    turns = {run.pk: Turn(run, kept=ended.kept_of(run)) for run in runs}
    _fill({run_id: turn for run_id, turn in turns.items() if turn.kept is None})
    if history is None and any(run.replaces_id for run in runs):  # what is newest has other versions only where it replaced one
        history = history_of(conversation)
    for run_id, turn in turns.items():
        turn.versions = history.versions_of(run_id) if history else None
    return list(turns.values())


def _fill(turns: dict[UUID, Turn]) -> None:
    """With all that their parts are made of."""
    if not turns:
        return
    flows = _flows_of([turn.run for turn in turns.values()])
    steps = list(_light(Step.objects.filter(run__in=turns)).order_by("run", "number"))
    by_run: dict[UUID, list[Step]] = defaultdict(list)
    for step in steps:
        by_run[step.run_id].append(step)
    calls = _shown_calls([(step, flows[step.run_id]) for step in steps])
    given: dict[UUID, list[Attachment]] = defaultdict(list)
    for attachment in Attachment.objects.filter(run__in=turns).defer("content"):
        given[attachment.run_id].append(attachment)
    for run_id, turn in turns.items():
        turn.flow, turn.attachments = flows[run_id], given[run_id]
        turn.calls = {str(step.pk): calls[step.pk] for step in by_run[run_id]}


def _flows_of(runs: Sequence[Run]) -> dict[UUID, Flow]:
    """Of what has ended the pieces of texts are not read: its last words have them whole."""
    flows = {run.pk: Flow() for run in runs}
    over = [run.pk for run in runs if run.status in Run.ENDED]
    going_on = [run.pk for run in runs if run.status not in Run.ENDED]
    rows = RunEvent.objects.order_by("run", "seq")
    for found in (rows.filter(run__in=over).exclude(kind__in=DELTAS), rows.filter(run__in=going_on)):
        for row in found:
            flows[row.run_id].take([told(row.seq, row.kind, row.data, row.created_at)])
    for flow in flows.values():
        flow.taken_news()
    return flows


def calls_of(run_id: UUID, flow: Flow, ids: Iterable[str]) -> dict[str, ShownCall]:
    """Some calls of a run, as they are now."""
    steps = list(_light(Step.objects.filter(run=run_id, pk__in=list(ids))))
    return {str(key): call for key, call in _shown_calls([(step, flow) for step in steps]).items()}


def _light(steps: QuerySet[Step]) -> Any:
    """Without the results, which are read where one unfolds them, but with the kinds of what is in them."""
    return steps.defer("result").annotate(result_kinds=_ContentKinds(F("result")))


class _ContentKinds(Func):
    template = "jsonb_path_query_array(%(expressions)s, '$.content[*].type')"
    output_field = JSONField()


def _shown_calls(steps: Sequence[tuple[Any, Flow]]) -> dict[UUID, ShownCall]:
    """With what waits of them. Three queries at most."""
    with_media = [step.pk for step, _ in steps if MEDIA.intersection(map(str, step.result_kinds or ()))]
    results = dict(Step.objects.filter(pk__in=with_media).values_list("pk", "result")) if with_media else {}
    asking = [step.approval_id for step, _ in steps if step.status == Step.Status.APPROVAL and step.approval_id]
    approvals = {row.pk: row for row in _waiting_approvals(asking)} if asking else {}
    open_ = [step.pk for step, _ in steps if step.status not in Step.ENDED]
    questions = {row.step_id: row for row in _waiting_questions(open_)} if open_ else {}
    return {
        step.pk: ShownCall(
            step,
            flow.calls.get(str(step.pk), CallNews()),
            approvals.get(step.approval_id) if step.approval_id else None,
            questions.get(step.pk),
            media_of(results.get(step.pk)),
        )
        for step, flow in steps
    }


def _waiting_approvals(ids: list[UUID]) -> Iterable[Approval]:
    waiting = Approval.objects.filter(pk__in=ids, status=Approval.Status.WAITING, expires_at__gt=timezone.now())
    return waiting.select_related("call")


def _waiting_questions(steps: list[UUID]) -> Iterable[Question]:
    waiting = Question.objects.filter(step__in=steps, status=Question.Status.WAITING, expires_at__gt=timezone.now())
    return waiting.select_related("step").order_by("-created_at")
