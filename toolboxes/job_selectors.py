"""Reads of jobs and of cloud accounts; each starts from the user who asks."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Q, QuerySet

from accounts.models import User
from agentopia.lib.errors import NotFound
from toolboxes.models import CloudAccount, Job, Toolbox


def toolbox_or_removed_for(user: User, toolbox_id: UUID) -> Toolbox:
    """One toolbox of this user, also one that was removed: its history stays readable. Raises `NotFound`."""
    toolbox = Toolbox.objects.filter(owner=user, pk=toolbox_id).first()
    if toolbox is None:
        raise NotFound("You have no such toolbox.", code="toolbox_not_found")
    return toolbox


def newest_job_of(toolbox: Toolbox) -> Job | None:
    """The last making or removing of it, with its steps."""
    return toolbox.jobs.prefetch_related("steps").first()


def cloud_accounts_for(user: User) -> QuerySet[CloudAccount]:
    """The user's accounts with cloud providers, each with how many toolboxes stand on its machines (``toolboxes``)."""
    living = Count("machines", filter=Q(machines__toolbox__deleted_at=None))
    return CloudAccount.objects.filter(owner=user).annotate(toolboxes=living)


def cloud_account_for(user: User, account_id: UUID) -> CloudAccount:
    """One of them. Raises `NotFound`."""
    account = CloudAccount.objects.filter(owner=user, pk=account_id).first()
    if account is None:
        raise NotFound("You have no such cloud account.", code="account_not_found")
    return account


def accounts_in_use() -> QuerySet[CloudAccount]:
    """All accounts, of anyone, with machines that are to be looked after."""
    return CloudAccount.objects.filter(machines__toolbox__deleted_at=None).exclude(machines__reference="").distinct()
