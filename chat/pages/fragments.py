"""What the page of a conversation is sent: fragments, each of which replaces the element of its id or is appended to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from accounts.models import User
from chat.models import Conversation, Step
from chat.pages import showing
from chat.pages.flow import Flow, News, Part, Round
from chat.pages.gathering import calls_of, light, newest_turns, some_turns
from chat.pages.lists import conversation_list
from chat.pages.markdown import settled
from chat.pages.showing import Head
from chat.pages.streaming import begun, grown
from chat.pages.turns import ShownCall, ShownItem, Turn
from chat.selectors import conversation_for, runs_for
from chat.templatetags.chat import models_url


@dataclass
class Outline:
    """What a page shows: from which number on, its runs, and how each of its cards stands."""

    first: int
    heads: list[Head]


@dataclass
class Change:
    """``begun`` are the runs that go on and are shown anew, with their flows; with ``is_whole`` all turns are shown anew."""

    outline: Outline
    html: str = ""
    begun: dict[UUID, Flow] = field(default_factory=dict)
    is_whole: bool = False


def chats(user: User, current: UUID | None) -> str:
    """The list of conversations."""
    return render_to_string("chat/chats.html", conversation_list(user, current=current))


def crumb(conversation: Conversation) -> str:
    """The conversation's name, as the page has it."""
    return render_to_string("chat/crumb.html", {"conversation": conversation})


def outline(user: User, conversation_id: UUID, before: Outline | None, seen: str, followed: Mapping[UUID, Flow]) -> Change:
    """What differs between what a page shows and what it should: before the first time ``seen`` tells what it shows. What happens in the
    runs that are ``followed`` is sent by who follows them. Raises `NotFound`.
    """
    conversation = conversation_for(user, conversation_id)
    if before is None:
        return _first(conversation, seen)
    numbered = showing.heads_of(conversation, before.first)
    heads = [head for _, head in numbered]
    known = [head.id for head in before.heads]
    if [head.id for head in heads[: len(known)]] != known:
        return _anew(conversation)
    change = Change(Outline(before.first or (numbered[0][0] if numbered else 0), heads))
    new = [head.id for head in heads[len(known) :]]
    other = [now.id for was, now in zip(before.heads, heads, strict=False) if now.is_ended != was.is_ended]
    html = [_turn(change, turn, turn.run.pk in new, followed) for turn in some_turns(conversation, [*new, *other])] if new or other else []
    html += [_decided(run_id, flow) for run_id, flow in followed.items()]
    if new or other:
        html.append(_writing(conversation, new))
    change.html = "".join(html)
    return change


def _turn(change: Change, turn: Turn, is_new: bool, followed: Mapping[UUID, Flow]) -> str:
    if turn.run.pk in followed:
        return render_to_string("chat/foot.html", {"turn": turn})
    if not turn.is_ended:
        change.begun[turn.run.pk] = _followed(turn)
    return render_to_string("chat/turn_sent.html", {"turn": turn, "is_new": is_new})


def _decided(run_id: UUID, flow: Flow) -> str:
    """Cards of calls that waited and do no longer, before their worker has heard of it."""
    waited = [key for key, told in flow.calls.items() if told.standing and told.standing[0] == Step.Status.APPROVAL and told.standing[-2]]
    calls = calls_of(run_id, flow, waited) if waited else {}
    return "".join(_card(f"run-{run_id}", flow, call, False) for key, call in calls.items() if _standing(call) != flow.calls[key].standing)


def _first(conversation: Conversation, seen: str) -> Change:
    turns = newest_turns(conversation).turns
    change = _of_turns(turns)
    if showing.stamp_of(turns) != seen:
        change.html = _all(turns) + _writing(conversation)
    return change


def _anew(conversation: Conversation) -> Change:
    turns = newest_turns(conversation).turns
    change = _of_turns(turns)
    change.html, change.is_whole = _all(turns) + _writing(conversation), True
    return change


