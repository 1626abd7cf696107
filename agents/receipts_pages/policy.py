"""What a user keeps of receipts, and may spend on calls."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction

from accounts import audit
from accounts.models import User
from agents.models import CallPolicy
from agents.toolsets.touch import touch

FIELDS = ("keep_days", "calls_per_minute", "calls_per_day", "cpu_seconds_per_day")


class PolicyForm(forms.ModelForm[CallPolicy]):
    class Meta:
        model = CallPolicy
        fields = FIELDS
        labels = {
            "keep_days": "Keep receipts for (days)",
            "calls_per_minute": "Calls a minute",
            "calls_per_day": "Calls a day",
            "cpu_seconds_per_day": "CPU seconds a day",
        }
        help_texts = {
            "keep_days": "Older receipts are deleted, with their arguments and results. What they cost is then known no more.",
            "calls_per_minute": "Of all your agents and programs together. Empty: as many as one likes.",
            "calls_per_day": "A day of UTC. Empty: as many as one likes.",
            "cpu_seconds_per_day": "CPU time of servers, which is what calls cost. Empty: no limit.",
        }


def policy_of(user: User) -> CallPolicy:
    """The user's, or what counts while there is none."""
    return CallPolicy.objects.filter(user=user).first() or CallPolicy(user=user)


@transaction.atomic
def change_policy(*, user: User, values: dict[str, Any]) -> list[str]:
    """Set `FIELDS`, which a `PolicyForm` has checked; returns those that are changed by it, which count from the next call on."""
    policy, _ = CallPolicy.objects.select_for_update().get_or_create(user=user)
    changes = {name: [getattr(policy, name), values[name]] for name in FIELDS if getattr(policy, name) != values[name]}
    if changes:
        for name, (_, value) in changes.items():
            setattr(policy, name, value)
        policy.save(update_fields=list(changes))
        touch(owner_id=user.pk)
        audit.record(action="calls.policy_changed", target=audit.Target("callpolicy", str(user.pk), "Calls"), owner=user, changes=changes)
    return list(changes)
