"""How long conversations are kept: as long as their user says, and for good where nothing is said."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import User
from chat.models import Conversation, ConversationPolicy, Run
from chat.services.conversations import delete_conversation

AT_ONCE = 200


def policy_of(user: User) -> ConversationPolicy:
    """The user's, or what counts while there is none."""
    return ConversationPolicy.objects.filter(user=user).first() or ConversationPolicy(user=user)


@transaction.atomic
def keep_conversations(*, user: User, days: int | None) -> bool:
    """Keep conversations so many days after their last message; None: for good. Returns whether that is a change."""
    policy, _ = ConversationPolicy.objects.select_for_update().get_or_create(user=user)
    if policy.keep_days == days:
        return False
    changes = {"keep_days": [policy.keep_days, days]}
    policy.keep_days = days
    policy.save(update_fields=("keep_days",))
    target = audit.Target("conversationpolicy", str(user.pk), "Conversations")
    audit.record(action="conversations.policy_changed", target=target, owner=user, changes=changes)
    return True


def old_conversations(policy: ConversationPolicy, now: datetime | None = None) -> QuerySet[Conversation]:
    """Those that its user does not keep any longer: none that is pinned, or at which an agent still is."""
    if policy.keep_days is None:
        return Conversation.objects.none()
    unfinished = Run.objects.filter(conversation=OuterRef("pk")).exclude(status__in=Run.ENDED)
    before = (now or timezone.now()) - timedelta(days=policy.keep_days)
    return Conversation.objects.filter(~Exists(unfinished), owner=policy.user_id, pinned_at=None, updated_at__lt=before)


def forget_old_conversations(now: datetime | None = None) -> int:
    """Delete what its user does not keep any longer, one at a time; returns how many."""
    deleted = 0
    for policy in ConversationPolicy.objects.exclude(keep_days=None).select_related("user"):
        old = old_conversations(policy, now).order_by("updated_at")
        while found := [pk for pk in old.values_list("pk", flat=True)[:AT_ONCE] if _forget(policy, old.filter(pk=pk))]:
            deleted += len(found)
    return deleted


@transaction.atomic
def _forget(policy: ConversationPolicy, old: QuerySet[Conversation]) -> bool:
    """Whether it is deleted: meanwhile it may have been pinned, or gone on with."""
    found = old.select_for_update(no_key=True).first()
    if found is not None:
        delete_conversation(user=policy.user, conversation_id=found.pk)
    return found is not None