def _of_turns(turns: list[Turn]) -> Change:
    heads = [Head(turn.run.pk, turn.is_ended) for turn in turns]
    begun = {turn.run.pk: _followed(turn) for turn in turns if not turn.is_ended}
    return Change(Outline(turns[0].run.number if turns else 0, heads), begun=begun)


def _followed(turn: Turn) -> Flow:
    """Its flow, with what the page shows of open texts, and how its cards stand."""
    for item in turn.flow.items.values():
        if isinstance(item, Part) and item.is_open:
            item.shown = settled(item.text) if item.kind == "text" else len(item.text)
    for key, call in turn.calls.items():
        turn.flow.calls.setdefault(key, call.told).standing = _standing(call)
    return turn.flow


def _standing(call: ShownCall) -> tuple[Any, ...]:
    """As long as this is the same, no more than its progress differs."""
    asked = (call.approval.pk if call.approval else None, call.question.pk if call.question else None)
    return (call.step.status, call.step.tries, call.step.receipt_id, *asked)


def _all(turns: list[Turn]) -> str:
    return render_to_string("chat/turns.html", {"turns": turns})


def _writing(conversation: Conversation, new: list[UUID] | None = None) -> str:
    """What one may do now; ``new`` runs have just begun."""
    context = {**showing.writing_of(conversation), "models_at": models_url()}
    if context["running"] is None and new == []:
        context["said"] = f"{conversation.agent_name} has finished."
    return render_to_string("chat/writing.html", context)


def foot(user: User, run_id: UUID) -> str:
    """How a run stands; empty where it is no part of the conversation any more."""
    run = light(runs_for(user)).filter(pk=run_id, is_superseded=False).first()
    return render_to_string("chat/foot.html", {"turn": Turn(run)}) if run is not None else ""


def calls_of_news(run_id: UUID, flow: Flow, news: News) -> dict[str, ShownCall]:
    """The calls that news are of, as they are now."""
    return calls_of(run_id, flow, news.steps)


def of_news(run_id: UUID, flow: Flow, news: News, calls: Mapping[str, ShownCall]) -> str:
    """What brings a page up to now: new items, what has grown, and cards that changed."""
    turn_id = f"run-{run_id}"
    html = [_item(turn_id, flow, key, is_new, calls) for key, is_new in news.items.items() if key in flow.items]
    within = {
        step for key, is_new in news.items.items() if is_new and isinstance(item := flow.items.get(key), Round) for step in item.steps
    }
    html += [_card(turn_id, flow, calls[step], is_new) for step, is_new in news.steps.items() if step in calls and step not in within]
    return "".join(html)


def _item(turn_id: str, flow: Flow, key: str, is_new: bool, calls: Mapping[str, ShownCall]) -> str:
    item = flow.items[key]
    if isinstance(item, Part):
        if not is_new:
            return grown(turn_id, item)
        content = "" if item.is_void else begun(turn_id, item)
    else:
        shown = ShownItem(item, [calls[step] for step in item.steps if step in calls] if isinstance(item, Round) else [])
        for call in shown.calls:
            flow.calls[str(call.step.pk)].standing = _standing(call)
        content = render_to_string("chat/item.html", {"turn": {"id": turn_id}, "shown": shown})
    return render_to_string("chat/appended.html", {"id": f"{turn_id}-items", "content": content}) if content else ""


def _card(turn_id: str, flow: Flow, call: ShownCall, is_new: bool) -> str:
    """A card; no more than its progress where nothing else differs, so that nobody who types in it is disturbed."""
    standing = _standing(call)
    told = flow.calls[str(call.step.pk)]
    if not is_new and told.standing == standing:
        return render_to_string("chat/call_progress.html", {"call": call}) if call.step.status == Step.Status.RUNNING else ""
    told.standing = standing
    content = render_to_string("chat/call.html", {"call": call})
    if not is_new:
        return content
    key = next((item.key for item in flow.items.values() if isinstance(item, Round) and str(call.step.pk) in item.steps), "")
    return render_to_string("chat/appended.html", {"id": f"{turn_id}-{key}", "content": content, "many": True})
